package preview

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// Kinds whose definitions nothing here brings may be there where the fleet runs: from
// a chart that is out of reach, from whoever made the cluster, in another cluster. They
// are made up, take whatever they are given, and are counted among the placeholders:
//
//   - while anything is out of reach, which may be what brings them;
//   - in another cluster, of which nothing else is known, and so are namespaces there;
//   - where units would not be seen for want of one: those that a unit makes, or that
//     wait for it.
//
// What the fleet brought before is never made up (its end is what is to be told), nor a
// kind that it did without before and that nothing out of reach can bring.

// noKind is how the API words that it does not know a kind.
var noKind = regexp.MustCompile(`no matches for kind "([A-Za-z0-9]+)" in version "([A-Za-z0-9./-]+)"`)

// kinds makes up those that are missing.
func (f *Fleet) kinds(ctx context.Context, objs []*unstructured.Unstructured) (bool, error) {
	changed, lost := false, f.missesAny()
	for _, obj := range objs {
		key := object.KeyOf(obj)
		for _, m := range noKind.FindAllStringSubmatch(f.runs[key].Message, -1) {
			gv, err := gvks.ParseGroupVersion(m[2])
			if err != nil || gv.Group == "" {
				continue
			}
			k := missingKind{gv.WithKind(m[1]), unit.Elsewhere(obj), key}
			if f.before.brings(defined{cluster: k.cluster, kind: k.GroupKind()}) || !lost && !f.wants(k, objs) {
				continue
			}
			made, err := f.kind(ctx, k)
			if err != nil {
				return false, err
			}
			changed = changed || made
		}
	}
	return changed, nil
}

// missingKind is a kind that a unit could not do without in a cluster.
type missingKind struct {
	gvks.GroupVersionKind
	cluster string
	by      object.Key
}

// vowelY are kinds of which the y stays: gateways, not gatewaies, as the guess of apimachinery is.
var vowelY = regexp.MustCompile("[aeou]y$")

// plural is how the resource is most likely called.
func (k missingKind) plural() string {
	if singular := strings.ToLower(k.Kind); vowelY.MatchString(singular) {
		return singular + "s"
	}
	resource, _ := apimeta.UnsafeGuessKindToResource(k.GroupVersionKind)
	return resource.Resource
}

// key is that of the definition.
func (k missingKind) key() object.Key {
	return object.Key{Group: schema.DefinitionKind.Group, Kind: schema.DefinitionKind.Kind, Name: k.plural() + "." + k.Group, Cluster: k.cluster}
}

// wants tells whether a kind is to be made up though nothing is out of reach.
func (f *Fleet) wants(k missingKind, objs []*unstructured.Unstructured) bool {
	if k.cluster != "" {
		return true
	}
	if f.before != nil && len(f.before.fleet.Units) > 0 && !f.before.made[k.key()] {
		return false
	}
	return f.hides(k.by, objs)
}

// hides tells whether other units are not seen because one is not applied: those that
// it would make, and those that wait for it.
func (f *Fleet) hides(key object.Key, objs []*unstructured.Unstructured) bool {
	if f.cfg.Built != nil && slices.ContainsFunc(f.cfg.Built(key), func(ref object.Ref) bool {
		_, ours := kindOf(ref.Key)
		return ours && f.units[ref.Key] == nil
	}) {
		return true
	}
	return slices.ContainsFunc(objs, func(obj *unstructured.Unstructured) bool {
		return slices.Contains(f.runs[object.KeyOf(obj)].On, key.String())
	})
}

// kind makes up one kind, which takes whatever it is given.
func (f *Fleet) kind(ctx context.Context, k missingKind) (bool, error) {
	w, key := f.worldOf(k.cluster), k.key()
	if w == nil {
		return false, nil
	}
	if _, err := w.Kind(ctx, k.GroupVersionKind); err == nil {
		return false, nil
	}
	p := f.made[key]
	if p == nil {
		p = &placeholder{data: map[string]string{}, kind: k.GroupKind(), by: map[object.Key]bool{}}
		f.made[key] = p
	}
	p.by[k.by] = true
	if _, tried := p.data[k.Version]; tried {
		return false, nil
	}
	p.data[k.Version] = "" // a definition that cannot be made is not tried twice
	obj := definition(k, p)
	if f.clusterWide(k.GroupKind()) {
		_ = unstructured.SetNestedField(obj.Object, "Cluster", "spec", "scope") // a fresh object
	}
	if _, err := w.Apply(ctx, world.Apply{Object: obj, Manager: manager, Force: true}); err != nil {
		return false, fmt.Errorf("make up the kind %s: %w", k.GroupVersionKind, err)
	}
	f.Wake(k.by, key.String()+" was made up")
	return true, nil
}

// noSpace is how the API words that a namespace is not there.
var noSpace = regexp.MustCompile(`namespaces "([a-z0-9-]+)" not found`)

// spaces makes up the namespaces that are missing in other clusters.
func (f *Fleet) spaces(ctx context.Context, objs []*unstructured.Unstructured) (bool, error) {
	changed := false
	for _, obj := range objs {
		cluster, by := unit.Elsewhere(obj), object.KeyOf(obj)
		if cluster == "" || f.runs[by].Ready == "True" {
			continue
		}
		for _, m := range noSpace.FindAllStringSubmatch(f.runs[by].Message, -1) {
			made, err := f.space(ctx, object.Key{Kind: "Namespace", Name: m[1], Cluster: cluster}, by)
			if err != nil {
				return false, err
			}
			changed = changed || made
		}
	}
	return changed, nil
}

// space makes up one namespace of another cluster.
func (f *Fleet) space(ctx context.Context, key, by object.Key) (bool, error) {
	w := f.worldOf(key.Cluster)
	if w == nil || f.made[key] != nil || f.objects[key] != nil || f.before.brings(defined{key.Cluster, namespaceKind, key.Name}) {
		return false, nil
	}
	f.made[key] = &placeholder{data: map[string]string{}, by: map[object.Key]bool{by: true}}
	if _, err := w.Apply(ctx, world.Apply{Object: bare(object.Ref{Key: key, Version: "v1"}), Manager: manager, Force: true}); err != nil {
		return false, fmt.Errorf("make up %s: %w", key, err)
	}
	f.Wake(by, key.String()+" was made up")
	return true, nil
}

// clusterWide tells whether the objects of a kind that were built have no namespace.
func (f *Fleet) clusterWide(gk gvks.GroupKind) bool {
	if strings.HasPrefix(gk.Kind, "Cluster") { // the habit of the field
		return true
	}
	if f.cfg.Built == nil {
		return false
	}
	some := false
	for key := range f.units {
		for _, ref := range f.cfg.Built(key) {
			if ref.GroupKind() != gk {
				continue
			}
			if some = true; ref.Namespace != "" {
				return false
			}
		}
	}
	return some
}

func definition(k missingKind, p *placeholder) *unstructured.Unstructured {
	obj := bare(object.Ref{Key: k.key(), Version: "v1"})
	var versions []any
	for version := range p.data {
		versions = append(versions, map[string]any{
			"name": version, "served": true, "storage": version == k.Version, "subresources": map[string]any{"status": map[string]any{}},
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
		})
	}
	obj.Object["spec"] = map[string]any{
		"group": k.Group, "scope": "Namespaced", "versions": versions,
		"names": map[string]any{"kind": k.Kind, "listKind": k.Kind + "List", "plural": k.plural(), "singular": strings.ToLower(k.Kind)},
	}
	return obj
}
