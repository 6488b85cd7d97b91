package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/report"
)

func panicked(p any) error { return fmt.Errorf("internal error: %v", p) }

// start begins an action in the background and ends the run.
func (r *releasing) start(d release.Decision) error {
	job, driver, target := r.job(), r.driver, 0
	if d.Target != nil {
		target = d.Target.Version
	}
	found, known, again := r.memo.attempt.found, r.known(), r.again()
	r.background(d.Action, func(ctx context.Context, job helm.Job) finished {
		if err := again(ctx); err != nil {
			return finished{done: release.Done{Err: err}, never: errors.Is(err, errBehind)}
		}
		job.Stored = known()
		return perform(ctx, driver, job, d.Action, target, found)
	}, job)
	return underWay(r)
}

// underWay ends the run while the operation that it began goes on.
func underWay(r *releasing) error {
	op := r.ops.of(r.h.Key())
	if op == nil { // it has ended already, or the engine is ending
		return report.Progress("Reconciliation in progress")
	}
	r.run.Running, r.run.Action = op.title, op.action
	return report.Progress(op.title)
}

// perform does one action with the driver.
func perform(ctx context.Context, driver Releases, job helm.Job, action release.Action, target int, found helm.Drift) (f finished) {
	switch action {
	case release.Install:
		f.out, f.done.Err = driver.Install(ctx, job)
	case release.Upgrade:
		f.out, f.done.Err = driver.Upgrade(ctx, job)
	case release.Rollback:
		f.out, f.done.Err = driver.Rollback(ctx, job, target)
	case release.Uninstall:
		f.out, f.done.Err = driver.Uninstall(ctx, job, helm.PlaceOf(job.Object))
	case release.Test:
		f.out, f.done.Err = driver.Test(ctx, job)
	case release.Unlock:
		f.out, f.done.Err = driver.Unlock(ctx, job)
	case release.Correct:
		f.fixed, f.done.Err = driver.Correct(ctx, job, found)
	default:
		f.done.Err = fmt.Errorf("no such action: %s", action)
	}
	f.done.Written, f.done.Inventory, f.done.Took = f.out.Written, f.out.Inventory, f.out.Took
	return f
}

// background begins an operation for the inputs of this run.
func (r *releasing) background(action release.Action, do func(context.Context, helm.Job) finished, job helm.Job) {
	key := r.h.Key()
	op := &operation{action: action, title: title(action, r.timeout(action)), stamp: r.wanted(), req: r.req}
	op.req.Stored = nil // it may be large, and wait long; what becomes of the action does not need it
	feed, letGo := r.site.Feed, r.site.hold()
	r.ops.begin(key, op, func(ctx context.Context, idle func()) finished {
		if feed != nil && action != release.Rollback && len(job.Object.Spec.HealthCheckExprs) == 0 {
			waits := &awaiting{feed: feed, op: op, idle: idle}
			defer waits.forget()
			job.Health = waits
		}
		f := do(ctx, job)
		f.done.Action = action
		if cause := context.Cause(ctx); errors.Is(cause, errObsolete) && f.done.Err != nil {
			f.done.Err = cause
		}
		return f
	}, func() {
		letGo()
		r.tell(key, "its "+string(action)+" ended")
	})
}

func title(action release.Action, timeout time.Duration) string {
	return fmt.Sprintf("Running '%s' action with timeout of %s", action, timeout)
}

// timeout is how long an action may take.
func (r *releasing) timeout(action release.Action) time.Duration {
	h := r.h
	switch action {
	case release.Install:
		return h.GetInstall().GetTimeout(h.GetTimeout()).Duration
	case release.Upgrade:
		return h.GetUpgrade().GetTimeout(h.GetTimeout()).Duration
	case release.Rollback:
		return h.GetRollback().GetTimeout(h.GetTimeout()).Duration
	case release.Uninstall:
		return h.GetUninstall().GetTimeout(h.GetTimeout()).Duration
	case release.Test:
		return h.GetTest().GetTimeout(h.GetTimeout()).Duration
	default:
		return h.GetTimeout().Duration
	}
}

// obsolete ends an operation whose inputs are no longer those wanted, where it only
// waits: for its turn, or for health. One that works is let finish.
func (r *releasing) obsolete(op *operation) {
	if op.stamp != r.wanted() && !r.ops.recall(r.h.Key()) && op.waiting() != nil {
		op.cancel(errObsolete)
	}
}

// wanted names what the release is to be made of.
func (r *releasing) wanted() string {
	return fmt.Sprintf("%s %d %s %s %s %s", r.h.UID, r.h.Generation, r.req.Chart.Name, r.req.Chart.Version, r.req.Chart.OCIDigest, r.req.Config)
}

// ended takes up how the operations of earlier runs ended, and tells whether
// there were any. They are kept until the cluster shows a status that tells of
// them: a status that could not be written must not lose a release.
func (r *releasing) ended() bool {
	ends := r.ops.ended(r.h.Key(), historyOf(r.h.Status))
	if r.ends = len(ends); r.ends == 0 {
		return false
	}
	last := ends[len(ends)-1]
	r.takeUp(last)
	if last.recorded == "" {
		r.goOn(last)
	}
	return true
}

// historyOf is the history of a status as text.
func historyOf(s v2.HelmReleaseStatus) string {
	text, err := json.Marshal(s.History)
	if err != nil {
		return "" // unreachable: it came as JSON
	}
	return string(text)
}

// takeUp folds an operation that ended into the status that it was begun with.
// That holds what earlier operations did, and the books that release.Begin kept,
// which the cluster may not show yet.
func (r *releasing) takeUp(f finished) {
	if newest := f.out.Written; len(newest) > 0 {
		if r.memo.undone = 0; release.Interrupted(newest[0].Info.Status) {
			r.memo.undone = newest[0].Version
		}
	}
	now := r.h.Status
	req := f.op.req
	req.Object = r.h.DeepCopy()
	req.Object.Status = *f.op.req.Object.Status.DeepCopy()
	s := &req.Object.Status
	s.Conditions, s.ObservedGeneration, s.LastHandledReconcileAt = now.Conditions, now.ObservedGeneration, now.LastHandledReconcileAt
	rec := release.Record(req, f.done)
	switch {
	case f.never:
		rec = release.Recorded{Status: *s}
	case f.left:
		rec = release.Recorded{Status: release.Removed(req, f.done), Fruitless: f.done.Err != nil}
	}
	r.run.Status, r.left = rec.Status, nil
	if f.done.Err == nil && !f.left {
		r.left = f.out.Stored
	}
	if errors.Is(f.done.Err, errObsolete) {
		return // what is wanted now is begun instead
	}
	out := report.ReleaseOutcome{
		Done: f.done, Chart: req.Chart, Config: req.Config, Log: f.out.Log, Notes: f.out.Notes, Fruitless: rec.Fruitless, After: rec.After,
		Was: f.out.Was,
	}
	if f.left {
		out.Left = f.op.req.Object.Status.History.Latest().DeepCopy()
	}
	for _, ref := range f.fixed.Created {
		out.Corrected = append(out.Corrected, ref.Key.String()+" created")
	}
	for _, ref := range f.fixed.Configured {
		out.Corrected = append(out.Corrected, ref.Key.String()+" configured")
	}
	r.run.Outcome = &out
}

// goOn notes an operation that ended among those of the attempt.
func (r *releasing) goOn(f finished) {
	r.memo.settled = ""
	a := &r.memo.attempt
	switch {
	case errors.Is(f.done.Err, errObsolete), r.run.Outcome != nil && r.run.Outcome.Fruitless:
		*a = attempt{}
		return
	case f.done.Action == release.Correct:
		a.drift, a.found = release.DriftUnknown, helm.Drift{} // looked at once more
	}
	a.done = append(a.done, f.done.Action)
}

// leave uninstalls the release of a target that is no longer meant.
func (r *releasing) leave(moved string) error {
	latest := r.run.Status.History.Latest()
	at := helm.Place{StorageNamespace: r.run.Status.StorageNamespace, Name: latest.Name}
	driver := r.driver
	r.background(release.Uninstall, func(ctx context.Context, job helm.Job) finished {
		var f finished
		f.out, f.done.Err = driver.Uninstall(ctx, job, at)
		f.done.Written, f.done.Took = f.out.Written, f.out.Took
		f.left = true
		return f
	}, r.job())
	r.run.Moved = moved
	if op := r.ops.of(r.h.Key()); op != nil {
		op.moved = moved
	}
	return underWay(r)
}

// simulated tells whether the health of the release rests on pods that are not
// real.
func (r *releasing) simulated() bool {
	if !r.Options.SimulatedPods || r.h.Spec.KubeConfig != nil || r.run.Status.Inventory == nil {
		return false
	}
	refs, err := r.objects()
	return err == nil && slices.ContainsFunc(refs, func(key object.Key) bool { return health.RestsOnPods(key.GroupKind()) })
}
