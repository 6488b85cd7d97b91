package apply

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world/live"
)

// Comparison is what a run would do to one object, or why it could not.
type Comparison struct {
	plan.Step
	// Live is the object as it was found; nil where there is none.
	Live *unstructured.Unstructured
	Err  error
}

// Compare says what Run would do to each object, whatever becomes of the others.
// The world must be a copy (overlay): what others wrote beside our fields, and
// would lose to a takeover, is known once it is taken over. Of the input Live,
// Marks and the choices of stages are not used.
func Compare(ctx context.Context, in Input) ([]Comparison, error) {
	in.Live, in.Marks, in.Verify = unseen{}, nil, true
	in.Rehearse = func(object.Ref) bool { return false }
	r := &runner{Input: in, res: Result{Marks: map[object.Key]Mark{}, Skipped: map[object.Key]bool{}}}
	objects := slices.Clone(in.Objects)
	slices.SortStableFunc(objects, func(x, y build.Object) int { return plan.Compare(x.Ref.Key, y.Ref.Key) })
	out := make([]Comparison, 0, len(objects))
	for _, o := range objects {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		out = append(out, r.weigh(ctx, o))
	}
	return out, nil
}

// weigh compares one object.
func (r *runner) weigh(ctx context.Context, o build.Object) Comparison {
	s, err := r.decide(ctx, o)
	if err != nil {
		return Comparison{Step: plan.Step{Ref: o.Ref}, Err: err}
	}
	found := s.Before
	if s.takeover.IsZero() || found == nil {
		return Comparison{Step: s.Step, Live: found}
	}
	if err := r.write(ctx, s); err != nil {
		return Comparison{Step: s.Step, Live: found, Err: err}
	}
	s.Fields = plan.Drift(found, s.After, r.Ignore, r.Mask)
	return Comparison{Step: s.Step, Live: found}
}

// unseen is a Live that watches nothing.
type unseen struct{}

func (unseen) Follow(context.Context, schema.GroupVersionKind) error { return nil }
func (unseen) Seen(object.Key) (live.Seen, bool, bool)               { return live.Seen{}, false, false }
func (unseen) Absent(context.Context, object.Ref) bool               { return false }
func (unseen) Note(*unstructured.Unstructured)                       {}
func (unseen) Forget(object.Key)                                     {}
