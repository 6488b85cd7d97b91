package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
)

// PruneInput is what deleting needs.
type PruneInput struct {
	World world.World
	Live  Live
	Old   inventory.Inventory
	New   inventory.Inventory
	Owner plan.Owner
	// HeldBy names another unit that has the object in its inventory or wants it.
	HeldBy func(object.Key) (unit string, held bool)
	Mask   plan.Mask
}

// PruneResult is what a pruning did.
type PruneResult struct {
	Steps []plan.Step
	// Survivors could not be deleted and stay in the inventory.
	Survivors []object.Ref
}

// Changed lists what was deleted in the words of Flux.
func (r PruneResult) Changed() []string { return Result{Steps: r.Steps}.Changed() }

// Prune deletes what Old has and New has not. It goes on after an error and
// returns the first, with all that survived.
func Prune(ctx context.Context, in PruneInput) (PruneResult, error) {
	var res PruneResult
	stale := in.Old.Without(in.New)
	if len(stale) == 0 {
		return res, nil
	}
	known, alive, first := readAll(ctx, in, stale)
	res.Survivors = stale.Without(known)
	steps := plan.PruneSteps(plan.Prune{Old: known, Owner: in.Owner, Live: alive, HeldBy: in.HeldBy})
	for _, s := range steps {
		if s.Op == plan.Delete {
			err := in.World.Delete(ctx, world.Delete{Ref: s.Ref, If: s.If})
			if err != nil && !apierrors.IsNotFound(err) {
				res.Survivors = append(res.Survivors, s.Ref)
				if first == nil {
					first = &Undeleted{Ref: s.Ref, Text: in.Mask.Text(err.Error(), s.Before), Err: err}
				}
				continue
			}
		}
		res.Steps = append(res.Steps, s)
	}
	return res, first
}

// readAll reads the objects that are to be pruned: those that are known to be there or
// not, in a version that is served, and what is there. The others survive.
func readAll(ctx context.Context, in PruneInput, refs inventory.Inventory) (known inventory.Inventory, alive map[object.Key]*unstructured.Unstructured, first error) {
	alive = make(map[object.Key]*unstructured.Unstructured, len(refs))
	for _, ref := range refs {
		obj, ref, err := read(ctx, in.World, ref)
		switch {
		case err == nil:
			known, alive[ref.Key] = append(known, ref), obj
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err): // gone, or its CRD with it
			known = append(known, ref)
		case first == nil:
			first = fmt.Errorf("read %s before deleting it: %w", ref.Key, err)
		}
	}
	return known, alive, first
}

// read reads an object, in another version where it was applied in one that is not
// served any more.
func read(ctx context.Context, w world.World, ref object.Ref) (*unstructured.Unstructured, object.Ref, error) {
	obj, err := w.Get(ctx, ref)
	if !meta.IsNoMatchError(err) {
		return obj, ref, err
	}
	m, err := w.Kind(ctx, ref.GroupKind().WithVersion(""))
	if err != nil {
		return nil, ref, err
	}
	ref.Version = m.GVK.Version
	obj, err = w.Get(ctx, ref)
	return obj, ref, err
}
