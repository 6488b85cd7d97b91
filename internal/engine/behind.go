package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
)

// Two watches keep no order between them: what somebody writes to an object right
// after suspending its unit may be told before the suspension. So the API itself is
// asked for the unit before anything is put back that was in the cluster already.

// errBehind ends what was begun for a spec that the unit no longer has. It did
// not fail, and counts as no attempt.
var errBehind = fmt.Errorf("the unit has another spec by now: %w", errObsolete)

// behindPause is when a unit is looked at again that was found to be behind;
// usually its watch tells of the change long before.
const behindPause = time.Second

// confirm asks whether a unit is still as a run knows it. An error other than
// errBehind says that nobody could be asked.
func (e *Engine) confirm(ctx context.Context, known *unstructured.Unstructured) error {
	if e.Anew == nil {
		return nil
	}
	now, err := e.Anew(ctx, object.RefOf(known))
	switch {
	case apierrors.IsNotFound(err):
		return errBehind
	case err != nil:
		return fmt.Errorf("read %s again before it is corrected: %w", object.KeyOf(known), err)
	case now.GetUID() != known.GetUID(), now.GetGeneration() != known.GetGeneration():
		return errBehind // a deletion is another generation as well
	}
	return nil
}

// behind ends a run that changed nothing because its unit has changed.
func (e *Engine) behind(key object.Key, now time.Time) report.Report {
	return report.Report{Unit: key, Next: now.Add(behindPause)}
}

// wasBehind tells whether an action did not begin because the release was known as
// it no longer is, and is known so still.
func (r *releasing) wasBehind() bool {
	ends := r.ops.ended(r.h.Key(), historyOf(r.h.Status))
	if len(ends) == 0 {
		return false
	}
	last := ends[len(ends)-1]
	known := last.op.req.Object
	return known != nil && errors.Is(last.done.Err, errBehind) && known.UID == r.h.UID && known.Generation == r.h.Generation
}

// again asks for the release again before an action, unless nothing was ever
// installed: then there is nothing that could be put back.
func (r *releasing) again() func(context.Context) error {
	if len(r.run.Status.History) == 0 {
		return func(context.Context) error { return nil }
	}
	known := r.raw
	return func(ctx context.Context) error { return r.confirm(ctx, known) }
}
