package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/unit"
)

// snapshot is of a version of the release; each has a chart of its own version.
func snapshot(version int, status string) *v2.Snapshot {
	return &v2.Snapshot{
		Name: "web", Namespace: "apps", Version: version, Status: status, ChartName: "demo",
		ChartVersion: fmt.Sprintf("1.%d.0", version), AppVersion: fmt.Sprintf("v%d", version), ConfigDigest: fmt.Sprintf("sha256:%d", version),
	}
}

// madeOf is a release in Helm's storage.
func madeOf(version int, status rcommon.Status) []*relv1.Release {
	return []*relv1.Release{{
		Name: "web", Namespace: "apps", Version: version, Info: &relv1.Info{Status: status},
		Chart: &chart.Chart{Metadata: &chart.Metadata{Name: "demo", Version: fmt.Sprintf("1.%d.0", version)}},
	}}
}

// What is said of an outcome are the words of helm-controller v1.6.4
// (internal/reconcile/*.go), and its event names the release that it is about.
func TestReleaseOutcomesAsFlux(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name                   string
		history                v2.Snapshots
		out                    ReleaseOutcome
		condition, event, meta string
	}{
		{"installed", v2.Snapshots{snapshot(1, "deployed")}, ReleaseOutcome{Done: release.Done{Action: release.Install, Written: madeOf(1, "deployed")}, Notes: []string{"note"}},
			"Released True InstallSucceeded: Helm install succeeded for release apps/web.v1 with chart demo@1.1.0",
			"Normal InstallSucceeded: Helm install succeeded for release apps/web.v1 with chart demo@1.1.0\nnote", "1.1.0 sha256:1 v1"},
		{"not installed", v2.Snapshots{snapshot(1, "failed")}, ReleaseOutcome{Done: release.Done{Action: release.Install, Err: boom}, Log: "line"},
			"Released False InstallFailed: Helm install failed for release apps/web with chart demo@9.0.0: boom",
			"Warning InstallFailed: Helm install failed for release apps/web with chart demo@9.0.0: boom\n\nLast Helm logs:\n\nline", "9.0.0 sha256:c v9"},
		{"upgraded", v2.Snapshots{snapshot(2, "deployed"), snapshot(1, "superseded")}, ReleaseOutcome{Done: release.Done{Action: release.Upgrade, Written: madeOf(2, "deployed")}},
			"Released True UpgradeSucceeded: Helm upgrade succeeded for release apps/web.v2 with chart demo@1.2.0",
			"Normal UpgradeSucceeded: Helm upgrade succeeded for release apps/web.v2 with chart demo@1.2.0", "1.2.0 sha256:2 v2"},
		{"tested", v2.Snapshots{snapshot(1, "deployed")}, ReleaseOutcome{Done: release.Done{Action: release.Test, Written: madeOf(1, "deployed")}},
			"TestSuccess True TestSucceeded: Helm test succeeded for release apps/web.v1 with chart demo@1.1.0: no test hooks",
			"Normal TestSucceeded: Helm test succeeded for release apps/web.v1 with chart demo@1.1.0: no test hooks", "1.1.0 sha256:1 v1"},
		{"rolled back", v2.Snapshots{snapshot(3, "deployed"), snapshot(2, "failed"), snapshot(1, "superseded")},
			ReleaseOutcome{Done: release.Done{Action: release.Rollback, Written: madeOf(3, "deployed")}},
			"Remediated True RollbackSucceeded: Helm rollback to previous release apps/web.v1 with chart demo@1.1.0 succeeded",
			"Normal RollbackSucceeded: Helm rollback to previous release apps/web.v1 with chart demo@1.1.0 succeeded", "1.1.0 sha256:c v1"},
		{"not rolled back", v2.Snapshots{snapshot(2, "failed"), snapshot(1, "deployed")}, ReleaseOutcome{Done: release.Done{Action: release.Rollback, Err: boom}},
			"Remediated False RollbackFailed: Helm rollback to previous release apps/web.v1 with chart demo@1.1.0 failed: boom",
			"Warning RollbackFailed: Helm rollback to previous release apps/web.v1 with chart demo@1.1.0 failed: boom", "1.1.0 sha256:c v1"},
		{"uninstalled as a remedy", v2.Snapshots{snapshot(1, "uninstalled")}, ReleaseOutcome{Done: release.Done{Action: release.Uninstall, Written: madeOf(1, "uninstalled")}},
			"Remediated True UninstallSucceeded: Helm uninstall remediation for release apps/web.v1 with chart demo@1.1.0 succeeded",
			"Normal UninstallSucceeded: Helm uninstall remediation for release apps/web.v1 with chart demo@1.1.0 succeeded", "1.1.0 sha256:1 v1"},
		{"moved", nil, ReleaseOutcome{Done: release.Done{Action: release.Uninstall, Written: madeOf(4, "uninstalled")}, Left: snapshot(4, "deployed")},
			"Released False UninstallSucceeded: Helm uninstall succeeded for release apps/web.v4 with chart demo@1.4.0",
			"Normal UninstallSucceeded: Helm uninstall succeeded for release apps/web.v4 with chart demo@1.4.0", "1.4.0 sha256:4 v4"},
		{"moved, and gone before", nil, ReleaseOutcome{Done: release.Done{Action: release.Uninstall}, Left: snapshot(4, "deployed")},
			"Released False UninstallSucceeded: Release apps/web.v4 was not found, assuming it is uninstalled", "", ""},
		{"moved, and not uninstalled", v2.Snapshots{snapshot(4, "deployed")}, ReleaseOutcome{Done: release.Done{Action: release.Uninstall, Err: boom}, Left: snapshot(4, "deployed")},
			"Released False UninstallFailed: Helm uninstall failed for release apps/web.v4 with chart demo@1.4.0: boom",
			"Warning UninstallFailed: Helm uninstall failed for release apps/web.v4 with chart demo@1.4.0: boom", "1.4.0 sha256:4 v4"},
		{"unlocked", nil, ReleaseOutcome{Done: release.Done{Action: release.Unlock, Written: madeOf(7, "failed")}, Was: "pending-upgrade"},
			"Released False PendingRelease: Unlocked Helm release apps/web.v7 with chart demo@1.7.0 in pending-upgrade state",
			"Normal PendingRelease: Unlocked Helm release apps/web.v7 with chart demo@1.7.0 in pending-upgrade state", "1.7.0 " + release.ConfigDigest(nil)},
		{"not unlocked", v2.Snapshots{snapshot(1, "deployed")}, ReleaseOutcome{Done: release.Done{Action: release.Unlock, Err: boom}, Was: "pending-upgrade"},
			"Released False PendingRelease: Unlock of Helm release apps/web.v1 with chart demo@1.1.0 in pending-upgrade state failed: boom",
			"Warning PendingRelease: Unlock of Helm release apps/web.v1 with chart demo@1.1.0 in pending-upgrade state failed: boom", "1.1.0 sha256:1 v1"},
		{"corrected", v2.Snapshots{snapshot(1, "deployed")}, ReleaseOutcome{Done: release.Done{Action: release.Correct}, Corrected: []string{"x created", "y configured"}},
			"", "Normal DriftCorrected: Cluster state of release apps/web.v1 has been corrected:\nx created\ny configured", "1.1.0 sha256:1 v1"},
		{"corrected in part", v2.Snapshots{snapshot(1, "deployed")}, ReleaseOutcome{Done: release.Done{Action: release.Correct, Err: boom}, Corrected: []string{"x created"}},
			"", "Warning DriftCorrectionFailed: Failed to partially correct cluster state of release apps/web.v1:\nboom\n\nSuccessful corrections:\nx created", "1.1.0 sha256:1 v1"},
		{"not corrected", v2.Snapshots{snapshot(1, "deployed")}, ReleaseOutcome{Done: release.Done{Action: release.Correct, Err: boom}},
			"", "Warning DriftCorrectionFailed: Failed to correct cluster state of release apps/web.v1:\nboom", "1.1.0 sha256:1 v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &unit.HelmRelease{}
			h.Name, h.Namespace, h.Generation = "web", "apps", 1
			c.out.Chart, c.out.Config = release.Chart{Name: "demo", Version: "9.0.0"}, "sha256:c"
			next := &v2.HelmReleaseStatus{History: c.history}
			conds := edit(nil, 1, time.Now())
			event, meta := "", ""
			for _, e := range outcome(h, HelmReleaseRun{Outcome: &c.out, AppVersion: "v9"}, next, conds) {
				event = map[bool]string{true: "Warning", false: "Normal"}[e.Warning] + " " + e.Reason + ": " + e.Message
				meta = strings.TrimSpace(strings.Join([]string{e.Metadata["revision"], e.Metadata["token"], e.Metadata["app-version"]}, " "))
			}
			condition := ""
			for _, k := range conds.list {
				condition = fmt.Sprintf("%s %s %s: %s", k.Type, k.Status, k.Reason, k.Message)
			}
			if condition != c.condition || event != c.event || meta != c.meta {
				t.Errorf("got\n%s\n%s\n%s\nwant\n%s\n%s\n%s", condition, event, meta, c.condition, c.event, c.meta)
			}
		})
	}
}

// standsAs is how Ready, Released and Stalled stand after a run.
func standsAs(conditions []metav1.Condition, run HelmReleaseRun) string {
	h := &unit.HelmRelease{}
	h.Name, h.Namespace, h.Generation, h.Status.Conditions = "web", "apps", 1, conditions
	run.Status.History = v2.Snapshots{snapshot(2, "failed"), snapshot(1, "deployed")}
	rep := HelmRelease(h, run, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	list, _ := rep.Status["conditions"].([]any)
	var out []string
	for _, one := range list {
		c := one.(map[string]any)
		out = append(out, fmt.Sprintf("%s=%s/%s", c["type"], c["status"], c["reason"]))
	}
	return strings.Join(out, " ")
}

// A release that failed can come to rest: its rollback target is gone, another upgrade
// failed. It is not told as one that succeeded.
func TestReleaseThatRestsFailed(t *testing.T) {
	failed := []metav1.Condition{{Type: Released, Status: "False", Reason: ReasonUpgradeFailed, Message: "m"}}
	for state, want := range map[release.State]string{
		release.StateFailed:    "Ready=False/UpgradeFailed Released=False/UpgradeFailed",
		release.StateOutOfSync: "Ready=False/UpgradeFailed Released=False/UpgradeFailed",
		release.StateInSync:    "Ready=True/UpgradeSucceeded Released=True/UpgradeSucceeded",
	} {
		if got := standsAs(failed, HelmReleaseRun{Settled: true, State: state}); got != want {
			t.Errorf("%s: got %s, want %s", state, got, want)
		}
	}
}

// An uninstallation that was the remedy of a failure leaves Ready telling of the failure,
// also where it failed itself; a rollback is what Ready tells.
func TestReadyAfterARemedy(t *testing.T) {
	failed := []metav1.Condition{{Type: Released, Status: "False", Reason: ReasonInstallFailed, Message: "m"}}
	run := func(a release.Action, err error) HelmReleaseRun {
		out := HelmReleaseRun{Outcome: &ReleaseOutcome{Done: release.Done{Action: a, Err: err}, Fruitless: err != nil}}
		if err != nil {
			out.Err = Retry(ReasonOf(a, err), err)
		}
		return out
	}
	const again = "Reconciling=True/ProgressingWithRetry Ready=False/%s Released=False/InstallFailed Remediated=%s/%s"
	for _, c := range []struct {
		run  HelmReleaseRun
		want string
	}{
		{run(release.Uninstall, nil), fmt.Sprintf(again, "InstallFailed", "True", "UninstallSucceeded")},
		{run(release.Uninstall, errors.New("boom")), fmt.Sprintf(again, "InstallFailed", "False", "UninstallFailed")},
		{run(release.Rollback, nil), fmt.Sprintf(again, "RollbackSucceeded", "True", "RollbackSucceeded")},
		{run(release.Rollback, errors.New("boom")), fmt.Sprintf(again, "RollbackFailed", "False", "RollbackFailed")},
	} {
		if got := standsAs(failed, c.run); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// What does not come right is tried again with growing pauses, also where no attempt
// counts as a failure: a correction of drift that is refused.
func TestRoundsGrowApart(t *testing.T) {
	h := &unit.HelmRelease{}
	h.Name, h.Namespace, h.Generation = "web", "apps", 1
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for rounds, want := range map[int]time.Duration{1: 750 * time.Millisecond, 3: 3 * time.Second, 99: 15 * time.Minute} {
		if got := HelmRelease(h, HelmReleaseRun{Again: true, Rounds: rounds}, now).Next.Sub(now); got != want {
			t.Errorf("after %d: got %s, want %s", rounds, got, want)
		}
	}
}
