package report

import (
	"fmt"
	"strings"

	v2 "github.com/fluxcd/helm-controller/api/v2"

	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/unit"
)

// wording says how the outcome of an action is told, in the words of Flux
// (helm-controller v1.6.4 internal/reconcile, install.go to unlock.go).
type wording struct {
	condition         string // that tells of it, if any
	succeeded, failed string // the reasons
	done, undone      string // the messages, of release and chart; undone of the cause too
	// over: after it there is no release to be ready, also where it succeeded.
	over bool
}

var outcomes = map[release.Action]wording{
	release.Install: {Released, ReasonInstallSucceeded, ReasonInstallFailed,
		"Helm install succeeded for release %s with chart %s", "Helm install failed for release %s with chart %s: %s", false},
	release.Upgrade: {Released, ReasonUpgradeSucceeded, ReasonUpgradeFailed,
		"Helm upgrade succeeded for release %s with chart %s", "Helm upgrade failed for release %s with chart %s: %s", false},
	release.Test: {TestSuccess, ReasonTestSucceeded, ReasonTestFailed,
		"Helm test succeeded for release %s with chart %s", "Helm test failed for release %s with chart %s: %s", false},
	release.Rollback: {Remediated, ReasonRollbackSucceeded, ReasonRollbackFailed,
		"Helm rollback to previous release %s with chart %s succeeded", "Helm rollback to previous release %s with chart %s failed: %s", false},
	release.Uninstall: {Remediated, ReasonUninstallSucceeded, ReasonUninstallFailed,
		"Helm uninstall remediation for release %s with chart %s succeeded", "Helm uninstall remediation for release %s with chart %s failed: %s", false},
	release.Unlock: {Released, ReasonPendingRelease, ReasonPendingRelease,
		"Unlocked Helm release %s with chart %s", "Unlock of Helm release %s with chart %s failed: %s", true},
	release.Correct: {"", ReasonDriftCorrected, ReasonDriftCorrectionFailed, "", "", false},
}

// gone is the wording of an uninstallation for good.
var gone = wording{Released, ReasonUninstallSucceeded, ReasonUninstallFailed,
	"Helm uninstall succeeded for release %s with chart %s", "Helm uninstall failed for release %s with chart %s: %s", true}

// ReasonOf returns the reason under which the outcome of an action is told.
func ReasonOf(a release.Action, err error) string {
	if err != nil {
		return outcomes[a].failed
	}
	return outcomes[a].succeeded
}

// outcome marks how the action of an earlier run ended, and tells of it.
func outcome(h *unit.HelmRelease, run HelmReleaseRun, next *v2.HelmReleaseStatus, conds *conditions) []Event {
	out := run.Outcome
	if out == nil {
		return nil
	}
	m, known := outcomes[out.Done.Action]
	if out.Left != nil {
		m = gone
	}
	if !known {
		return nil
	}
	if out.Done.Action == release.Install || out.Done.Action == release.Upgrade {
		conds.drop(Remediated, TestSuccess)
	}
	of := subject(h, out, next)
	event := Event{Warning: out.Done.Err != nil, Reason: ReasonOf(out.Done.Action, out.Done.Err), Metadata: releaseMeta(run, of)}
	event.Message = m.message(h, out, of)
	switch {
	case m.condition == "":
	case out.Done.Err != nil || m.over:
		conds.no(m.condition, event.Reason, event.Message)
	default:
		conds.yes(m.condition, event.Reason, event.Message)
	}
	switch {
	case len(out.Done.Written) == 0 && out.Done.Err == nil && (out.Left != nil || out.Done.Action == release.Unlock):
		return nil // somebody else has done it
	case out.Done.Err != nil && out.Log != "":
		event.Message += "\n\nLast Helm logs:\n\n" + out.Log
	case out.Done.Err == nil:
		awaitTests(h, out.Done.Action, of, conds)
		event.Message = strings.Join(append([]string{event.Message}, out.Notes...), "\n")
	}
	return []Event{event}
}

// message tells of an outcome, and of which release.
func (m wording) message(h *unit.HelmRelease, out *ReleaseOutcome, of *v2.Snapshot) string {
	name, chart := h.GetReleaseNamespace()+"/"+release.Name(&h.HelmRelease), out.Chart.Name+"@"+out.Chart.Version
	if of != nil {
		name, chart = of.FullReleaseName(), of.VersionedChartName()
	}
	if out.Was != "" {
		chart += " in " + out.Was + " state"
	}
	switch {
	case out.Done.Action == release.Correct:
		return corrected(name, out)
	case out.Done.Err != nil:
		return fmt.Sprintf(m.undone, name, chart, strings.TrimSpace(out.Done.Err.Error()))
	case out.Left != nil && len(out.Done.Written) == 0:
		return fmt.Sprintf("Release %s was not found, assuming it is uninstalled", name)
	case out.Done.Action == release.Test:
		chart += ": " + tests(of)
	}
	return fmt.Sprintf(m.done, name, chart)
}

// corrected tells what became of drift.
func corrected(name string, out *ReleaseOutcome) string {
	changes := strings.Join(out.Corrected, "\n")
	switch err := out.Done.Err; {
	case err == nil:
		return fmt.Sprintf("Cluster state of release %s has been corrected:\n%s", name, changes)
	case changes == "":
		return fmt.Sprintf("Failed to correct cluster state of release %s:\n%s", name, err)
	default:
		return fmt.Sprintf("Failed to partially correct cluster state of release %s:\n%s\n\nSuccessful corrections:\n%s", name, err, changes)
	}
}

// awaitTests marks a release that was just made as one whose tests are to come.
func awaitTests(h *unit.HelmRelease, action release.Action, of *v2.Snapshot, conds *conditions) {
	if made := action == release.Install || action == release.Upgrade; made && h.GetTest().Enable && !of.HasBeenTested() {
		conds.unknown(TestSuccess, ReasonAwaitingTests, fmt.Sprintf("Helm release %s with chart %s is awaiting tests", of.FullReleaseName(), of.VersionedChartName()))
	}
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

// subject returns the release that an outcome is told of; nil for one of which the
// history knows nothing.
func subject(h *unit.HelmRelease, out *ReleaseOutcome, next *v2.HelmReleaseStatus) *v2.Snapshot {
	switch a := out.Done.Action; {
	case out.Left != nil:
		return out.Left
	case a == release.Rollback:
		return next.History.Previous(h.GetUpgrade().GetRemediation().MustIgnoreTestFailures(h.GetTest().IgnoreFailures))
	case a == release.Unlock && len(out.Done.Written) > 0:
		return release.Snapshot(out.Done.Written[0], "", "")
	case out.Done.Err != nil && (a == release.Install || a == release.Upgrade):
		return nil
	}
	return next.History.Latest()
}

// releaseMeta is the metadata of an event on a release; of nil, on what was attempted.
func releaseMeta(run HelmReleaseRun, of *v2.Snapshot) map[string]string {
	out := run.Outcome
	revision, token, app, oci := out.Chart.Version, out.Config, run.AppVersion, out.Chart.OCIDigest
	if of != nil {
		revision, app, oci = of.ChartVersion, of.AppVersion, of.OCIDigest
		if out.Done.Action != release.Rollback {
			token = of.ConfigDigest
		}
	}
	return metadata(revision, token, app, oci)
}

func metadata(revision, token, app, oci string) map[string]string {
	meta := map[string]string{}
	for key, value := range map[string]string{"revision": revision, "token": token, "app-version": app, "oci-digest": oci} {
		if value != "" {
			meta[key] = value
		}
	}
	return meta
}
