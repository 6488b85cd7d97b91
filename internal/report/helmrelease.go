package report

import (
	"fmt"
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
	// Running names the action under way; empty for none.
	Running string
	// Moved says what part of the release's target changed, if it did.
	Moved string
	State release.State
	// Settled: the release is as it should be. Again: another attempt follows.
	Settled, Again bool
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
	if at := unit.Requested(h.Annotations); at != "" {
		next.LastHandledReconcileAt = at
	}
	conds := edit(h.Status.Conditions, h.Generation, now)
	rep := Report{Unit: h.Key(), Reads: run.Reads, Next: now.Add(h.Interval())}
	rep.Summary.Revision = run.Revision
	told := outcome(h, run, next, conds)
	if run.Err == nil {
		releaseSettled(h, run, &rep, next, conds, now)
	} else {
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
	if status, err := unit.Encode(next); err == nil {
		rep.Status = status
	}
	return rep
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
		if ready := conds.get(Ready); run.Outcome == nil || ready == nil || ready.Status == metav1.ConditionTrue {
			conds.unknown(Ready, ReasonProgressing, p.Error())
		}
		return
	case Stalled:
		rep.Next = time.Time{}
		conds.drop(Reconciling)
		conds.yes(StalledCondition, p.Reason, p.Error())
		if summarize(h, next, conds, false); run.Outcome == nil && run.State == "" || conds.get(Ready) == nil || conds.get(Ready).Status == metav1.ConditionTrue {
			conds.no(Ready, p.Reason, p.Error())
		}
		next.ObservedGeneration = h.Generation
		return
	case Waiting:
		conds.yes(Reconciling, ReasonRetrying, waitText(p.On))
	case Retrying:
		rep.Next = now.Add(Backoff(max(run.Failures, int(min(next.Failures, 32)))))
		if run.After > 0 {
			rep.Next = now.Add(run.After)
		}
		conds.yes(Reconciling, ReasonRetrying, "Retrying, or running when something it read changes")
	}
	conds.drop(StalledCondition)
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
		c := conds.get(kind)
		if c == nil {
			continue
		}
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
	conds.yes(DriftedCondition, ReasonDrift, message)
	return []Event{{Warning: true, Reason: ReasonDrift, Message: message}}
}

// releaseTrouble tells why a run could not go on, once.
func releaseTrouble(h *unit.HelmRelease, run HelmReleaseRun) []Event {
	if run.Err == nil {
		return nil
	}
	p := AsProblem(run.Err, ReasonReconcileError)
	before := unit.Condition(h.Status.Conditions, Ready)
	switch {
	case p.Class == Progressing, run.Outcome != nil && run.Outcome.Fruitless:
		return nil
	case before != nil && before.Message == p.Error() && before.Reason == p.Reason:
		return nil
	case p.Class == Stalled && unit.Condition(h.Status.Conditions, StalledCondition) != nil &&
		unit.Condition(h.Status.Conditions, StalledCondition).Message == p.Error():
		return nil
	}
	return []Event{{Warning: p.Class != Waiting, Reason: p.Reason, Message: p.Error()}}
}

// ReleaseRemoved tells that the release of a deleted HelmRelease was
// uninstalled, or why not.
func ReleaseRemoved(h *unit.HelmRelease, err error) Event {
	cur := h.Status.History.Latest()
	name, chart := release.Name(&h.HelmRelease), ""
	if cur != nil {
		name, chart = cur.FullReleaseName(), cur.VersionedChartName()
	}
	if err != nil {
		return Event{Warning: true, Reason: ReasonUninstallFailed, Message: fmt.Sprintf(
			"Helm uninstall failed for release %s with chart %s: %s", name, chart, strings.TrimSpace(err.Error()))}
	}
	return Event{Reason: ReasonUninstallSucceeded, Message: fmt.Sprintf("Helm uninstall succeeded for release %s with chart %s", name, chart)}
}

// ReleaseLeft tells that a release stays because the account that it would be
// uninstalled as is gone.
func ReleaseLeft(h *unit.HelmRelease, user string) Event {
	return Event{Warning: true, Reason: ReasonUninstallFailed, Message: fmt.Sprintf(
		"unable to uninstall release %s: %s is gone; its objects and its Secrets in namespace %s were left behind",
		release.Name(&h.HelmRelease), user, h.Status.StorageNamespace)}
}
