package report

import (
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
		rep.Next = time.Time{}
		conds.drop(Reconciling)
		summarize(h, next, conds, run.Simulated)
	case run.Err == nil:
		releaseSettled(h, run, &rep, next, conds, now)
	default:
		releaseFailed(h, run, &rep, next, conds, now)
	}
	told = append(told, drift(h, run, conds)...)
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
		inSync(run, next, conds)
		summarize(h, next, conds, run.Simulated)
		return
	}
	summarize(h, next, conds, run.Simulated)
	text := "another attempt follows"
	if ready := conds.get(Ready); ready != nil {
		text = ready.Message
	}
	rep.Next = now.Add(Backoff(int(min(next.Failures, 32))))
	if run.After > 0 {
		text = "retrying after " + run.After.String()
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
			summarize(h, next, conds, run.Simulated)
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
		if summarize(h, next, conds, false); run.Outcome == nil && run.State == "" || conds.get(Ready) == nil || conds.get(Ready).Status == metav1.ConditionTrue {
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
		summarize(h, next, conds, false)
		if ready := conds.get(Ready); ready != nil && ready.Reason == p.Reason {
			return // it says what failed, and of which release
		}
	}
	conds.no(Ready, p.Reason, p.Error())
}

// inSync mends conditions of earlier trouble that is over.
func inSync(run HelmReleaseRun, next *v2.HelmReleaseStatus, conds *conditions) {
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
func summarize(h *unit.HelmRelease, next *v2.HelmReleaseStatus, conds *conditions, simulated bool) {
	test := h.GetTest()
	if !test.Enable {
		conds.drop(TestSuccess)
	}
	of := []string{Remediated, Released}
	if test.Enable && !test.IgnoreFailures {
		of = []string{Remediated, TestSuccess, Released}
	}
	next.ObservedPostRenderersDigest = release.PostRenderersDigest(h.Spec.PostRenderers)
	next.ObservedCommonMetadataDigest = release.CommonMetadataDigest(h.Spec.CommonMetadata)
	for _, kind := range of {
		found := conds.get(kind)
		if found == nil {
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

// outcome marks how the action of an earlier run ended, and tells of it.
func outcome(h *unit.HelmRelease, run HelmReleaseRun, next *v2.HelmReleaseStatus, conds *conditions) []Event {
	out := run.Outcome
	if out == nil {
		return nil
	}
	m, known := outcomes[out.Done.Action]
	if !known {
		return nil
	}
	cur := next.History.Latest()
	name, chart := h.GetReleaseNamespace()+"/"+release.Name(&h.HelmRelease), out.Chart.Name+"@"+out.Chart.Version
	if cur != nil && (out.Done.Err == nil || out.Done.Action != release.Install && out.Done.Action != release.Upgrade) {
		name, chart = cur.FullReleaseName(), cur.VersionedChartName()
	}
	meta := releaseMeta(run, out)
	if out.Done.Action == release.Install || out.Done.Action == release.Upgrade {
		conds.drop(Remediated, TestSuccess)
	}
	if err := out.Done.Err; err != nil {
		message := fmt.Sprintf("Helm %s failed for release %s with chart %s: %s", m.what, name, chart, strings.TrimSpace(err.Error()))
		if m.condition != "" {
			conds.no(m.condition, m.failed, message)
		}
		if out.Log != "" {
			message += "\n\nLast Helm logs:\n\n" + out.Log
		}
		return []Event{{Warning: true, Reason: m.failed, Message: message, Metadata: meta}}
	}
	message := fmt.Sprintf("Helm %s succeeded for release %s with chart %s", m.what, name, chart)
	switch out.Done.Action {
	case release.Install, release.Upgrade:
		if h.GetTest().Enable && !cur.HasBeenTested() {
			conds.unknown(TestSuccess, ReasonAwaitingTests, fmt.Sprintf("Helm release %s with chart %s is awaiting tests", name, chart))
		}
	case release.Test:
		message += ": " + tests(cur)
	case release.Correct:
		message = fmt.Sprintf("Cluster state of release %s has been corrected:\n%s", name, strings.Join(out.Corrected, "\n"))
	case release.Unlock:
		message = fmt.Sprintf("Unlocked Helm release %s with chart %s, which was interrupted", name, chart)
	}
	if m.condition != "" {
		conds.yes(m.condition, m.succeeded, message)
	}
	for _, note := range out.Notes {
		message += "\n" + note
	}
	return []Event{{Warning: m.warns, Reason: m.succeeded, Message: message, Metadata: meta}}
}

// wording says how the outcome of an action is told.
type wording struct {
	what, condition, succeeded, failed string
	warns                              bool // also when it succeeded
}

var outcomes = map[release.Action]wording{
	release.Install:   {"install", Released, ReasonInstallSucceeded, ReasonInstallFailed, false},
	release.Upgrade:   {"upgrade", Released, ReasonUpgradeSucceeded, ReasonUpgradeFailed, false},
	release.Test:      {"test", TestSuccess, ReasonTestSucceeded, ReasonTestFailed, false},
	release.Rollback:  {"rollback to previous release", Remediated, ReasonRollbackSucceeded, ReasonRollbackFailed, false},
	release.Uninstall: {"uninstall remediation", Remediated, ReasonUninstallSucceeded, ReasonUninstallFailed, false},
	release.Unlock:    {"unlock", "", ReasonPendingRelease, ReasonPendingRelease, true},
	release.Correct:   {"drift correction", "", ReasonDriftCorrected, ReasonDriftCorrectionFailed, false},
}

// ReasonOf returns the reason under which the outcome of an action is told.
func ReasonOf(a release.Action, err error) string {
	if err != nil {
		return outcomes[a].failed
	}
	return outcomes[a].succeeded
}

func tests(cur *v2.Snapshot) string {
	switch n := len(cur.GetTestHooks()); n {
	case 0:
		return "no test hooks"
	case 1:
		return "1 test hook completed successfully"
	default:
		return fmt.Sprintf("%d test hooks completed successfully", n)
	}
}

func releaseMeta(run HelmReleaseRun, out *ReleaseOutcome) map[string]string {
	meta := map[string]string{}
	for key, value := range map[string]string{
		"revision": out.Chart.Version, "token": out.Config, "app-version": run.AppVersion, "oci-digest": out.Chart.OCIDigest,
	} {
		if value != "" {
			meta[key] = value
		}
	}
	return meta
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
		conds.no(DriftedCondition, ReasonNoDrift, "No drift detected")
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
