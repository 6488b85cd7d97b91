package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// A unit that has just come from a source that nobody has looked at yet says nothing of
// what it wants: the entry of a fleet under another name, an application that moves to
// a repository of its own. What is deleted before the source had its first answer may
// be what the newcomer is there to keep.

// newcomers names the sources without any answer yet from which units build that never
// applied anything. made are the objects that this unit is known to have made: of those
// a watch may not have told yet.
func (c *kustomizing) newcomers(ctx context.Context, made inventory.Inventory) []object.Key {
	var out []object.Key
	for _, raw := range c.withMade(ctx) {
		key, source := object.KeyOf(raw), unit.SourceOf(raw)
		if key.GroupKind() != c.k.Key().GroupKind() || key == c.k.Key() || unit.Elsewhere(raw) != unit.Elsewhere(c.raw) {
			continue
		}
		if isNewcomer(raw) && !slices.Contains(out, source) && c.unanswered(ctx, source, made) {
			out = append(out, source)
		}
	}
	slices.SortFunc(out, object.Compare)
	return out
}

// withMade are all units, and those that this run made and the watch did not tell of
// yet.
func (c *kustomizing) withMade(ctx context.Context) []*unstructured.Unstructured {
	out := slices.Clone(c.units(ctx))
	for _, o := range c.built.Objects {
		if o.Ref.GroupKind() != c.k.Key().GroupKind() || slices.ContainsFunc(out, func(u *unstructured.Unstructured) bool { return object.KeyOf(u) == o.Ref.Key }) {
			continue
		}
		if raw, err := o.Decode(); err == nil {
			out = append(out, raw)
		}
	}
	return out
}

// isNewcomer tells whether a unit is to apply something and never did.
func isNewcomer(raw *unstructured.Unstructured) bool {
	k, err := unit.DecodeKustomization(raw)
	return err == nil && k.DeletionTimestamp == nil && !k.Spec.Suspend && k.Status.Inventory == nil && k.Status.LastAppliedRevision == ""
}

// unanswered reads whether a source has not been looked at yet; one that was made and
// that no watch has told of yet is such.
func (c *kustomizing) unanswered(ctx context.Context, source object.Key, made inventory.Inventory) bool {
	obj, err := c.view.get(ctx, unit.Ref(source))
	if err != nil || obj == nil {
		return err == nil && made.Holds(source)
	}
	return isUnanswered(obj)
}

// isUnanswered tells whether a source has neither brought an artifact nor failed, and is
// to.
func isUnanswered(obj *unstructured.Unstructured) bool {
	s, err := unit.StatusOf(obj)
	suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
	if err != nil || suspended || obj.GetDeletionTimestamp() != nil || s.Artifact != nil {
		return false
	}
	ready := s.Ready()
	return ready == nil || ready.Status != "False"
}

// awaitNewcomers holds back what would be deleted until it is known what newcomers want;
// nil lets it go, at the latest when the timeout of the unit is over.
func (c *kustomizing) awaitNewcomers(ctx context.Context, made inventory.Inventory) error {
	on := c.newcomers(ctx, made)
	deadline := time.Time{}
	if len(on) > 0 {
		deadline = c.waitSince("newcomers").Add(c.k.GetTimeout())
	}
	if !c.now.Before(deadline) {
		return nil
	}
	c.run.Again = deadline
	texts := make([]string, len(on))
	for i, key := range on {
		texts[i] = key.String()
	}
	return report.Progress(fmt.Sprintf("Waiting for %s before anything is deleted: units that have just come may want it", join(texts)), texts...)
}
