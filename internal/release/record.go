package release

import (
	"context"
	"errors"
	"slices"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Done is what became of an action.
type Done struct {
	Action Action
	// Written holds each release that the action wrote to Helm's storage, as it
	// was last written.
	Written []*relv1.Release
	// Inventory is what the release consists of now; nil leaves the old one.
	Inventory *v2.ResourceInventory
	Err       error
	Took      time.Duration
}

// Recorded is the status after an action.
type Recorded struct {
	Status v2.HelmReleaseStatus
	// Fruitless tells that the action failed without a trace in Helm's storage:
	// the state is what it was, the failure does not count as an attempt, and
	// the run ends here, to be made again with back-off (or after the retry
	// interval, which After then holds).
	Fruitless bool
	After     time.Duration
}

// Record folds an action into the status: history, counters, and what was last
// attempted; no conditions (helm-controller v1.6.4 internal/reconcile,
// install.go to unlock.go).
func Record(req Request, done Done) Recorded {
	r := &recorder{hr: req.Object.DeepCopy(), req: req, done: done}
	before := digestOf(r.hr.Status.History.Latest())
	if record := records[done.Action]; record != nil {
		record(r)
	}
	s := &r.hr.Status
	if r.failed() && done.Action != Correct && done.Action != Diff {
		s.Failures++
	}
	if done.Inventory != nil {
		s.Inventory = done.Inventory
	}
	out := Recorded{Status: *s, Fruitless: done.Err != nil && r.fruitless(before)}
	if retry := r.hr.GetActiveRetry(req.RetryByDefault); out.Fruitless && retry != nil {
		out.After = retry.GetRetryInterval()
	}
	return out
}

// recorder is a status that is being written.
type recorder struct {
	hr   *v2.HelmRelease
	req  Request
	done Done
}

var records = map[Action]func(*recorder){
	Install:   (*recorder).install,
	Upgrade:   (*recorder).upgrade,
	Test:      (*recorder).test,
	Rollback:  (*recorder).rollback,
	Uninstall: func(r *recorder) { r.replace(v2.ReleaseActionUninstallRemediation) },
	Unlock:    (*recorder).unlock,
}

func digestOf(s *v2.Snapshot) string {
	if s == nil {
		return ""
	}
	return s.Digest
}

// failed tells whether the action failed; one that was cancelled because the
// world moved on did not, and does not count as an attempt.
func (r *recorder) failed() bool {
	return r.done.Err != nil && !errors.Is(r.done.Err, context.Canceled)
}

// fruitless tells whether a failed action left the storage as it was.
func (r *recorder) fruitless(before string) bool {
	latest := r.hr.Status.History.Latest()
	switch r.done.Action {
	case Install, Upgrade:
		return len(r.done.Written) == 0
	case Test:
		return !latest.HasBeenTested()
	case Rollback, Uninstall:
		return digestOf(latest) == before
	case Unlock:
		return true
	}
	return false
}

func (r *recorder) install() {
	r.hr.Status.LastAttemptedReleaseAction = v2.ReleaseActionInstall
	r.hr.Status.ClearHistory() // nothing before an install can be rolled back to
	r.released(v2.ReleaseActionInstall, r.hr.GetInstall().GetRemediation(), r.hr.GetInstall().GetRetry(r.req.RetryByDefault))
}

func (r *recorder) upgrade() {
	r.hr.Status.LastAttemptedReleaseAction = v2.ReleaseActionUpgrade
	r.released(v2.ReleaseActionUpgrade, r.hr.GetUpgrade().GetRemediation(), r.hr.GetUpgrade().GetRetry(r.req.RetryByDefault))
}

// released records an install or upgrade.
func (r *recorder) released(action v2.ReleaseAction, remediation v2.Remediation, retry v2.Retry) {
	s := &r.hr.Status
	s.LastAttemptedReleaseActionDuration = &metav1.Duration{Duration: r.done.Took}
	r.remember(action)
	switch {
	case r.done.Err == nil && retry != nil:
		s.ClearFailures()
	case r.failed() && len(r.done.Written) > 0:
		remediation.IncrementFailureCount(r.hr)
	}
}

// remember puts the newest release written in front of the history, and brings
// the entry of the one that it followed up to date.
func (r *recorder) remember(action v2.ReleaseAction) {
	written := slices.Clone(r.done.Written)
	if len(written) == 0 {
		return
	}
	rendered(&r.hr.Status, r.req.Rendering)
	slices.SortFunc(written, func(a, b *relv1.Release) int { return b.Version - a.Version })
	h := &r.hr.Status.History
	snap := Snapshot(written[0], r.req.Chart.OCIDigest, action)
	*h = slices.DeleteFunc(*h, func(old *v2.Snapshot) bool { return old.Targets(snap.Name, snap.Namespace, snap.Version) })
	*h = append(v2.Snapshots{snap}, *h...)
	for _, rel := range written[1:] {
		if old := r.entry(rel); old != nil {
			refresh(old, rel, "")
		}
	}
}

// entry returns the snapshot of a release, if the history has one.
func (r *recorder) entry(rel *relv1.Release) *v2.Snapshot {
	for _, snap := range r.hr.Status.History {
		if snap.Targets(rel.Name, rel.Namespace, rel.Version) {
			return snap
		}
	}
	return nil
}

// refresh makes snap that of rel as it is now, keeping what storage does not
// hold: its tests and its OCI digest.
func refresh(snap *v2.Snapshot, rel *relv1.Release, action v2.ReleaseAction) {
	tests := snap.TestHooks
	*snap = *Snapshot(rel, snap.OCIDigest, action)
	snap.TestHooks = tests
}

// replace brings the entries of all releases written up to date.
func (r *recorder) replace(action v2.ReleaseAction) (added []*relv1.Release) {
	for _, rel := range r.done.Written {
		if old := r.entry(rel); old != nil {
			refresh(old, rel, action)
		} else {
			added = append(added, rel)
		}
	}
	return added
}

func (r *recorder) rollback() {
	for _, rel := range r.replace(v2.ReleaseActionRollback) {
		h := &r.hr.Status.History
		*h = append(v2.Snapshots{Snapshot(rel, r.ociDigest(rel), v2.ReleaseActionRollback)}, *h...)
	}
}

// ociDigest returns the digest of the artifact of which a release rolled back to
// was made: that of the entry with the same chart and values. Flux forgets it.
func (r *recorder) ociDigest(rel *relv1.Release) string {
	made := Snapshot(rel, "", "")
	for _, snap := range r.hr.Status.History {
		if snap.ChartName == made.ChartName && snap.ChartVersion == made.ChartVersion && snap.ConfigDigest == made.ConfigDigest {
			return snap.OCIDigest
		}
	}
	return ""
}

func (r *recorder) test() {
	cur := r.hr.Status.History.Latest()
	for _, rel := range r.done.Written {
		if cur.Targets(rel.Name, rel.Namespace, rel.Version) {
			refresh(cur, rel, cur.GetAction())
			cur.SetTestHooks(TestHooks(rel, r.hr.GetTest().GetFilters()))
		}
	}
	if r.failed() && cur.HasBeenTested() && testsCount(r.hr) {
		r.hr.GetActiveRemediation().IncrementFailureCount(r.hr)
	}
}

// unlock records a release that was found interrupted. If it is the one that we
// were making on top of the history, it joins the history as a failed attempt,
// so that what came before can still be rolled back to; Flux drops the history
// then.
func (r *recorder) unlock() {
	for _, rel := range r.done.Written {
		cur := r.hr.Status.History.Latest()
		switch old := r.entry(rel); {
		case old != nil:
			refresh(old, rel, old.GetAction())
		case follows(cur, rel):
			snap := Snapshot(rel, r.req.Chart.OCIDigest, v2.ReleaseActionUpgrade)
			r.hr.Status.History = append(v2.Snapshots{snap}, r.hr.Status.History...)
		}
	}
}

// follows tells whether rel is the next version of the release in snap.
func follows(snap *v2.Snapshot, rel *relv1.Release) bool {
	return snap != nil && rel.Info.Status == rcommon.StatusFailed && snap.Targets(rel.Name, rel.Namespace, rel.Version-1)
}

// Removed returns the status after the release was uninstalled because it is to
// go: its object was deleted, or its target moved. A failure keeps the history.
func Removed(req Request, done Done) v2.HelmReleaseStatus {
	r := &recorder{hr: req.Object.DeepCopy(), req: req, done: done}
	r.replace(v2.ReleaseActionUninstall)
	if done.Err != nil {
		r.hr.Status.Failures++
		return r.hr.Status
	}
	return Left(r.hr.Status)
}
