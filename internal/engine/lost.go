package engine

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

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
	table, ok := c.Live.(owned)
	if !ok || c.memo.swept {
		return nil
	}
	versions := map[schema.GroupKind]string{}
	for _, ref := range append(refs(c.built.Objects), c.recorded...) {
		if _, known := versions[ref.GroupKind()]; !known && c.Live.Follow(ctx, ref.GVK()) == nil {
			versions[ref.GroupKind()] = ref.Version
		}
	}
	var out []object.Ref
	for key := range table.Owned(c.k.Key()) {
		if version, known := versions[key.GroupKind()]; known && !c.inventory.Holds(key) && !c.recorded.Holds(key) {
			out = append(out, object.Ref{Key: key, Version: version})
		}
	}
	return out
}
