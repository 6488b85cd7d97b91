package engine

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

// owned tells of objects by their owner.
type owned interface {
	Owned(owner object.Key) map[object.Key]live.Seen
}

// lost are objects that a process applied which ended before it wrote them
// down: they carry the labels of the unit and our apply entry, and were applied after
// the unit last said how it stands. They are looked for once, in the first run after a
// start, among the kinds that the unit builds or holds.
func (c *kustomizing) lost(ctx context.Context) ([]object.Ref, error) {
	if c.memo.swept {
		return nil, nil
	}
	return c.ownedBeside(ctx, append(refs(c.built.Objects), c.recorded...), c.inventory)
}

// lostAtEnd is the same for a unit that is being deleted, which is not built any
// more: the kinds are those of what it would build now.
func (c *kustomizing) lostAtEnd(ctx context.Context) ([]object.Ref, error) {
	if c.memo.swept || c.site.foreign() {
		return nil, nil
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
func (c *kustomizing) ownedBeside(ctx context.Context, of []object.Ref, known inventory.Inventory) ([]object.Ref, error) {
	table, ok := c.site.Live.(owned)
	if !ok || c.site.foreign() {
		return nil, nil // there, an engine of its own may have a unit of this name
	}
	versions := map[schema.GroupKind]string{}
	for _, ref := range of {
		if _, known := versions[ref.GroupKind()]; !known && c.site.Live.Follow(ctx, ref.GVK()) == nil {
			versions[ref.GroupKind()] = ref.Version
		}
	}
	var out []object.Ref
	for key := range table.Owned(c.k.Key()) {
		version, followed := versions[key.GroupKind()]
		if !followed || known.Holds(key) || c.recorded.Holds(key) {
			continue
		}
		ref := object.Ref{Key: key, Version: version}
		unsaid, err := c.unsaid(ctx, ref)
		if err != nil {
			return nil, err
		}
		if unsaid {
			out = append(out, ref)
		}
	}
	return out, nil
}

// unsaid tells whether an object was applied after the unit last said how it stands.
// What is older and in no inventory was let go: while spec.prune was off, by a unit of
// the same name that is gone, by another engine. It stays, as in Flux.
func (c *kustomizing) unsaid(ctx context.Context, ref object.Ref) (bool, error) {
	obj, err := c.direct.Get(ctx, ref)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err), apimeta.IsNoMatchError(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s, which may be left from before: %w", ref.Key, err)
	}
	applied, since := plan.AppliedAt(obj.GetManagedFields(), object.ManagerKustomize), said(c.k)
	if made := c.k.CreationTimestamp.Time; c.k.DeletionTimestamp == nil && made.After(since) {
		since = made
	}
	if applied.Equal(since) { // times are in whole seconds
		return newer(obj, c.raw), nil
	}
	return applied.After(since) && !applied.Before(c.k.CreationTimestamp.Time), nil
}

// said is when a unit last said how it stands after it had applied something; what it
// then held was in its inventory. Before 2.7 Flux wrote no history.
func said(k *unit.Kustomization) time.Time {
	var last time.Time
	ready := unit.Condition(k.Status.Conditions, report.Ready)
	if ready != nil && k.Status.LastAppliedRevision != "" && (ready.Status == "True" || len(k.Status.History) == 0) {
		last = ready.LastTransitionTime.Time
	}
	for _, run := range k.Status.History {
		if run.LastReconciled.After(last) {
			last = run.LastReconciled.Time
		}
	}
	return last
}
