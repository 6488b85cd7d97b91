package preview

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/schema"
)

// Follows tells the fleet what it was before: what it goes on from, or is compared
// with.
func (f *Fleet) Follows(before fleet.Rendered) {
	f.before = &former{fleet: before, made: map[object.Key]bool{}}
	for _, p := range before.Placeholders {
		f.before.made[p.Object.Key] = true
	}
}

// former is what a fleet was.
type former struct {
	fleet   fleet.Rendered
	made    map[object.Key]bool // up
	brought map[defined]bool    // nil before it is asked for
}

// defined is a kind, or a namespace, of a cluster.
type defined struct {
	cluster string
	kind    gvks.GroupKind
	name    string // of a namespace
}

var namespaceKind = gvks.GroupKind{Kind: "Namespace"}

// brings tells whether a unit made the definition of a kind, or a namespace; nil knows
// of none.
func (b *former) brings(d defined) bool {
	if b == nil {
		return false
	}
	if b.brought == nil {
		b.brought = map[defined]bool{}
		for i := range b.fleet.Units {
			for _, o := range b.fleet.Units[i].Objects {
				b.note(o)
			}
		}
	}
	return b.brought[d]
}

func (b *former) note(o fleet.Object) {
	switch {
	case o.Value == nil || o.Provided:
	case o.Ref.GroupKind() == namespaceKind:
		b.brought[defined{o.Ref.Cluster, namespaceKind, o.Ref.Name}] = true
	case o.Ref.GroupKind() == schema.DefinitionKind:
		group, _, _ := unstructured.NestedString(o.Value.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(o.Value.Object, "spec", "names", "kind")
		b.brought[defined{cluster: o.Ref.Cluster, kind: gvks.GroupKind{Group: group, Kind: kind}}] = true
	}
}
