// Package schema is what is known of kinds without asking a server: how they
// are served, who owns which field of an object, what is defaulted, pruned and
// refused. Built-in kinds come from tables and from the schemas that client-go
// carries; custom ones from their CustomResourceDefinition.
//
//	kinds := schema.Builtin().With(definition)
//	kind, err := kinds.Find(gvk)
//	owned, err := kind.FieldSet(desired) // what an apply of desired would own
//
// Kinds and definitions are immutable. The package reads no clock and no
// cluster, and must never decide what happens to an object: it answers.
package schema

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"

	"github.com/leat-dev/leat/internal/world"
)

// Kind is what is known of a kind in one version.
type Kind struct {
	world.Mapping
	// Status tells whether status is written through its own subresource.
	Status bool
	// Counted tells whether changes of what is asked for bump generation;
	// CountedMeta are the fields of metadata that count as such.
	Counted     bool
	CountedMeta []string
	// Frozen tells that a generation is given to new objects and stays.
	Frozen bool
	// Versions are those served, the preferred one first.
	Versions []string

	types    func() managedfields.TypeConverter
	custom   *custom // nil for kinds that no CustomResourceDefinition made
	goTyped  bool    // client-go has a type for it
	managers managers
}

// GroupResource names the resource as errors do.
func (k *Kind) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.GVK.Group, Resource: k.Resource}
}

// Fidelity says what predictions for this kind are worth.
func (k *Kind) Fidelity() world.Fidelity {
	if k.types == nil {
		return world.Structural
	}
	return world.OfSchema
}

// Builtin tells whether the kind is part of Kubernetes.
func (k *Kind) Builtin() bool { return k.goTyped || builtinGroups()[k.GVK.Group] }

// Kinds is an immutable set of kinds.
type Kinds struct {
	byKind map[schema.GroupKind]versions
}

// versions are the served versions of one kind.
type versions struct {
	order []string
	kinds map[string]*Kind
}

// Find returns a kind; with an empty version the preferred one. A kind or
// version that is not served is a meta.NoKindMatchError.
func (k *Kinds) Find(gvk schema.GroupVersionKind) (*Kind, error) {
	v, ok := k.byKind[gvk.GroupKind()]
	if ok && gvk.Version == "" {
		return v.kinds[v.order[0]], nil
	}
	if kind, ok := v.kinds[gvk.Version]; ok {
		return kind, nil
	}
	return nil, NoMatch(gvk)
}

// NoMatch is the error of a kind that is not served.
func NoMatch(gvk schema.GroupVersionKind) error {
	e := &meta.NoKindMatchError{GroupKind: gvk.GroupKind()}
	if gvk.Version != "" {
		e.SearchedVersions = []string{gvk.Version}
	}
	return e
}

// Has tells whether a kind is in the set, in any version.
func (k *Kinds) Has(gk schema.GroupKind) bool {
	_, ok := k.byKind[gk]
	return ok
}

// All returns every kind in its preferred version, sorted by group and kind.
func (k *Kinds) All() []*Kind {
	all := make([]*Kind, 0, len(k.byKind))
	for _, gk := range slices.SortedFunc(maps.Keys(k.byKind), compareGroupKind) {
		v := k.byKind[gk]
		all = append(all, v.kinds[v.order[0]])
	}
	return all
}

// Served returns how every kind is served in every version, sorted by group and
// kind, the preferred version first.
func (k *Kinds) Served() []world.Mapping {
	all := make([]world.Mapping, 0, len(k.byKind))
	for _, gk := range slices.SortedFunc(maps.Keys(k.byKind), compareGroupKind) {
		v := k.byKind[gk]
		for _, version := range v.order {
			all = append(all, v.kinds[version].Mapping)
		}
	}
	return all
}

// With returns the set with the kinds of a definition in place of those that
// had the same name.
func (k *Kinds) With(d *Definition) *Kinds {
	out := &Kinds{byKind: maps.Clone(k.byKind)}
	if out.byKind == nil {
		out.byKind = map[schema.GroupKind]versions{}
	}
	delete(out.byKind, d.GroupKind)
	if len(d.served.order) > 0 {
		out.byKind[d.GroupKind] = d.served
	}
	return out
}

// Without returns the set without a kind.
func (k *Kinds) Without(gk schema.GroupKind) *Kinds {
	out := &Kinds{byKind: maps.Clone(k.byKind)}
	delete(out.byKind, gk)
	return out
}

// Unknown is a kind that is served although nothing is known of its schema: the
// kinds of aggregated API servers.
func Unknown(m world.Mapping) *Kind {
	return &Kind{Mapping: m, Versions: []string{m.GVK.Version}}
}

func compareGroupKind(a, b schema.GroupKind) int {
	return slices.Compare([]string{a.Group, a.Kind}, []string{b.Group, b.Kind})
}
