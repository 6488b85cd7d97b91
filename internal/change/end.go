package change

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// What holds others takes them with it: a namespace the objects in it, a definition
// those of its kind, whoever made them and whatever marks them as kept.

// holder is a namespace, or a kind with a definition of its own, of a cluster.
type holder struct{ cluster, group, kind, namespace string }

// holds names what an object holds; false for nearly all of them.
func holds(o *fleet.Object) (holder, bool) {
	switch {
	case o.Value == nil || o.Provided:
	case o.Ref.Group == "" && o.Ref.Kind == "Namespace":
		return holder{cluster: o.Ref.Cluster, namespace: o.Ref.Name}, true
	case isDefinition(o.Ref.Key):
		kind, _, _ := unstructured.NestedString(o.Value.Object, "spec", "names", "kind")
		return holder{cluster: o.Ref.Cluster, group: text(o.Value, "group"), kind: kind}, true
	}
	return holder{}, false
}

// ended returns what goes that holds others, found when it is first asked for.
func (c *comparison) ended() map[holder]object.Key {
	if c.ends != nil {
		return c.ends
	}
	c.ends = map[holder]object.Key{}
	for i := range c.base.Units {
		b := &c.base.Units[i]
		h := c.head.units[b.Key]
		if h != nil && fleet.Shared(b.Objects, h.Objects) {
			continue
		}
		for j := range b.Objects {
			o := &b.Objects[j]
			if hold, is := holds(o); is && !c.held(o.Ref.Key) && c.dropped(b, o).op == Delete {
				c.ends[hold] = o.Ref.Key
			}
		}
	}
	return c.ends
}

// endedWith names what takes an object with it.
func (c *comparison) endedWith(ref object.Ref) (object.Key, bool) {
	if ref.Namespace != "" {
		if by, ends := c.ended()[holder{cluster: ref.Cluster, namespace: ref.Namespace}]; ends {
			return by, true
		}
	}
	by, ends := c.ended()[holder{cluster: ref.Cluster, group: ref.Group, kind: ref.Kind}]
	return by, ends
}

// dropped tells what a unit of base does about an object that it does not make at head.
func (c *comparison) dropped(b *fleet.Unit, o *fleet.Object) fate {
	h := c.head.units[b.Key]
	if h == nil {
		if f := c.fate(b); f.op != Delete {
			return f
		}
		return c.wantedElsewhere(b, o, finalized(b, o.Value))
	}
	if gone, known := unwanted(h, []*fleet.Object{o}); !known || len(gone) == 0 {
		return fate{op: Unknown}
	}
	return c.wantedElsewhere(h, o, c.left(h, o))
}

// wantedElsewhere is the fate of an object that a Kustomization would prune: what
// another one builds, applied or not, is left for it (engine/wants.go; Flux deletes it).
func (c *comparison) wantedElsewhere(by *fleet.Unit, o *fleet.Object, f fate) fate {
	if f.op != Delete || by.Key.Kind != unit.KustomizationKind {
		return f
	}
	for i := range c.head.Units {
		u := &c.head.Units[i]
		if u.Key != by.Key && u.Cluster == o.Ref.Cluster && !Applied(u) && wants(u, o.Ref.Key) {
			return fate{Orphan, fmt.Sprintf("%s wants it, and takes it as soon as it can be applied", u.Key)}
		}
	}
	return f
}

// swept adds to what is told of a unit that is not applied the objects that go with
// what holds them, and that it would make again if it could.
func (c *comparison) swept(h *fleet.Unit, before []fleet.Object, told []Object) []Object {
	if Applied(h) {
		return told
	}
	mask := c.secrets.mask(h.Key)
	for i := range before {
		o := &before[i]
		by, ends := c.endedWith(o.Ref)
		if !ends || o.Provided || slices.ContainsFunc(told, func(t Object) bool { return t.Ref.Key == o.Ref.Key }) {
			continue
		}
		told = append(told, Object{Ref: o.Ref, Op: Delete, Why: fmt.Sprintf("it goes with %s", by), Before: mask.Object(o.Value), Origin: o.Origin})
	}
	return told
}
