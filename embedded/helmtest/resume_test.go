package helmtest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/action"
	helmkube "helm.sh/helm/v4/pkg/kube"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
)

// waiting is a Health that nobody ever makes ready; it tells when it was asked.
type waiting struct{ asked chan []object.Ref }

func (w waiting) Health(_ context.Context, ask helm.Ask) (helm.Verdict, <-chan struct{}, error) {
	w.asked <- ask.Objects
	return helm.Verdict{Message: "waiting"}, nil, nil
}

func TestCancelledRunIsResumed(t *testing.T) {
	s := newStand(t, server, web("1.0.0"))
	ctx, cancel := context.WithCancel(s.ctx)
	w := waiting{make(chan []object.Ref, 1)}
	s.job.Health = w
	done := make(chan error)
	var out helm.Outcome
	go func() {
		var err error
		out, err = s.driver.Install(ctx, s.job)
		done <- err
	}()
	if asked := <-w.asked; len(asked) != 2 { // Deployment and Service
		t.Errorf("asked for the health of %v", asked)
	}
	cancel()
	err := <-done
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the cancelled install ended with %v", err)
	}
	s.wantStored("1:failed")
	s.job.Object.Status = release.Begin(s.request()).Status
	rec := release.Record(s.request(), release.Done{Action: release.Install, Written: out.Written, Err: err})
	if rec.Status.InstallFailures != 0 || rec.Fruitless {
		t.Errorf("a cancelled install counts: %d failures, fruitless %v", rec.Status.InstallFailures, rec.Fruitless)
	}
	s.job.Object.Status, s.job.Health = rec.Status, nil
	if did, last := s.converge(); words(did) != "upgrade" || last.State != release.StateInSync {
		t.Errorf("did %q, ended as %s: %s", words(did), last.State, last.Why)
	}
}

// pend makes the newest release look as a process leaves it that is killed.
func (s *stand) pend(version int, status rcommon.Status) {
	s.Helper()
	stored := storage.Init(driver.NewSecrets(s.kube.CoreV1().Secrets(s.ns)))
	got, err := stored.Get("demo", version)
	if err != nil {
		s.Fatal(err)
	}
	rel := got.(*relv1.Release)
	rel.Info.Status = status
	if err := stored.Update(rel); err != nil {
		s.Fatal(err)
	}
}

func TestKilledInstallIsResumed(t *testing.T) { everywhere(t, testKilledInstallIsResumed) }

func testKilledInstallIsResumed(t *testing.T, on place) {
	s := newStand(t, on, web("1.0.0"))
	s.must(s.driver.Install(s.ctx, s.job))
	s.pend(1, rcommon.StatusPendingInstall) // and the status was never written
	if did, last := s.converge(); words(did) != "unlock upgrade" || last.State != release.StateInSync {
		t.Errorf("did %q, ended as %s: %s", words(did), last.State, last.Why)
	}
	s.wantStored("1:superseded 2:deployed")
}

func TestKilledUpgradeIsResumedAndStillHasWhereToGoBack(t *testing.T) {
	everywhere(t, testKilledUpgradeIsResumedAndStillHasWhereToGoBack)
}

func testKilledUpgradeIsResumedAndStillHasWhereToGoBack(t *testing.T, on place) {
	s := newStand(t, on, web("1.0.0"))
	if did, _ := s.converge(); words(did) != "install" {
		t.Fatalf("did %q", words(did))
	}
	s.job.Chart = web("1.1.0")
	before := s.job.Object.DeepCopy()
	s.must(s.driver.Upgrade(s.ctx, s.job))
	s.pend(2, rcommon.StatusPendingUpgrade)
	s.pend(1, rcommon.StatusDeployed)
	s.job.Object = before // as the killed process left it
	did, last := s.converge()
	if words(did) != "unlock upgrade" || last.State != release.StateInSync {
		t.Errorf("did %q, ended as %s: %s", words(did), last.State, last.Why)
	}
	if prev := s.job.Object.Status.History.Previous(false); prev == nil || prev.Version != 1 {
		t.Errorf("the release before the killed upgrade is forgotten: %v", prev)
	}
}

func TestKilledUninstallIsUnlocked(t *testing.T) { everywhere(t, testKilledUninstallIsUnlocked) }

func testKilledUninstallIsUnlocked(t *testing.T, on place) {
	s := newStand(t, on, web("1.0.0"))
	s.converge()
	s.pend(1, rcommon.StatusUninstalling)
	if did, last := s.converge(); words(did) != "unlock upgrade" || last.State != release.StateInSync {
		t.Errorf("did %q, ended as %s: %s", words(did), last.State, last.Why)
	}
}

// A release made by the Helm SDK, as the helm command does, is taken over.
func TestTakesOverFromHelm(t *testing.T) {
	s := newStand(t, server, web("1.0.0"))
	conf := action.NewConfiguration()
	flags := genericclioptions.NewConfigFlags(true)
	path := kubetest.Shared(t).Kubeconfig
	flags.KubeConfig, flags.Namespace = &path, &s.ns
	if err := conf.Init(flags, s.ns, "secret"); err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(conf)
	install.ReleaseName, install.Namespace, install.WaitStrategy = "demo", s.ns, helmkube.HookOnlyStrategy
	if _, err := install.Run(web("1.0.0"), nil); err != nil {
		t.Fatal(err)
	}
	if did, last := s.converge(); words(did) != "upgrade" || last.State != release.StateInSync {
		t.Errorf("did %q, ended as %s", words(did), last.State)
	}
	if did, _ := s.converge(); words(did) != "" {
		t.Errorf("the second run did %q", words(did))
	}
	// And back: helm sees what it knows.
	list, err := action.NewList(conf).Run()
	if err != nil || len(list) != 1 {
		t.Fatalf("helm lists %d releases: %v", len(list), err)
	}
	history, err := action.NewHistory(conf).Run("demo")
	if err != nil || len(history) != 2 {
		t.Errorf("helm history has %d entries: %v", len(history), err)
	}
}

func TestRollbackAfterAFailedUpgrade(t *testing.T) {
	s := newStand(t, server, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1")}))
	s.job.Object.Spec.Upgrade = &v2.Upgrade{Remediation: &v2.UpgradeRemediation{Retries: 1}}
	s.converge()
	s.job.Chart = chartOf("1.1.0", map[string]string{"templates/a.yaml": configMap("a", "2"), "templates/bad.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: [{port: 99999}]}\n"})
	did, last := s.converge()
	if words(did) != "upgrade rollback" || last.End != release.Again {
		t.Errorf("did %q, end %v", words(did), last.End)
	}
	if got := s.value("a"); got != "1" {
		t.Errorf("after the rollback the value is %q", got)
	}
	did, last = s.converge()
	if words(did) != "upgrade rollback" || last.Stall != release.RetriesExceeded {
		t.Errorf("did %q, stalled %q", words(did), last.Stall)
	}
	if did, last = s.converge(); words(did) != "" || last.Stall != release.RetriesExceeded || !strings.Contains(last.Changes, "values") {
		t.Errorf("did %q, stalled %q, changes %q", words(did), last.Stall, last.Changes)
	}
	s.job.Chart = chartOf("1.1.1", map[string]string{"templates/a.yaml": configMap("a", "3")})
	if did, last = s.converge(); words(did) != "upgrade" || last.State != release.StateInSync {
		t.Errorf("a new version ends the stall: did %q, %s %s", words(did), last.State, last.Stall)
	}
}
