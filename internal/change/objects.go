package change

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/schema"
)

// objects compares what a unit made with what it makes: in the order of
// applying, then what goes in the order of pruning.
func (c *comparison) objects(b, h *fleet.Unit) []Object {
	if fleet.Shared(b.Objects, h.Objects) && c.reinstalled(h) == "" {
		return c.swept(h, b.Objects, c.hooks(b, h))
	}
	out := make([]Object, 0, 8)
	before := pairs(b.Objects, h.Objects)
	for i := range h.Objects {
		if o, changes := c.object(h, before.of(i), &h.Objects[i]); changes {
			out = append(out, o)
		}
	}
	out = append(out, c.hooks(b, h)...)
	if gone, known := unwanted(h, before.rest()); known {
		out = append(out, c.removed(h, gone, func(o *fleet.Object) fate { return c.left(h, o) })...)
	}
	return slices.Clip(c.swept(h, b.Objects, out))
}

// unwanted are those of the objects that a unit does not make at head which it does
// not want either; false where that is not known, because it was not built.
func unwanted(h *fleet.Unit, rest []*fleet.Object) ([]*fleet.Object, bool) {
	switch {
	case Applied(h):
		return rest, true
	case h.Wanted == nil:
		return nil, false
	}
	return slices.DeleteFunc(rest, func(o *fleet.Object) bool { return wants(h, o.Ref.Key) }), true
}

func wants(h *fleet.Unit, key object.Key) bool {
	return slices.ContainsFunc(h.Wanted, func(ref object.Ref) bool { return ref.Key == key })
}

// leftovers is what becomes of the objects of a unit that ends.
func (c *comparison) leftovers(b *fleet.Unit) []Object {
	all := make([]*fleet.Object, len(b.Objects))
	for i := range b.Objects {
		all[i] = &b.Objects[i]
	}
	return c.removed(b, all, func(o *fleet.Object) fate { return finalized(b, o.Value) })
}

// object compares one object of head with what it was; before is nil where the
// unit did not make it. The second result is false where nothing happens to it.
func (c *comparison) object(h *fleet.Unit, before, after *fleet.Object) (Object, bool) {
	switch {
	case after.Provided:
		return Object{}, false
	case before != nil && before.Provided:
		before = nil // it was left alone, or somebody had deleted it; now it is applied
	}
	if before != nil && c.reinstalled(h) != "" && unlessHelmKeeps(before.Value).op == Delete {
		return c.anew(h, before, after, c.reinstalled(h)), true
	}
	if before != nil && sameObject(before.Value, after.Value) {
		return Object{}, false
	}
	o, changes := c.becomes(h, before, after)
	if changes && after.Refused != "" && o.Op != Refuse {
		o.Op, o.ByServer, o.Why = Refuse, true, c.secrets.mask(h.Key).Text(after.Refused)
	}
	return o, changes
}

// becomes is object of two that differ.
func (c *comparison) becomes(h *fleet.Unit, before, after *fleet.Object) (Object, bool) {
	mask := c.secrets.mask(h.Key)
	if before != nil {
		return c.changed(h, before, after, mask)
	}
	from, was := c.madeBefore(after.Ref.Key)
	switch {
	case was == nil:
		return Object{Ref: after.Ref, Op: Create, After: mask.Object(after.Value), Origin: after.Origin}, true
	case c.stillMakes(from.Key, after.Ref.Key):
		return Object{}, false // two units want it; it is told of the first
	}
	mask = c.secrets.mask(h.Key, from.Key)
	o, changes := c.changed(h, was, after, mask)
	if !changes {
		o = Object{Ref: after.Ref, Before: mask.Object(was.Value), After: mask.Object(after.Value), Origin: after.Origin}
	}
	if o.Op == Change || o.Op == "" {
		o.Op = Move
	}
	o.Why = strings.TrimPrefix(o.Why+"; from "+from.Key.String(), "; ")
	if o.Op == Move && c.deletesFirst(from, h, was) {
		o.Op, o.Why = Replace, o.Why+", which may delete it first"
	}
	return o, true
}

// anew is an object that is deleted and made again, changed or not.
func (c *comparison) anew(h *fleet.Unit, before, after *fleet.Object, why string) Object {
	mask := c.secrets.mask(h.Key)
	return Object{
		Ref: after.Ref, Op: Replace, Why: why, Fields: fieldsOf(pair{before.Value, after.Value, mask}),
		Before: mask.Object(before.Value), After: mask.Object(after.Value), Origin: after.Origin,
	}
}

// madeBefore returns an object as another unit made it at base.
func (c *comparison) madeBefore(key object.Key) (*fleet.Unit, *fleet.Object) {
	for _, u := range c.base.ownersOf(key) {
		for i := range u.Objects {
			if o := &u.Objects[i]; o.Ref.Key == key && !o.Provided {
				return u, o
			}
		}
	}
	return nil, nil
}

func (c *comparison) stillMakes(of, key object.Key) bool {
	return slices.ContainsFunc(c.head.ownersOf(key), func(u *fleet.Unit) bool { return u.Key == of })
}

// changed compares an object that is there on both sides.
func (c *comparison) changed(h *fleet.Unit, before, after *fleet.Object, mask plan.Mask) (Object, bool) {
	policy := plan.Policy{}
	if h.Key.Kind == unit.KustomizationKind {
		policy = plan.PolicyOf(after.Value, before.Value)
	}
	if policy.Skip != "" {
		return Object{}, false // it stays as it is
	}
	o := Object{
		Ref: after.Ref, Op: Change, Fields: fieldsOf(pair{before.Value, after.Value, mask}),
		Before: mask.Object(before.Value), After: mask.Object(after.Value), Origin: after.Origin,
	}
	if o.Why = unchangeable(before.Value, after.Value); o.Why != "" {
		o.Op = Refuse
		if policy.Force || h.Key.Kind == unit.KustomizationKind && isTrue(h.Object, "force") {
			o.Op = Replace
		}
	}
	return o, len(o.Fields) > 0
}

// unchangeable says which fields the API would not change; empty if none.
func unchangeable(before, after *unstructured.Unstructured) string {
	var paths []string
	for _, path := range schema.Immutable(after, before) {
		paths = append(paths, strings.Join(path, "."))
	}
	switch {
	case len(paths) == 1:
		return paths[0] + " is immutable"
	case len(paths) > 1:
		return strings.Join(paths, ", ") + " are immutable"
	case Shrinks(before, after):
		return "spec.resources.requests.storage of a claim cannot shrink"
	}
	return ""
}

// Shrinks tells whether a PersistentVolumeClaim asks for less than it did.
func Shrinks(before, after *unstructured.Unstructured) bool {
	if before == nil || after == nil || after.GetKind() != "PersistentVolumeClaim" {
		return false
	}
	return less(after.Object, before.Object)
}

// less tells whether claim a asks for less storage than b.
func less(a, b map[string]any) bool {
	var sizes [2]resource.Quantity
	for i, claim := range []map[string]any{a, b} {
		text, _, _ := unstructured.NestedString(claim, "spec", "resources", "requests", "storage")
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return false
		}
		sizes[i] = q
	}
	return sizes[0].Cmp(sizes[1]) < 0
}

// removed tells what becomes of objects that a unit no longer makes, in the order
// of pruning. What another unit makes now is told there.
func (c *comparison) removed(u *fleet.Unit, objs []*fleet.Object, fateOf func(*fleet.Object) fate) []Object {
	var out []Object
	mask := c.secrets.mask(u.Key)
	for _, o := range objs {
		if o.Provided || c.held(o.Ref.Key) {
			continue
		}
		f := c.wantedElsewhere(u, o, fateOf(o))
		if by, ends := c.endedWith(o.Ref); ends && f.op == Orphan {
			f = fate{Delete, fmt.Sprintf("it goes with %s, although %s", by, f.why)}
		}
		out = append(out, Object{Ref: o.Ref, Op: f.op, Why: f.why, Before: mask.Object(o.Value), Origin: o.Origin})
	}
	slices.SortStableFunc(out, func(a, b Object) int { return plan.Compare(b.Ref.Key, a.Ref.Key) })
	return out
}

// held tells whether an object is made at head, by whomever.
func (c *comparison) held(key object.Key) bool { return len(c.head.ownersOf(key)) > 0 }

// hooks compares what Helm runs around a release. A hook that is gone is not run
// again; what it made stays.
func (c *comparison) hooks(b, h *fleet.Unit) []Object {
	if h.Release == nil {
		return nil
	}
	var was []fleet.Object
	if b.Release != nil {
		was = b.Release.Hooks
	}
	before := pairs(was, h.Release.Hooks)
	mask := c.secrets.mask(h.Key)
	var out []Object
	for i := range h.Release.Hooks {
		hook := &h.Release.Hooks[i]
		old := before.of(i)
		switch {
		case old == nil:
			out = append(out, Object{Ref: hook.Ref, Op: Create, Why: HookOnly, After: mask.Object(hook.Value), Origin: hook.Origin})
		case !sameObject(old.Value, hook.Value):
			out = append(out, Object{
				Ref: hook.Ref, Op: Change, Why: HookOnly, Fields: fieldsOf(pair{old.Value, hook.Value, mask}),
				Before: mask.Object(old.Value), After: mask.Object(hook.Value), Origin: hook.Origin,
			})
		}
	}
	for _, hook := range before.rest() {
		out = append(out, Object{Ref: hook.Ref, Op: Orphan, Why: HookOnly + " that is no more", Before: mask.Object(hook.Value), Origin: hook.Origin})
	}
	return out
}

// HookOnly is why an object is told of that Helm runs around a release.
const HookOnly = "a hook"

// matching pairs the objects of head with those of base.
type matching struct {
	before []fleet.Object
	at     []int // by object of head: where it stands at base, or -1
	taken  []bool
}

// pairs matches objects by key. Two lists that begin alike cost no table.
func pairs(before, after []fleet.Object) matching {
	m := matching{before: before, at: make([]int, len(after)), taken: make([]bool, len(before))}
	var index map[object.Key]int
	for i := range after {
		at, ok := i, i < len(before) && before[i].Ref.Key == after[i].Ref.Key
		if !ok {
			if index == nil {
				index = make(map[object.Key]int, len(before))
				for j := range before {
					index[before[j].Ref.Key] = j
				}
			}
			at, ok = index[after[i].Ref.Key]
		}
		if m.at[i] = -1; ok {
			m.at[i], m.taken[at] = at, true
		}
	}
	return m
}

func (m matching) of(i int) *fleet.Object {
	if m.at[i] < 0 {
		return nil
	}
	return &m.before[m.at[i]]
}

// rest are those of base that head does not have.
func (m matching) rest() []*fleet.Object {
	var out []*fleet.Object
	for i, taken := range m.taken {
		if !taken {
			out = append(out, &m.before[i])
		}
	}
	return out
}

// String is what happens to an object in a line: «change Deployment/apps/web».
func (o Object) String() string { return fmt.Sprintf("%s %s", o.Op, o.Ref.Key) }
