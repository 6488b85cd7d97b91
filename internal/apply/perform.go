package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
)

// perform does one step and records what came of it.
func (r *runner) perform(ctx context.Context, s *step) error {
	switch s.Op {
	case plan.Skip:
		r.res.Skipped[s.Ref.Key] = true
		if s.left != nil {
			r.res.Steps = append(r.res.Steps, s.Step)
			return nil
		}
	case plan.Unchanged:
		r.res.Marks[s.Ref.Key] = *s.settled
	default:
		if err := r.change(ctx, s); err != nil {
			return err
		}
	}
	r.res.Tracked = append(r.res.Tracked, s.Ref)
	r.res.Steps = append(r.res.Steps, s.Step)
	return nil
}

func (r *runner) change(ctx context.Context, s *step) error {
	if r.Confirm != nil && r.corrects(s) {
		if err := r.Confirm(ctx); err != nil {
			return err
		}
	}
	if s.Op == plan.Replace {
		return r.replace(ctx, s)
	}
	return r.write(ctx, s)
}

// corrects tells whether what a step changes was as it should be before.
func (r *runner) corrects(s *step) bool {
	mark, marked := r.Marks[s.Ref.Key]
	return r.Trusted || marked && mark.Desired == s.desired
}

// write takes over what others wrote, then applies.
func (r *runner) write(ctx context.Context, s *step) error {
	if err := r.takeOver(ctx, s, s.takeover); err != nil {
		return err
	}
	after, err := r.World.Apply(ctx, world.Apply{Object: s.intent, Manager: r.Managers.Own, Force: true, If: s.If})
	if err != nil {
		return r.refused(s.Ref, s.intent, err)
	}
	if s.Op == plan.Create {
		if after, err = r.foundAfterAll(ctx, s, after); err != nil {
			return err
		}
	}
	r.Live.Note(after)
	s.After = after
	r.res.Marks[s.Ref.Key] = Mark{s.desired, after.GetUID(), plan.EntryID(after.GetManagedFields(), r.Managers.Own)}
	return nil
}

// foundAfterAll handles an object that others made between our look and our
// apply: their fields are taken over as they would have been.
func (r *runner) foundAfterAll(ctx context.Context, s *step, after *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t, err := plan.TakeoverOf(after, r.Managers)
	if err != nil || t.IsZero() {
		return after, err
	}
	if err := r.takeOver(ctx, s, t); err != nil {
		return nil, err
	}
	again, err := r.World.Apply(ctx, r.request(s.intent))
	if err != nil {
		return nil, r.refused(s.Ref, s.intent, err)
	}
	return again, nil
}

func (r *runner) takeOver(ctx context.Context, s *step, t plan.Takeover) error {
	if len(t.Patch) == 0 {
		return nil
	}
	_, err := r.World.Patch(ctx, world.Patch{Ref: s.Ref, Type: types.JSONPatchType, Data: t.Patch, Manager: r.Managers.Own})
	if err != nil {
		return r.refused(s.Ref, nil, err)
	}
	return nil
}

// replace asks for the deletion of an object that cannot be changed; the run
// that finds it gone makes it anew.
func (r *runner) replace(ctx context.Context, s *step) error {
	r.res.Pending = append(r.res.Pending, s.Ref)
	if s.Before.GetDeletionTimestamp() != nil {
		return nil
	}
	err := r.World.Delete(ctx, world.Delete{Ref: s.Ref, If: world.Precondition{UID: s.Before.GetUID()}})
	if err != nil && !apierrors.IsNotFound(err) {
		return r.refused(s.Ref, s.Before, err)
	}
	return nil
}
