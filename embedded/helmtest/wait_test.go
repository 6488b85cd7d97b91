package helmtest

import (
	"strings"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/cel"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/release"
)

// never returns a Deployment that does not become ready.
func never(more string) *chart.Chart {
	return chartOf("1.0.0", map[string]string{"templates/a.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  ` + more + `
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {leat.dev/simulate: fail}}
    spec: {containers: [{name: web, image: example.org/web:1}]}
`})
}

func TestWaitEndsWithTheTimeout(t *testing.T) {
	for _, strategy := range []v2.WaitStrategyName{v2.WaitStrategyPoller, v2.WaitStrategyLegacy} {
		s := newStand(t, server, never("replicas: 1"))
		s.job.Object.Spec.Timeout = &metav1.Duration{Duration: time.Second}
		s.job.Object.Spec.WaitStrategy = &v2.WaitStrategy{Name: strategy}
		_, err := s.driver.Install(s.ctx, s.job)
		if s.wantError(err); strategy == v2.WaitStrategyPoller {
			s.wantError(err, "timeout waiting for: [Deployment/"+s.ns+"/web status: 'InProgress': ")
		}
		s.wantStored("1:failed")
	}
}

func TestWaitIsNotForAll(t *testing.T) {
	paused := newStand(t, server, never("paused: true"))
	paused.must(paused.driver.Install(paused.ctx, paused.job))
	s := newStand(t, server, never("replicas: 1"))
	s.job.Object.Spec.Install = &v2.Install{DisableWait: true}
	s.must(s.driver.Install(s.ctx, s.job))
	jobs := newStand(t, server, chartOf("1.0.0", map[string]string{"templates/a.yaml": strings.Replace(job("slow", "x", "fail"), "annotations: {helm.sh/hook: \"x\"}", "annotations: {}", 1)}))
	jobs.job.Object.Spec.Install = &v2.Install{DisableWaitForJobs: true}
	jobs.must(jobs.driver.Install(jobs.ctx, jobs.job))
}

func TestWaitFailsFast(t *testing.T) {
	templates := map[string]string{"templates/a.yaml": strings.Replace(job("bad", "x", "job-exit-1"), "annotations: {helm.sh/hook: \"x\"}", "annotations: {}", 1)}
	templates["templates/b.yaml"] = string(never("replicas: 1").Templates[0].Data)
	s := newStand(t, server, chartOf("1.0.0", templates))
	_, err := s.driver.Install(s.ctx, s.job)
	s.wantError(err, "failed early due to stalled resources", "Job/"+s.ns+"/bad status: 'Failed'")
}

func TestWaitAsksTheUsersExpressions(t *testing.T) {
	s := newStand(t, server, web("1.0.0"))
	var err error
	s.job.Custom, err = cel.ParseHealth([]cel.HealthCheck{{APIVersion: "v1", Kind: "ConfigMap", Failed: "data.k == 'red'", Current: "data.k == 'blue'"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.driver.Install(s.ctx, s.job)
	s.wantError(err, "ConfigMap/"+s.ns+"/web status: 'Failed'")
	s.job.Values = map[string]any{"color": "blue"}
	s.must(s.driver.Upgrade(s.ctx, s.job))
	s.wantStored("1:superseded 2:deployed")
}

// The target moves: the old release goes from where it was, the new one comes.
func TestTargetNamespaceMoves(t *testing.T) { everywhere(t, testTargetNamespaceMoves) }

func testTargetNamespaceMoves(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1")}))
	s.job.Object.Spec.ReleaseName = "demo"
	s.converge()
	s.job.Object.Spec.TargetNamespace = s.ns + "-target"
	s.job.Object.Generation++
	begun := release.Begin(s.request())
	if begun.Moved != "release namespace" {
		t.Fatalf("moved: %q", begun.Moved)
	}
	out, err := s.driver.Uninstall(s.ctx, s.job, helm.Place{StorageNamespace: begun.Status.StorageNamespace, Name: "demo"})
	s.must(out, err)
	if got := s.value("a"); got != "" {
		t.Errorf("the object of the old release is still there: %q", got)
	}
	s.job.Object.Status = release.Removed(s.request(), release.Done{Written: out.Written})
	_, err = s.driver.Install(s.ctx, s.job)
	s.wantError(err, "not found")
	s.job.Object.Spec.Install = &v2.Install{CreateNamespace: true}
	s.job.Object.Status.History = nil
	if _, err := s.driver.Uninstall(s.ctx, s.job, helm.PlaceOf(s.job.Object)); err != nil {
		t.Fatal(err)
	}
	if did, last := s.converge(); words(did) != "install" || last.State != release.StateInSync {
		t.Errorf("did %q, ended as %s", words(did), last.State)
	}
	if _, err := s.kube.CoreV1().ConfigMaps(s.ns+"-target").Get(s.ctx, "a", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	s.wantStored("1:deployed") // in the object's own namespace
}

func TestClientSideApply(t *testing.T) { everywhere(t, testClientSideApply) }

func testClientSideApply(t *testing.T, on place) {
	off := false
	s := newStand(t, on, web("1.0.0"))
	s.job.Object.Spec.Install = &v2.Install{ServerSideApply: &off}
	if rel := s.must(s.driver.Install(s.ctx, s.job)); rel.ApplyMethod != "csa" {
		t.Errorf("installed with %q", rel.ApplyMethod)
	}
	s.job.Chart = web("1.1.0")
	if rel := s.must(s.driver.Upgrade(s.ctx, s.job)); rel.ApplyMethod != "csa" {
		t.Errorf("auto upgraded with %q", rel.ApplyMethod)
	}
	s.job.Object.Spec.Upgrade = &v2.Upgrade{ServerSideApply: v2.ServerSideApplyEnabled}
	s.job.Chart = web("1.2.0")
	if rel := s.must(s.driver.Upgrade(s.ctx, s.job)); rel.ApplyMethod != "ssa" {
		t.Errorf("upgraded with %q", rel.ApplyMethod)
	}
	s.wantStored("1:superseded 2:superseded 3:deployed")
}

func TestHistoryInStorageIsBounded(t *testing.T) { everywhere(t, testHistoryInStorageIsBounded) }

func testHistoryInStorageIsBounded(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1")}))
	two := 2
	s.job.Object.Spec.MaxHistory = &two
	s.must(s.driver.Install(s.ctx, s.job))
	for range 3 {
		s.must(s.driver.Upgrade(s.ctx, s.job))
	}
	s.wantStored("3:superseded 4:deployed")
}
