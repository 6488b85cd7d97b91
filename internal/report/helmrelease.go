package report

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/unit"
)

// HelmReleaseRun is what a run of a HelmRelease saw and did.
type HelmReleaseRun struct {
	Err error // nil, or a Problem
	// Status is the new status but for its conditions: the run keeps the books of
	// the release (package release).
	Status v2.HelmReleaseStatus
	// What the chart and values came to; empty before they were read.
	Revision, Config, AppVersion string
	Chart                        release.Chart
	// Outcome is how the action ended that an earlier run began; nil for none.
	Outcome *ReleaseOutcome
	// Fresh tells that it waits for a HelmChart that it has made or changed itself
	// and that nobody has looked at yet.
	Fresh bool
	// Running names the action under way, and Action says which that is; empty
	// for none.
	Running string
	Action  release.Action
	// Moved says what part of the release's target changed, if it did.
	Moved string
	State release.State
	// Settled: the release is as it should be. Again: another attempt follows.
	// Suspended: nothing is begun; only what ended is told.
	Settled, Again, Suspended bool
	// After is when the next attempt follows, where it does not do so at once.
	After time.Duration
	// Awaits says what is awaited until then, if that is not the retry interval.
	Awaits string
	// Rounds is how many attempts were made in a row with the same inputs, where
	// another follows.
	Rounds int
	// Compared tells that the cluster was compared with the manifest, Drift what
	// differed.
	Compared bool
	Drift    []string
	// Simulated tells that the health of the release rests on pods that are not real.
	Simulated bool
	Failures  int // runs that failed one after the other
	Reads     record.Set
}

// ReleaseOutcome is how an action on a release ended.
type ReleaseOutcome struct {
	Done      release.Done
	Chart     release.Chart // that it was begun with
	Config    string
	Log       string // Helm's last lines
	Notes     []string
	Corrected []string
	// Fruitless: it failed and left no trace in Helm's storage.
	Fruitless bool
	After     time.Duration
	// Left is the release of a target that is no longer meant, where that was what
	// was uninstalled.
	Left *v2.Snapshot
	// Was is the state in which an unlocked release was found.
	Was string
}

// HelmRelease folds a run into its report.
func HelmRelease(h *unit.HelmRelease, run HelmReleaseRun, now time.Time) Report {
	next := run.Status.DeepCopy()
	if at := unit.Requested(h.Annotations); at != "" && !run.Suspended {
		next.LastHandledReconcileAt = at
	}
	conds := edit(h.Status.Conditions, h.Generation, now)
	rep := Report{Unit: h.Key(), Reads: run.Reads, Next: now.Add(h.Interval())}
	rep.Summary.Revision = run.Revision
	told := outcome(h, run, next, conds)
	switch {
	case run.Suspended:
		rep.Next, next.ObservedGeneration = time.Time{}, h.Generation
		conds.drop(Reconciling)
		summarize(h, conds, run.Simulated)
	case run.Err == nil:
		releaseSettled(h, run, &rep, next, conds, now)
	default:
		releaseFailed(h, run, &rep, next, conds, now)
	}
	told = append(told, drift(h, run, conds)...)
	if conds.get(Ready) == nil {
		conds.unknown(Ready, ReasonProgressing, "Reconciliation in progress")
	}
	next.Conditions = conds.sorted()
	ready := conds.get(Ready)
	rep.Summary.Ready, rep.Summary.Reason, rep.Summary.Message = string(ready.Status), ready.Reason, ready.Message
	rep.Events = append(told, releaseTrouble(h, run)...)
	for _, e := range told {
		rep.Summary.Changed = append(rep.Summary.Changed, firstLine(e.Message))
	}
	rep.Status = releaseStatus(next)
	return rep
}

// releaseStatus encodes a status as the API gives it back: without the nulls of
// times that are not set, which would be news in every run.
func releaseStatus(s *v2.HelmReleaseStatus) map[string]any {
	status, err := unit.Encode(s)
	if err != nil {
		return nil // unreachable: it came as JSON
	}
	history, _ := status["history"].([]any)
	for _, entry := range history {
		if snapshot, ok := entry.(map[string]any); ok {
			maps.DeleteFunc(snapshot, func(_ string, v any) bool { return v == nil })
			withoutNulls(snapshot["testHooks"])
		}
	}
	return status
}

// withoutNulls drops the nulls of a map of maps.
func withoutNulls(v any) {
	all, _ := v.(map[string]any)
	for _, one := range all {
		if m, ok := one.(map[string]any); ok {
			maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// releaseSettled marks the end of a run that found nothing to do, or that leaves
// the next attempt to a later one.
func releaseSettled(h *unit.HelmRelease, run HelmReleaseRun, rep *Report, next *v2.HelmReleaseStatus, conds *conditions, now time.Time) {
	if run.Settled {
		next.ObservedGeneration = h.Generation
		conds.drop(Reconciling)
		if asWanted(run.State) {
			inSync(next, conds)
		}
		summarize(h, conds, run.Simulated)
		return
	}
	summarize(h, conds, run.Simulated)
	text := "another attempt follows"
	if ready := conds.get(Ready); ready != nil {
		text = ready.Message
	}
	rep.Next = now.Add(Backoff(max(run.Rounds, int(min(next.Failures, 32)))))
	if run.After > 0 {
		text = cmp.Or(run.Awaits, "retrying after "+run.After.String())
		rep.Next = now.Add(run.After)
	}
	conds.yes(Reconciling, ReasonRetrying, text)
}

// releaseFailed marks the end of a run that could not go on.
func releaseFailed(h *unit.HelmRelease, run HelmReleaseRun, rep *Report, next *v2.HelmReleaseStatus, conds *conditions, now time.Time) {
	p := AsProblem(run.Err, ReasonReconcileError)
	rep.On, rep.Summary.Class, rep.Summary.Missing = p.On, p.Class, p.Missing
	switch p.Class {
	case Progressing:
		rep.Soft = run.Outcome == nil
		rep.Next = time.Time{}
		conds.drop(StalledCondition)
		conds.yes(Reconciling, ReasonProgressing, p.Error())
		if run.Outcome != nil {
			summarize(h, conds, run.Simulated)
		}
		switch run.Action {
		case release.Test, release.Rollback, release.Correct, release.Unlock:
			conds.keep(Ready) // of what is tested, remedied, or put right
		default:
			if run.Action != release.Uninstall || run.Moved != "" {
				conds.unknown(Ready, ReasonProgressing, p.Error())
			}
		}
		if conds.get(Ready) == nil {
			conds.unknown(Ready, ReasonProgressing, p.Error())
		}
		return
	case Stalled:
		rep.Next = time.Time{}
		conds.drop(Reconciling)
		if summarize(h, conds, false); run.Outcome == nil && run.State == "" || conds.get(Ready) == nil || conds.get(Ready).Status == metav1.ConditionTrue {
			conds.no(Ready, p.Reason, p.Error())
		}
		conds.yes(StalledCondition, p.Reason, p.Error()) // after all that says it is well
		next.ObservedGeneration = h.Generation
		return
	case Waiting:
		rep.Soft = run.Fresh && run.Outcome == nil
		conds.yes(Reconciling, ReasonRetrying, waitText(p.On))
	case Retrying:
		rep.Next = now.Add(Backoff(max(run.Failures, int(min(next.Failures, 32)))))
		if run.After > 0 {
			rep.Next = now.Add(run.After)
		}
		conds.yes(Reconciling, ReasonRetrying, "Retrying, or running when something it read changes")
	}
	conds.drop(StalledCondition)
	if out := run.Outcome; out != nil && out.Fruitless {
		summarize(h, conds, false)
		ready := conds.get(Ready)
		remedy := out.Done.Action == release.Uninstall && out.Left == nil
		if ready != nil && (ready.Reason == p.Reason || remedy && ready.Status == metav1.ConditionFalse) {
			return // it says what failed, and of which release
		}
	}
	conds.no(Ready, p.Reason, p.Error())
}

// asWanted tells whether a run that ended in a state found the release as it should be;
// one that looked at nothing, because nothing moved, has no state. A release that failed
// can come to rest too, until the interval passes, and stays what it is.
func asWanted(state release.State) bool {
	return state == "" || state == release.StateInSync || state == release.StateDrifted
}

// inSync mends conditions of earlier trouble that is over.
func inSync(next *v2.HelmReleaseStatus, conds *conditions) {
	cur := next.History.Latest()
	if cur == nil {
		return
	}
	done := fmt.Sprintf("Helm upgrade succeeded for release %s with chart %s", cur.FullReleaseName(), cur.VersionedChartName())
	if c := conds.get(Remediated); c != nil && c.Status == metav1.ConditionTrue {
		conds.drop(Remediated)
		conds.yes(Released, ReasonUpgradeSucceeded, done)
	}
	switch c := conds.get(Released); {
	case c == nil && cur.Action == v2.ReleaseActionInstall,
		c != nil && c.Status != metav1.ConditionTrue && c.Reason == ReasonInstallFailed:
		conds.yes(Released, ReasonInstallSucceeded, strings.Replace(done, "Helm upgrade", "Helm install", 1))
	case c == nil || c.Status != metav1.ConditionTrue:
		conds.yes(Released, ReasonUpgradeSucceeded, done)
	default:
		conds.keep(Released)
	}
}

// summarize makes Ready of what became of the release: of the remediation, the
// tests, the release, the first of those that are there.
func summarize(h *unit.HelmRelease, conds *conditions, simulated bool) {
	test := h.GetTest()
	if !test.Enable {
		conds.drop(TestSuccess)
	}
	of := []string{Remediated, Released}
	if test.Enable && !test.IgnoreFailures {
		of = []string{Remediated, TestSuccess, Released}
	}
	for _, kind := range of {
		found := conds.get(kind)
		if found == nil || uninstalls(*found) {
			continue
		}
		c := *found // the list moves
		message := c.Message
		if simulated && c.Status == metav1.ConditionTrue {
			message += " (on simulated pods)"
		}
		switch {
		case kind == Remediated:
			conds.no(Ready, c.Reason, message)
		case c.Status == metav1.ConditionTrue:
			conds.drop(StalledCondition)
			conds.yes(Ready, c.Reason, message)
		case c.Status == metav1.ConditionFalse:
			conds.no(Ready, c.Reason, message)
		default:
			conds.unknown(Ready, c.Reason, message)
		}
		return
	}
}

// uninstalls tells of an uninstallation that was to remedy a failure. Ready goes on to
// tell of the failure (helm-controller v1.6.4 internal/reconcile/uninstall_remediation.go
// sums nothing up).
func uninstalls(c metav1.Condition) bool {
	return c.Type == Remediated && (c.Reason == ReasonUninstallSucceeded || c.Reason == ReasonUninstallFailed)
}

// drift marks what a comparison with the cluster found.
func drift(h *unit.HelmRelease, run HelmReleaseRun, conds *conditions) []Event {
	switch {
	case !h.GetDriftDetection().MustDetectChanges():
		conds.drop(DriftedCondition)
		return nil
	case !run.Compared:
		conds.keep(DriftedCondition)
		return nil
	case len(run.Drift) == 0:
		conds.no(DriftedCondition, ReasonNoDrift, "No drift detected against the cluster state")
		return nil
	}
	name := h.GetReleaseNamespace() + "/" + release.Name(&h.HelmRelease)
	if cur := run.Status.History.Latest(); cur != nil {
		name = cur.FullReleaseName()
	}
	message := fmt.Sprintf("Cluster state of release %s has drifted from the desired state:\n%s", name, strings.Join(run.Drift, "\n"))
	before := conds.get(DriftedCondition)
	known := before != nil && before.Status == metav1.ConditionTrue && before.Message == message
	conds.yes(DriftedCondition, ReasonDrift, message)
	if known && h.GetDriftDetection().GetMode() == v2.DriftDetectionWarn {
		return nil // nobody puts it right, and it was told
	}
	return []Event{{Warning: true, Reason: ReasonDrift, Message: message}}
}
