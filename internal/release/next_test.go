package release

import (
	"crypto/sha512"
	"fmt"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// made returns a stored release of chart demo.
func made(version int, status rcommon.Status, chartVersion string, values map[string]any) *relv1.Release {
	return &relv1.Release{
		Name: "web", Namespace: "apps", Version: version, Config: values, Manifest: fmt.Sprint("manifest of ", version),
		Info:  &relv1.Info{Status: status, FirstDeployed: time.Unix(1, 0).UTC()},
		Chart: &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: "demo", Version: chartVersion}},
	}
}

// world is a release before a decision; change what differs.
type world struct {
	hr     *v2.HelmRelease
	stored []*relv1.Release
	old    []byte // post renderers of old versions
	req    Request
}

// inSync returns a release of two versions, both known, the last one deployed,
// and nothing to do.
func inSync() *world {
	w := &world{hr: &v2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "apps", Generation: 3}}}
	w.stored = []*relv1.Release{made(1, rcommon.StatusSuperseded, "1.0.0", nil), made(2, rcommon.StatusDeployed, "1.1.0", nil)}
	w.hr.Status = v2.HelmReleaseStatus{ObservedGeneration: 3, LastAttemptedGeneration: 3, StorageNamespace: "apps", LastAttemptedRevision: "1.1.0", LastAttemptedConfigDigest: ConfigDigest(nil)}
	w.req = Request{Chart: Chart{Name: "demo", Version: "1.1.0"}, Config: ConfigDigest(nil)}
	w.known()
	return w
}

// known makes the history that of what is stored.
func (w *world) known() {
	w.hr.Status.History = nil
	for _, rel := range w.stored {
		w.hr.Status.History = append(v2.Snapshots{Snapshot(rel, "", "")}, w.hr.Status.History...)
	}
}

func (w *world) request() Request {
	w.req.Object, w.req.Stored, w.req.Rendering = w.hr, w.stored, RenderingOf(w.hr, w.old)
	return w.req
}

func (w *world) annotate(force, reset bool) {
	w.hr.Annotations = map[string]string{"reconcile.fluxcd.io/requestedAt": "now"}
	if force {
		w.hr.Annotations["reconcile.fluxcd.io/forceAt"] = "now"
	}
	if reset {
		w.hr.Annotations["reconcile.fluxcd.io/resetAt"] = "now"
	}
}

// failedUpgrade makes the newest version one that failed, for the n-th time.
func (w *world) failedUpgrade(n int64, remediation *v2.UpgradeRemediation) {
	w.stored[0].Info.Status, w.stored[1].Info.Status = rcommon.StatusDeployed, rcommon.StatusFailed
	w.hr.Spec.Upgrade = &v2.Upgrade{Remediation: remediation}
	w.hr.Status.LastAttemptedReleaseAction, w.hr.Status.UpgradeFailures = v2.ReleaseActionUpgrade, n
	w.known()
}

// pending makes the newest version one that is pending for a while, in the sight of an
// engine that began an hour ago.
func (w *world) pending(since time.Duration) {
	w.req.Now = time.Unix(100000, 0)
	w.req.Began = w.req.Now.Add(-time.Hour)
	w.stored[1].Info.Status, w.stored[1].Info.LastDeployed = rcommon.StatusPendingUpgrade, w.req.Now.Add(-since)
}

// sha512 makes the newest snapshot one of Flux with --snapshot-digest-algo=sha512.
func (w *world) sha512() {
	snap := w.hr.Status.History[0]
	snap.Digest = fmt.Sprintf("sha512:%x", sha512.Sum512(encoded(observe(w.stored[1], ""))))
	snap.ConfigDigest = fmt.Sprintf("sha512:%x", sha512.Sum512(nil))
}

func (w *world) tested(phase string) {
	w.hr.Spec.Test = &v2.Test{Enable: true}
	w.hr.Status.LastAttemptedReleaseAction = v2.ReleaseActionUpgrade
	w.hr.Status.History[0].SetTestHooks(map[string]*v2.TestHookStatus{"t": {Phase: phase}})
}

var retryOn = &v2.UpgradeStrategy{Name: "RetryOnFailure"}

// transitions is the table of flux-v2.md 2.4, line by line.
var transitions = []struct {
	name   string
	change func(*world)
	state  State
	action Action
	end    End
	stall  string
}{
	{"nothing in storage", func(w *world) { w.stored, w.hr.Status.History = nil, nil }, StateAbsent, Install, Settled, ""},
	{"gone from storage, though known", func(w *world) { w.stored = nil }, StateAbsent, Install, Settled, ""},
	{"uninstalled, known", func(w *world) { w.stored[1].Info.Status = rcommon.StatusUninstalled; w.known() }, StateAbsent, Install, Settled, ""},
	{"uninstalled, unknown", func(w *world) { w.stored[1].Info.Status = rcommon.StatusUninstalled; w.hr.Status.History = nil }, StateAbsent, Install, Settled, ""},
	{"absent, install retries used up", func(w *world) { w.stored = nil; w.hr.Status.InstallFailures = 1 }, StateAbsent, None, Stalled, RetriesExceeded},
	{"absent, one retry left", func(w *world) {
		w.stored, w.hr.Status.InstallFailures = nil, 1
		w.hr.Spec.Install = &v2.Install{Remediation: &v2.InstallRemediation{Retries: 1}}
	}, StateAbsent, Install, Settled, ""},
	{"absent, retries without end", func(w *world) {
		w.stored, w.hr.Status.InstallFailures = nil, 100
		w.hr.Spec.Install = &v2.Install{Remediation: &v2.InstallRemediation{Retries: -1}}
	}, StateAbsent, Install, Settled, ""},
	{"absent, used up, forced", func(w *world) { w.stored = nil; w.hr.Status.InstallFailures = 1; w.annotate(true, false) }, StateAbsent, Install, Settled, ""},

	{"pending-install", func(w *world) { w.stored[1].Info.Status = rcommon.StatusPendingInstall }, StateLocked, Unlock, Settled, ""},
	{"pending-upgrade, unknown", func(w *world) {
		w.stored[1].Info.Status = rcommon.StatusPendingUpgrade
		w.hr.Status.History = nil
	}, StateLocked, Unlock, Settled, ""},
	{"pending-rollback", func(w *world) { w.stored[1].Info.Status = rcommon.StatusPendingRollback }, StateLocked, Unlock, Settled, ""},
	{"pending by somebody else", func(w *world) { w.pending(time.Minute) }, StateLocked, None, Later, ""},
	{"being uninstalled by somebody else", func(w *world) {
		w.pending(time.Minute)
		w.stored[1].Info.Status, w.stored[1].Info.Deleted = rcommon.StatusUninstalling, w.stored[1].Info.LastDeployed
	}, StateLocked, None, Later, ""},
	{"pending by somebody else, for too long", func(w *world) { w.pending(6 * time.Minute) }, StateLocked, Unlock, Settled, ""},
	{"pending by somebody whose clock is ahead", func(w *world) { w.pending(-time.Minute) }, StateLocked, None, Later, ""},
	{"pending from a time that is far ahead", func(w *world) { w.pending(-time.Hour) }, StateLocked, Unlock, Settled, ""},
	{"pending by somebody else, and asked for", func(w *world) { w.pending(time.Minute); w.annotate(false, false) }, StateLocked, Unlock, Settled, ""},
	{"pending by ourselves", func(w *world) { w.pending(time.Minute); w.req.Own = 2 }, StateLocked, Unlock, Settled, ""},
	{"pending since before we began", func(w *world) { w.pending(time.Minute); w.req.Began = w.req.Now }, StateLocked, Unlock, Settled, ""},
	{"uninstalled by somebody, history kept", func(w *world) { w.stored[1].Info.Status = rcommon.StatusUninstalled }, StateAbsent, Install, Settled, ""},
	{"killed while uninstalling", func(w *world) { w.stored[1].Info.Status = rcommon.StatusUninstalling }, StateLocked, Unlock, Settled, ""},
	{"killed between two writes", func(w *world) { w.stored[1].Info.Status = rcommon.StatusSuperseded }, StateLocked, Unlock, Settled, ""},

	{"never seen", func(w *world) { w.hr.Status.History = nil }, StateUnmanaged, Upgrade, Settled, ""},
	{"changed by somebody", func(w *world) { w.stored[1].Manifest = "other" }, StateUnmanaged, Upgrade, Settled, ""},
	{"another version by somebody", func(w *world) { w.stored = append(w.stored, made(3, rcommon.StatusDeployed, "1.1.0", nil)) }, StateUnmanaged, Upgrade, Settled, ""},
	{"snapshot that cannot be read", func(w *world) { w.hr.Status.History[0].Digest = "x" }, StateUnmanaged, Upgrade, Settled, ""},
	{"snapshot of before Helm 4 is trusted", func(w *world) { w.hr.Status.History[0].Digest, w.hr.Status.History[0].APIVersion = "x", "" }, StateInSync, None, Settled, ""},

	{"digests of another algorithm", func(w *world) { w.sha512() }, StateInSync, None, Settled, ""},
	{"digests of another algorithm, changed by somebody", func(w *world) { w.sha512(); w.stored[1].Manifest = "other" }, StateUnmanaged, Upgrade, Settled, ""},
	{"digests of another algorithm, other values", func(w *world) { w.sha512(); w.req.Config = ConfigDigest(map[string]any{"a": 1}) }, StateOutOfSync, Upgrade, Settled, ""},

	{"another chart version", func(w *world) { w.req.Chart.Version = "1.2.0" }, StateOutOfSync, Upgrade, Settled, ""},
	{"another chart, updated in place", func(w *world) { w.req.Chart.Name = "other" }, StateOutOfSync, Upgrade, Settled, ""},
	{"other values", func(w *world) { w.req.Config = ConfigDigest(map[string]any{"a": 1}) }, StateOutOfSync, Upgrade, Settled, ""},
	{"other post renderers, new generation", func(w *world) {
		w.hr.Generation, w.hr.Spec.PostRenderers = 4, []v2.PostRenderer{{Kustomize: &v2.Kustomize{Images: []kustomize.Image{{Name: "a"}}}}}
	}, StateOutOfSync, Upgrade, Settled, ""},
	{"other post renderers of an old version, new generation", func(w *world) { w.hr.Generation, w.old = 4, []byte(`[{"patchesStrategicMerge":[{}]}]`) }, StateOutOfSync, Upgrade, Settled, ""},
	{"other post renderers, same generation", func(w *world) { w.hr.Spec.PostRenderers = []v2.PostRenderer{{}} }, StateInSync, None, Settled, ""},
	{"other common metadata, new generation", func(w *world) { w.hr.Generation, w.hr.Spec.CommonMetadata = 4, &v2.CommonMetadata{} }, StateOutOfSync, Upgrade, Settled, ""},
	{"out of sync, upgrade retries used up", func(w *world) { w.req.Chart.Version = "1.2.0"; w.hr.Status.UpgradeFailures = 1 }, StateOutOfSync, None, Stalled, RetriesExceeded},
	{"out of sync, used up, forced", func(w *world) {
		w.req.Chart.Version, w.hr.Status.UpgradeFailures = "1.2.0", 1
		w.annotate(true, false)
	}, StateOutOfSync, Upgrade, Settled, ""},

	{"tests not run", func(w *world) { w.hr.Spec.Test = &v2.Test{Enable: true} }, StateUntested, Test, Settled, ""},
	{"tests passed", func(w *world) { w.tested("Succeeded") }, StateInSync, None, Settled, ""},
	{"no tests selected", func(w *world) {
		w.hr.Spec.Test = &v2.Test{Enable: true}
		w.hr.Status.History[0].SetTestHooks(map[string]*v2.TestHookStatus{})
	}, StateInSync, None, Settled, ""},
	{"test failed, nothing counted yet", func(w *world) { w.tested("Failed") }, StateFailed, Upgrade, Settled, ""},
	{"test failed, counted", func(w *world) {
		w.tested("Failed")
		w.hr.Status.UpgradeFailures = 1
		w.hr.Spec.Upgrade = &v2.Upgrade{Remediation: &v2.UpgradeRemediation{Retries: 1}}
	}, StateFailed, Rollback, Settled, ""},
	{"test failed, ignored", func(w *world) { w.tested("Failed"); w.hr.Spec.Test.IgnoreFailures = true }, StateInSync, None, Settled, ""},
	{"test failed, ignored by the remediation", func(w *world) {
		w.tested("Failed")
		w.hr.Spec.Upgrade = &v2.Upgrade{Remediation: &v2.UpgradeRemediation{IgnoreTestFailures: ptr.To(true)}}
	}, StateInSync, None, Settled, ""},

	{"drift wanted, not looked", func(w *world) { w.hr.Spec.DriftDetection = &v2.DriftDetection{Mode: v2.DriftDetectionEnabled} }, StateUnsure, Diff, Settled, ""},
	{"drift, corrected", func(w *world) {
		w.hr.Spec.DriftDetection, w.req.Drift = &v2.DriftDetection{Mode: v2.DriftDetectionEnabled}, Drifted
	}, StateDrifted, Correct, Settled, ""},
	{"drift, told only", func(w *world) {
		w.hr.Spec.DriftDetection, w.req.Drift = &v2.DriftDetection{Mode: v2.DriftDetectionWarn}, Drifted
	}, StateDrifted, None, Settled, ""},
	{"no drift", func(w *world) {
		w.hr.Spec.DriftDetection, w.req.Drift = &v2.DriftDetection{Mode: v2.DriftDetectionEnabled}, NoDrift
	}, StateInSync, None, Settled, ""},

	{"failed, strategy retry", func(w *world) { w.failedUpgrade(5, nil); w.hr.Spec.Upgrade.Strategy = retryOn }, StateFailed, Upgrade, Settled, ""},
	{"failed, retry by default", func(w *world) { w.failedUpgrade(5, nil); w.req.RetryByDefault = true }, StateFailed, Upgrade, Settled, ""},
	{"failed, nobody knows how", func(w *world) { w.failedUpgrade(5, nil); w.hr.Status.LastAttemptedReleaseAction = "" }, StateFailed, Upgrade, Settled, ""},
	{"failed, inputs changed since", func(w *world) { w.failedUpgrade(0, nil) }, StateFailed, Upgrade, Settled, ""},
	{"failed, forced", func(w *world) { w.failedUpgrade(1, nil); w.annotate(true, false) }, StateFailed, Upgrade, Settled, ""},
	{"failed, used up", func(w *world) { w.failedUpgrade(1, nil) }, StateFailed, None, Stalled, RetriesExceeded},
	{"failed, used up, last one remediated", func(w *world) { w.failedUpgrade(1, &v2.UpgradeRemediation{RemediateLastFailure: ptr.To(true)}) }, StateFailed, Rollback, Settled, ""},
	{"failed, retries left", func(w *world) { w.failedUpgrade(1, &v2.UpgradeRemediation{Retries: 2}) }, StateFailed, Rollback, Settled, ""},
	{"failed, used up, retries remediate the last", func(w *world) { w.failedUpgrade(3, &v2.UpgradeRemediation{Retries: 2}) }, StateFailed, Rollback, Settled, ""},
	{"failed, remediated by uninstall", func(w *world) {
		w.failedUpgrade(1, &v2.UpgradeRemediation{Retries: 1, Strategy: ptr.To(v2.UninstallRemediationStrategy)})
	}, StateFailed, Uninstall, Settled, ""},
	{"failed install", func(w *world) {
		w.stored = []*relv1.Release{made(1, rcommon.StatusFailed, "1.1.0", nil)}
		w.hr.Status.LastAttemptedReleaseAction, w.hr.Status.InstallFailures = v2.ReleaseActionInstall, 1
		w.hr.Spec.Install = &v2.Install{Remediation: &v2.InstallRemediation{Retries: 1}}
		w.known()
	}, StateFailed, Uninstall, Settled, ""},
	{"failed, nowhere to go back", func(w *world) {
		w.failedUpgrade(1, &v2.UpgradeRemediation{Retries: 1})
		w.hr.Status.History = w.hr.Status.History[:1]
	}, StateFailed, None, Stalled, MissingRollbackTarget},
	{"failed, target changed by somebody", func(w *world) {
		w.failedUpgrade(1, &v2.UpgradeRemediation{Retries: 1})
		w.stored[0].Manifest = "other"
	}, StateFailed, Upgrade, Settled, ""},
	{"failed, target gone from storage", func(w *world) {
		w.failedUpgrade(1, &v2.UpgradeRemediation{Retries: 1})
		w.stored = w.stored[1:]
	}, StateFailed, Upgrade, Settled, ""},

	{"in sync", func(*world) {}, StateInSync, None, Settled, ""},
	{"in sync, forced", func(w *world) { w.annotate(true, false) }, StateInSync, Upgrade, Settled, ""},
	{"in sync, forced while an action went on", func(w *world) { w.annotate(true, false); w.hr.Status.LastHandledReconcileAt = "now" }, StateInSync, Upgrade, Settled, ""},
	{"in sync, force handled before", func(w *world) { w.annotate(true, false); w.hr.Status.LastHandledForceAt = "now" }, StateInSync, None, Settled, ""},
	{"in sync, force without request", func(w *world) {
		w.annotate(true, false)
		w.hr.Annotations["reconcile.fluxcd.io/requestedAt"] = "other"
	}, StateInSync, None, Settled, ""},

	{"out of sync after a release in this run", func(w *world) { w.req.Chart.Version = "1.2.0"; w.req.Done = []Action{Install} }, StateOutOfSync, None, Again, ""},
	{"failed after a release, retried later", func(w *world) {
		w.failedUpgrade(1, nil)
		w.hr.Spec.Upgrade.Strategy, w.req.Done = retryOn, []Action{Upgrade}
	}, StateFailed, None, Later, ""},
	{"after a rollback, retries left", func(w *world) {
		w.failedUpgrade(1, &v2.UpgradeRemediation{Retries: 2})
		w.req.Done = []Action{Upgrade, Rollback}
	}, StateFailed, None, Again, ""},
	{"after a rollback, used up", func(w *world) {
		w.failedUpgrade(3, &v2.UpgradeRemediation{Retries: 2})
		w.req.Done = []Action{Upgrade, Rollback}
	}, StateFailed, None, Stalled, RetriesExceeded},
	{"after an uninstall that upgrade asked for, used up", func(w *world) {
		w.failedUpgrade(3, &v2.UpgradeRemediation{Retries: 2, Strategy: ptr.To(v2.UninstallRemediationStrategy)})
		w.req.Done = []Action{Upgrade, Uninstall}
	}, StateFailed, None, Again, ""},
}

func TestNext(t *testing.T) {
	for _, tc := range transitions {
		t.Run(tc.name, func(t *testing.T) {
			w := inSync()
			tc.change(w)
			req := w.request()
			before := toJSON(t, req.Object)
			got := Next(req)
			if got.State != tc.state || got.Action != tc.action || got.End != tc.end || got.Stall != tc.stall {
				t.Errorf("got %s (%s): %q, end %d, stalled %q\nwant %s: %q, end %d, stalled %q",
					got.State, got.Why, got.Action, got.End, got.Stall, tc.state, tc.action, tc.end, tc.stall)
			}
			if got.End == Stalled && got.Changes == "" {
				t.Error("a stalled release does not say what would change it")
			}
			if after := toJSON(t, req.Object); after != before {
				t.Errorf("Next changed its argument:\n%s\n%s", before, after)
			}
		})
	}
}

func TestForceIsKeptUntilItActs(t *testing.T) {
	w := inSync()
	w.annotate(true, false)
	w.hr.Spec.DriftDetection = &v2.DriftDetection{Mode: v2.DriftDetectionEnabled}
	first := Next(w.request())
	w.hr.Status, w.req.Drift = first.Status, NoDrift
	second := Next(w.request())
	if first.Action != Diff || second.Action != Upgrade || !second.Forced {
		t.Errorf("got %q, then %q, forced %v", first.Action, second.Action, second.Forced)
	}
	w.hr.Status = second.Status
	if third := Next(w.request()); third.Action != None {
		t.Errorf("forced twice: %q", third.Action)
	}
}

func TestBegin(t *testing.T) {
	for _, tc := range []struct {
		name         string
		change       func(*world)
		moved, reset string
	}{
		{"as before", func(*world) {}, "", ""},
		{"another generation", func(w *world) { w.hr.Generation = 4 }, "", "generation differs from last attempt"},
		{"another chart version", func(w *world) { w.req.Chart.Version = "9" }, "", "chart version differs from last attempt"},
		{"another chart digest", func(w *world) { w.req.Chart.OCIDigest = "sha256:1" }, "", "chart digest differs from last attempt"},
		{"the same chart digest as Flux writes it for some tags", func(w *world) {
			w.req.Chart.OCIDigest, w.hr.Status.LastAttemptedRevisionDigest = "sha256:1", "latest@sha256:1"
		}, "", ""},
		{"other values", func(w *world) { w.req.Config = ConfigDigest(map[string]any{"a": 1}) }, "", "values differ from last attempt"},
		{"values of another algorithm", func(w *world) { w.hr.Status.LastAttemptedConfigDigest = "sha512:1" }, "", ""},
		{"reset asked", func(w *world) { w.annotate(false, true) }, "", "reset requested through annotation"},
		{"reset asked while an action went on", func(w *world) { w.annotate(false, true); w.hr.Status.LastHandledReconcileAt = "now" }, "", "reset requested through annotation"},
		{"reset asked and handled", func(w *world) { w.annotate(false, true); w.hr.Status.LastHandledResetAt = "now" }, "", ""},
		{"storage namespace", func(w *world) { w.hr.Spec.StorageNamespace = "other" }, "storage namespace", ""},
		{"target namespace", func(w *world) { w.hr.Spec.TargetNamespace, w.hr.Spec.ReleaseName = "other", "web" }, "release namespace", ""},
		{"release name", func(w *world) { w.hr.Spec.ReleaseName = "other" }, "release name", ""},
		{"chart name", func(w *world) { w.req.Chart.Name = "other" }, "chart name", ""},
		{"chart name, in place", func(w *world) {
			w.req.Chart.Name = "other"
			w.hr.Spec.Upgrade = &v2.Upgrade{ChartNameChangeStrategy: v2.ChartNameChangeStrategyInPlaceUpdate}
		}, "", ""},
		{"nothing made yet", func(w *world) { w.hr.Status.History = nil; w.hr.Spec.ReleaseName = "other" }, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := inSync()
			w.hr.Status.UpgradeFailures, w.hr.Status.InstallFailures, w.hr.Status.Failures = 2, 3, 5
			tc.change(w)
			got := Begin(w.request())
			if got.Moved != tc.moved || got.Reset != tc.reset {
				t.Errorf("got moved %q, reset %q; want %q, %q", got.Moved, got.Reset, tc.moved, tc.reset)
			}
			if cleared := got.Status.Failures == 0 && got.Status.UpgradeFailures == 0 && got.Status.InstallFailures == 0; cleared != (tc.reset != "") {
				t.Errorf("counters cleared: %v", cleared)
			}
			if s := got.Status; tc.moved == "" && (s.LastAttemptedRevision != w.req.Chart.Version || s.LastAttemptedConfigDigest != w.req.Config ||
				s.LastAttemptedRevisionDigest != w.req.Chart.OCIDigest || s.LastAttemptedGeneration != w.hr.Generation || s.StorageNamespace != "apps") {
				t.Errorf("what is attempted is not written down: %+v", s)
			}
		})
	}
}

// Whatever input changes, a release whose retries are used up is tried again.
func TestStallEndsWithAnyInput(t *testing.T) {
	for name, change := range map[string]func(*world){
		"spec":    func(w *world) { w.hr.Generation++ },
		"chart":   func(w *world) { w.req.Chart.Version = "1.1.1" },
		"digest":  func(w *world) { w.req.Chart.OCIDigest = "sha256:2" },
		"values":  func(w *world) { w.req.Config = ConfigDigest(map[string]any{"x": 1}) },
		"resetAt": func(w *world) { w.annotate(false, true) },
		"forceAt": func(w *world) { w.annotate(true, false) },
	} {
		w := inSync()
		w.failedUpgrade(1, nil)
		if d := Next(w.request()); d.End != Stalled {
			t.Fatalf("not stalled: %+v", d)
		}
		change(w)
		w.hr.Status = Begin(w.request()).Status
		if d := Next(w.request()); d.Action != Upgrade {
			t.Errorf("%s changed: %s, %q, %q", name, d.State, d.Action, d.Stall)
		}
	}
}

func TestHistoryIsCut(t *testing.T) {
	w := inSync()
	w.stored = nil
	for v := 1; v <= 9; v++ {
		status := rcommon.StatusFailed
		if v == 4 {
			status = rcommon.StatusSuperseded
		}
		if v == 9 {
			status = rcommon.StatusDeployed
		}
		w.stored = append(w.stored, made(v, status, "1.1.0", nil))
	}
	w.known()
	if got := Next(w.request()).Status.History; len(got) != 6 || got[5].Version != 4 {
		t.Errorf("history goes back to version %d of %d entries, want 4 of 6", got[len(got)-1].Version, len(got))
	}
	w.req.RetryByDefault, w.hr.Status.LastAttemptedReleaseAction = true, v2.ReleaseActionUpgrade
	if got := Next(w.request()).Status.History; len(got) != 5 {
		t.Errorf("with strategy retry the history has %d entries, want 5", len(got))
	}
}
