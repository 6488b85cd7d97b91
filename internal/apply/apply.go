// Package apply makes a world become what a build yields, stage by stage: it
// looks at each object, decides the step, and does it under the precondition it
// was decided under.
//
//	res, err := apply.Run(ctx, apply.Input{World: w, Objects: built.Objects, …})
//	res.Steps   // what was done, in order
//	res.Pending // what must become ready before the next stage may begin
//
// A run never waits: where a stage is not ready yet it says so and the caller
// comes back. What was found settled before, and has not moved since, costs
// nothing. Deciding is package plan's; this package asks and acts.
package apply

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/live"
)

// Live is what the watches know of managed objects.
type Live interface {
	// Follow makes sure that a kind is watched.
	Follow(ctx context.Context, gvk schema.GroupVersionKind) error
	// Seen returns the row of an object, whether it exists, and whether its kind
	// is followed at all.
	Seen(key object.Key) (seen live.Seen, exists, followed bool)
	// Absent tells that no object of the name exists, labelled or not; false is
	// «not known».
	Absent(ctx context.Context, ref object.Ref) bool
	// Note and Forget record what we did ourselves.
	Note(obj *unstructured.Unstructured)
	Forget(key object.Key)
}

// Mark remembers that an object was found, or made, as desired.
type Mark struct {
	Desired hash.ID // of the desired JSON
	UID     types.UID
	Entry   hash.ID // of our apply entry at that time
}

// Input is what a run needs.
type Input struct {
	World    world.World // already acting as the unit's identity
	Live     Live
	Objects  []build.Object
	Managers plan.Managers
	Owner    object.Key // the unit
	Marks    map[object.Key]Mark
	Force    bool
	Ignore   plan.Ignore
	// Custom are the kinds of the custom stage.
	Custom map[schema.GroupKind]bool
	Mask   plan.Mask
	// Provided says why an object is none of ours to apply; empty: it is ours.
	Provided func(ref object.Ref, labels map[string]string) string
	// Contested names the unit that keeps an object, given the one whose label it
	// carries; the zero key where nobody does.
	Contested func(ctx context.Context, key, owner object.Key) object.Key
	// Rehearse tells whether the making of an object must be tried dry first;
	// nil is always.
	Rehearse func(ref object.Ref) bool
	// Verify looks at every object, settled or not.
	Verify bool
	// Trusted says that these very objects were applied before, though the marks
	// are lost (by a restart). Then an object whose apply entry covers exactly
	// what Expect says is settled: nobody took a field since.
	Trusted bool
	// Expect names the apply entry that applying an object leaves; false where
	// the schema of the kind is not known here.
	Expect func(obj *unstructured.Unstructured) (hash.ID, bool)
	// Confirm is asked before an object is changed back that was as it should be
	// before; its error ends the run. nil is always.
	Confirm func(ctx context.Context) error
}

// Result is what a run found and did.
type Result struct {
	Steps []plan.Step
	// Marks are the settled objects, to be given to the next run.
	Marks map[object.Key]Mark
	// Tracked are the objects that are (or may be) in the world because of us:
	// everything applied or skipped so far.
	Tracked []object.Ref
	// Pending are the objects that the next stage waits for; empty when all
	// stages are done.
	Pending []object.Ref
	// Skipped are objects whose health is not ours to await.
	Skipped map[object.Key]bool
	// Left are the objects that another unit keeps; they are not tracked.
	Left []Contest
}

// Changed lists what was done in the words of Flux: "Deployment/apps/web configured".
func (r Result) Changed() []string {
	var out []string
	for _, s := range r.Steps {
		if s.Op.Changes() {
			out = append(out, s.Ref.Key.String()+" "+s.Op.Done())
		}
	}
	return out
}

// Run works through the stages until one fails, one must be awaited, or all are
// done. On an error the result holds what was done before it.
func Run(ctx context.Context, in Input) (Result, error) {
	r := &runner{Input: in, res: Result{Marks: make(map[object.Key]Mark), Skipped: make(map[object.Key]bool)}}
	for _, stage := range stages(in.Objects, in.Custom) {
		if err := r.stage(ctx, stage); err != nil {
			return r.res, err
		}
		if len(r.res.Pending) > 0 {
			break
		}
	}
	return r.res, nil
}

type runner struct {
	Input
	res Result
}

// batch is the objects of one stage, in the order of applying.
type batch struct {
	name    plan.StageName
	objects []build.Object
}

func stages(objects []build.Object, custom map[schema.GroupKind]bool) []batch {
	var out []batch
	for _, name := range []plan.StageName{plan.Definitions, plan.Classes, plan.Custom, plan.Resources} {
		b := batch{name: name}
		for _, o := range objects {
			if plan.StageOf(o.Ref.GVK(), custom) == name {
				b.objects = append(b.objects, o)
			}
		}
		if len(b.objects) > 0 {
			slices.SortStableFunc(b.objects, func(x, y build.Object) int { return plan.Compare(x.Ref.Key, y.Ref.Key) })
			out = append(out, b)
		}
	}
	return out
}

// stage decides every step before it does the first, so that a stage that
// would be refused in part is refused whole.
func (r *runner) stage(ctx context.Context, b batch) error {
	steps := make([]*step, 0, len(b.objects))
	var refused []error
	b.objects = Scoped(ctx, r.World, b.objects) // of kinds that came with an earlier stage
	for _, o := range b.objects {
		s, err := r.decide(ctx, o)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			refused = append(refused, err)
			continue
		}
		steps = append(steps, s)
	}
	if len(refused) > 0 {
		r.keepTracked(b.objects)
		return refusal(refused)
	}
	for i, s := range steps {
		if err := r.perform(ctx, s); err != nil {
			r.keepTracked(b.objects)
			return refusal(append([]error{err}, r.rehearseRest(ctx, steps[i+1:])...))
		}
	}
	if b.name.Awaited() {
		r.await(steps)
	}
	return nil
}

// keepTracked keeps what an earlier run settled in the inventory, though this
// one ended before it got there.
func (r *runner) keepTracked(objects []build.Object) {
	for _, o := range objects {
		if m, ok := r.Marks[o.Ref.Key]; ok {
			if _, done := r.res.Marks[o.Ref.Key]; !done {
				r.res.Marks[o.Ref.Key] = m
				r.res.Tracked = append(r.res.Tracked, o.Ref)
			}
		}
	}
}

// rehearseRest tells what else of a stage would be refused, once one object was.
func (r *runner) rehearseRest(ctx context.Context, rest []*step) []error {
	var out []error
	for _, s := range rest {
		if s.Op != plan.Create || s.rehearsed || ctx.Err() != nil {
			continue
		}
		if _, err := r.World.Predict(ctx, r.request(s.After)); err != nil {
			out = append(out, r.refused(s.Ref, s.After, err))
		}
	}
	return out
}

// await names the objects of a stage that are not ready for the next one.
func (r *runner) await(steps []*step) {
	for _, s := range steps {
		if s.Op == plan.Skip {
			continue
		}
		seen, exists, followed := r.Live.Seen(s.Ref.Key)
		if followed && (!exists || !ready(seen)) {
			r.res.Pending = append(r.res.Pending, s.Ref)
		}
	}
}

// Refused is what the API said no to: every object of a stage that it refused.
type Refused struct{ Errs []error }

// Error lists the refusals, one a line.
func (r *Refused) Error() string {
	text := r.Errs[0].Error()
	for _, err := range r.Errs[1:] {
		text += "\n" + err.Error()
	}
	return text
}

// Unwrap returns the single refusals.
func (r *Refused) Unwrap() []error { return r.Errs }

func refusal(errs []error) error {
	var r *Refused
	if len(errs) == 1 && errors.As(errs[0], &r) {
		return r
	}
	return &Refused{errs}
}
