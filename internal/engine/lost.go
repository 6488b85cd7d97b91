package engine

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/live"
)

// owned tells of objects by their owner.
type owned interface {
	Owned(owner object.Key) map[object.Key]live.Seen
}

// lost are objects that a process applied which ended before it wrote them
// down: they carry the labels of the unit and our apply entry. They are looked
// for once, in the first run after a start, among the kinds that the unit
// builds or holds.
func (c *kustomizing) lost(ctx context.Context) []object.Ref {
	if c.memo.swept {
		return nil
	}
	return c.ownedBeside(ctx, append(refs(c.built.Objects), c.recorded...), c.inventory)
}

// lostAtEnd is the same for a unit that is being deleted, which is not built any
// more: the kinds are those of what it would build now.
func (c *kustomizing) lostAtEnd(ctx context.Context) []object.Ref {
	if c.memo.swept || c.site.foreign() {
		return nil
	}
	kinds := []object.Ref(c.recorded)
	for key := range c.foresee(ctx, c.raw) {
		if m, err := c.own.Kind(ctx, key.GroupKind().WithVersion("")); err == nil {
			kinds = append(kinds, object.Ref{Key: key, Version: m.GVK.Version})
		}
	}
	return c.ownedBeside(ctx, kinds, nil)
}

// ownedBeside returns what is the unit's, of the kinds of some objects, and
// neither recorded nor in an inventory.
func (c *kustomizing) ownedBeside(ctx context.Context, of []object.Ref, known inventory.Inventory) []object.Ref {
	table, ok := c.site.Live.(owned)
	if !ok || c.site.foreign() {
		return nil // there, an engine of its own may have a unit of this name
	}
	versions := map[schema.GroupKind]string{}
	for _, ref := range of {
		if _, known := versions[ref.GroupKind()]; !known && c.site.Live.Follow(ctx, ref.GVK()) == nil {
			versions[ref.GroupKind()] = ref.Version
		}
	}
	var out []object.Ref
	for key := range table.Owned(c.k.Key()) {
		if version, followed := versions[key.GroupKind()]; followed && !known.Holds(key) && !c.recorded.Holds(key) {
			out = append(out, object.Ref{Key: key, Version: version})
		}
	}
	return out
}
