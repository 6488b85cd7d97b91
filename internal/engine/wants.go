package engine

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Who wants an object is asked where two units meet at it: before one takes it
// from the other, and before one prunes it. A unit wants what it would build
// from its source as that is now, whether it came to run yet or not: so an
// object that one commit moves from one unit to another is never deleted in
// between, whichever runs first. A suspended unit, and one that cannot build,
// wants what it holds.

// wanted is what a unit wants, and of what state of the unit that was found.
type wanted struct {
	stamp string
	keys  map[object.Key]bool
}

// rival is another unit with what it wants.
type rival struct {
	unit  object.Key
	raw   *unstructured.Unstructured
	wants map[object.Key]bool
}

// want keeps what the run of a unit found that it wants.
func (e *Engine) want(owner object.Key, w wanted) {
	m := e.memo(owner)
	e.mu.Lock()
	defer e.mu.Unlock()
	m.wants = w
}

// contested names the unit that keeps an object which this one wants too: the
// one whose label it carries, as long as that one wants it.
func (c *kustomizing) contested(ctx context.Context, key, owner object.Key) object.Key {
	raw, err := c.view.get(ctx, unit.Ref(owner))
	if err != nil || raw == nil || unit.Elsewhere(raw) != unit.Elsewhere(c.raw) || !c.wantedBy(ctx, raw)[key] || c.holdsBefore(raw, key) {
		return object.Key{}
	}
	c.view.note(unit.SourceOf(raw), record.Miss) // a new revision there may let go
	return owner
}

// heldBy names another unit that wants an object.
func (c *kustomizing) heldBy(ctx context.Context) func(object.Key) (string, bool) {
	var rivals []rival
	asked := false
	return func(key object.Key) (string, bool) {
		if !asked {
			rivals, asked = c.rivals(ctx), true
		}
		for _, r := range rivals {
			if r.wants[key] && c.mayHave(ctx, r.raw, key) {
				return r.unit.String(), true
			}
		}
		return "", false
	}
}

// rivals are all other units, in order.
func (c *kustomizing) rivals(ctx context.Context) []rival {
	var out []rival
	for _, raw := range c.units(ctx) {
		key := object.KeyOf(raw)
		if key.GroupKind() == c.k.Key().GroupKind() && key != c.k.Key() && unit.Elsewhere(raw) == unit.Elsewhere(c.raw) {
			out = append(out, rival{key, raw, c.wantedBy(ctx, raw)})
		}
	}
	slices.SortFunc(out, func(a, b rival) int { return object.Compare(a.unit, b.unit) })
	return out
}

// units are all units that this engine sees; they must not be changed.
func (c *kustomizing) units(ctx context.Context) []*unstructured.Unstructured {
	if c.Units != nil {
		return c.Units()
	}
	all, err := c.own.List(ctx, unit.Ref(c.k.Key()).GVK(), world.Selection{})
	if err != nil {
		c.log().Warn("other units are not known; their objects are told by the owner label alone", "unit", c.k.Key(), "error", err)
	}
	return all
}

// wantedBy returns what another unit wants; what was found once holds for as
// long as neither its spec nor its source changes.
func (c *kustomizing) wantedBy(ctx context.Context, raw *unstructured.Unstructured) map[object.Key]bool {
	if raw.GetDeletionTimestamp() != nil {
		return nil
	}
	key := object.KeyOf(raw)
	stamp := c.stamp(ctx, raw)
	m := c.Engine.memo(key)
	c.mu.Lock()
	known := m.wants
	c.mu.Unlock()
	if known.stamp == stamp {
		return known.keys
	}
	found := wanted{stamp, c.foresee(ctx, raw)}
	c.want(key, found)
	return found.keys
}

// stamp names the state of a unit that decides on what it wants.
func (c *kustomizing) stamp(ctx context.Context, raw *unstructured.Unstructured) string {
	digest := ""
	if suspended, _, _ := unstructured.NestedBool(raw.Object, "spec", "suspend"); !suspended {
		digest = c.artifactOf(ctx, unit.SourceOf(raw))
	}
	if digest == "" {
		return fmt.Sprintf("%s holds %s", raw.GetUID(), raw.GetResourceVersion())
	}
	return fmt.Sprintf("%s wants %d %s", raw.GetUID(), raw.GetGeneration(), digest)
}

// artifactOf returns the digest of a source's artifact, asking once a run.
func (c *kustomizing) artifactOf(ctx context.Context, source object.Key) string {
	if digest, ok := c.digests[source]; ok {
		return digest
	}
	digest := ""
	if obj, err := c.own.Get(ctx, unit.Ref(source)); err == nil {
		if s, err := unit.StatusOf(obj); err == nil && s.Artifact != nil {
			digest = s.Artifact.Digest
		}
	}
	if c.digests == nil {
		c.digests = make(map[object.Key]string)
	}
	c.digests[source] = digest
	return digest
}

// foresee builds another unit, which costs nothing where it, or we, did so
// before.
func (c *kustomizing) foresee(ctx context.Context, raw *unstructured.Unstructured) map[object.Key]bool {
	k, err := unit.DecodeKustomization(raw)
	if err != nil {
		return nil
	}
	held, err := recorded(k)
	if err != nil || k.Spec.Suspend {
		return held.Keys()
	}
	other := &kustomizing{Engine: c.Engine, k: k, raw: raw, own: c.own, w: c.own, memo: c.Engine.memo(k.Key()), now: c.now}
	other.view = view{world: c.own, rec: &record.Recorder{}}
	if other.check() != nil {
		return held.Keys()
	}
	art, err := other.source(ctx)
	if err != nil || other.build(ctx, art) != nil {
		return held.Keys()
	}
	return inventory.Of(refs(other.built.Objects)...).Keys()
}
