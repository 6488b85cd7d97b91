package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/action"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	releases "github.com/leat-dev/leat/internal/release"
)

// A release that helm made is upgraded once, as Flux does.
func TestReleaseOfHelmIsTakenOver(t *testing.T) {
	s := up(t)
	s.installAsHelm("web", chartOf("0.1.0"))
	s.commit(chartOf("0.1.0"))
	uid := s.get("ConfigMap/a").GetUID()
	s.apply(source, helmRelease("web", fixed))
	h := s.released("web", 2)
	if c := cond(h, "Ready"); c.Reason != "UpgradeSucceeded" {
		t.Errorf("Ready: got %+v", c)
	}
	if s.get("ConfigMap/a").GetUID() != uid {
		t.Error("the object was made anew")
	}
	s.wantKept("web", "1:superseded 2:deployed")
	list, err := action.NewList(s.helm()).Run()
	s.must(err)
	if len(list) != 1 {
		t.Errorf("helm lists %d releases", len(list))
	}
}

// A HelmRelease as Flux left it, with the release in Helm's storage, is in sync:
// nothing is upgraded, and what Leat writes down is what Flux wrote.
func TestReleaseOfFluxIsInSync(t *testing.T) {
	s := up(t)
	s.commit(chartOf("0.1.0"))
	s.apply(source, helmRelease("web", fixed, "values: {color: blue}"))
	left := s.released("web", 1)
	s.idle()
	s.stop()
	// As Flux leaves it: the same, found by an engine that remembers nothing.
	data, err := yaml.Marshal(map[string]any{"status": left.Status})
	s.must(err)
	s.setStatus("HelmRelease/web", string(data))
	before := s.get("ConfigMap/a").GetResourceVersion()
	s.start()
	s.settled()
	s.idle()
	s.wantKept("web", "1:deployed")
	if got := s.get("ConfigMap/a").GetResourceVersion(); got != before {
		t.Error("the object was written")
	}
	now := s.releaseNow("web")
	if got, want := text(t, now.Status), text(t, left.Status); got != want {
		t.Errorf("status: got %s, want %s", got, want)
	}
	stored, err := storage.Init(driver.NewSecrets(s.kube().CoreV1().Secrets(s.ns))).Get("web", 1)
	s.must(err)
	if got, want := releases.Snapshot(stored.(*relv1.Release), "", "").Digest, now.Status.History.Latest().Digest; got != want {
		t.Errorf("digest of what is stored: %s, in the history %s", got, want)
	}
}

func (s *stand) kube() *kubernetes.Clientset {
	s.Helper()
	return kubernetes.NewForConfigOrDie(kubetest.Shared(s.T).Config)
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The engine ends while an action waits: the next one goes on, and nothing is
// left pending.
func TestActionIsInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		upgrade bool
		version int
	}{"an install": {false, 2}, "an upgrade": {true, 3}} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.commit(chartOf("0.1.0"))
			s.apply(source, helmRelease("web", fixed, "valuesFrom: [{kind: ConfigMap, name: values, optional: true}]"))
			if c.upgrade {
				s.released("web", 1)
				s.patch("HelmRelease/web", "spec: {values: {stuck: true}}")
			} else {
				s.patch("HelmRelease/web", "spec: {values: {stuck: true}}")
			}
			s.exists("Deployment/stuck")
			s.stop()
			if got := s.kept("web"); strings.Contains(got, "pending") {
				t.Errorf("left pending: %s", got)
			}
			s.start()
			s.patch("Deployment/stuck", "spec: {replicas: 0}")
			h := s.release("web", current)
			if f := h.Status; f.InstallFailures+f.UpgradeFailures != 0 {
				t.Errorf("an interruption counts as a failure: %+v", f)
			}
			s.data("ConfigMap/a", "red")
		})
	}
}

// The process is gone from one moment to the next: the release is pending in
// storage, and no status tells of it.
func TestProcessIsKilledDuringAnAction(t *testing.T) {
	for name, upgrade := range map[string]bool{"an install": false, "an upgrade": true} {
		t.Run(name, func(t *testing.T) {
			dead := &atomic.Bool{}
			s := up(t, dying(dead))
			s.commit(chartOf("0.1.0"))
			values := "values: {stuck: true}"
			if upgrade {
				values = "values: {}"
			}
			s.apply(source, helmRelease("web", fixed, values))
			if upgrade {
				s.released("web", 1)
				s.patch("HelmRelease/web", "spec: {values: {stuck: true}}")
			}
			s.exists("Deployment/stuck")
			dead.Store(true)
			s.stop()
			if got := s.kept("web"); !strings.Contains(got, "pending") {
				t.Fatalf("not pending: %s", got)
			}
			dead.Store(false)
			s.start()
			s.patch("Deployment/stuck", "spec: {replicas: 0}")
			h := s.release("web", current)
			if upgrade && h.Status.History.Previous(false) == nil {
				t.Errorf("what could be rolled back to is forgotten: %v", h.Status.History)
			}
			if got := s.kept("web"); strings.Contains(got, "pending") {
				t.Errorf("left pending: %s", got)
			}
			s.tells("web", "PendingRelease", "Unlocked Helm release $ns/web")
		})
	}
}

// dying lets no request through any more once dead is set.
func dying(dead *atomic.Bool) func(*app.Config) {
	return func(c *app.Config) {
		c.REST = rest.CopyConfig(c.REST)
		c.REST.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return trip(func(req *http.Request) (*http.Response, error) {
				if dead.Load() {
					return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
				}
				return next.RoundTrip(req)
			})
		})
	}
}

// Statuses are refused while releases are made, with conflicts or errors:
// nothing is lost, made twice, or counted twice.
func TestStatusOfAReleaseCannotBeWritten(t *testing.T) {
	g := &releaseGate{}
	s := up(t, g.through)
	s.commit(chartOf("0.1.0"))
	g.conflicts.Store(3)
	s.apply(source, helmRelease("web", fixed))
	s.released("web", 1)
	g.conflicts.Store(5)
	s.patch("HelmRelease/web", "spec: {values: {color: blue}}")
	h := s.released("web", 2)
	if len(h.Status.History) != 2 {
		t.Errorf("history: got %v", h.Status.History)
	}
	s.patch("HelmRelease/web", "spec: {upgrade: {remediation: {retries: 0}}}")
	s.release("web", current)
	g.conflicts.Store(5)
	s.patch("HelmRelease/web", "spec: {values: {broken: true}}")
	h = s.stalled("web", "RetriesExceeded", "Failed to upgrade after 1 attempt(s)")
	if h.Status.UpgradeFailures != 1 {
		t.Errorf("failures: got %+v", h.Status)
	}
	s.wantKept("web", "1:superseded 2:deployed 3:failed")
	s.idle()
	n := 0
	for _, e := range s.told("web") {
		n += strings.Count(e.Message, "Helm upgrade succeeded")
	}
	if n != 1 {
		t.Errorf("an upgrade was told %d times", n)
	}
}

// Somebody edits the object while an action is under way.
func TestReleaseIsEditedDuringAnAction(t *testing.T) {
	s := releasing(t, "values: {stuck: true}")
	s.exists("Deployment/stuck")
	s.patch("HelmRelease/web", "metadata: {labels: {team: red}}")
	s.patch("Deployment/stuck", "spec: {replicas: 0}")
	s.patch("HelmRelease/web", "metadata: {labels: {team: blue}}")
	s.released("web", 1)
	s.wantKept("web", "1:deployed")
}

// releaseGate refuses statuses of HelmReleases with 409.
type releaseGate struct{ conflicts atomic.Int64 }

func (g *releaseGate) through(c *app.Config) {
	c.REST = rest.CopyConfig(c.REST)
	c.REST.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return trip(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/status") && strings.Contains(req.URL.Path, "/helmreleases/") && g.conflicts.Add(-1) >= 0 {
				return &http.Response{StatusCode: 409, Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
					Body: http.NoBody}, nil
			}
			return next.RoundTrip(req)
		})
	})
}

// What changes where a release is, is an uninstallation and an installation.
func TestReleaseMoves(t *testing.T) {
	for name, c := range map[string]struct{ patch, gone string }{
		"its name":              {"releaseName: other", "web"},
		"its storage namespace": {"storageNamespace: $ns-b", "web"},
		"its target namespace":  {"targetNamespace: $ns-b, install: {createNamespace: true}", "web"},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: $ns-b}\n")
			t.Cleanup(func() { s.delete("Namespace/" + s.ns + "-b") })
			s.commit(files{"chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n", "chart/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"})
			s.apply(source, helmRelease("web", fixed))
			s.released("web", 1)
			uid := s.get("ConfigMap/a").GetUID()
			s.patch("HelmRelease/web", "spec: {"+c.patch+"}")
			h := s.release("web", func(h *v2.HelmRelease) bool { return current(h) && h.Status.LastAttemptedGeneration == h.Generation })
			if latest := h.Status.History.Latest(); latest.Version != 1 || len(h.Status.History) != 1 || latest.Action != "install" {
				t.Errorf("history: got %v", h.Status.History)
			}
			s.tells("web", "UninstallSucceeded", "Helm uninstall succeeded for release $ns/web.v1 with chart web@0.1.0")
			switch name {
			case "its name":
				s.wantKept("web", "release: not found")
				s.wantKept("other", "1:deployed")
			case "its storage namespace":
				s.wantKept("web", "release: not found")
			case "its target namespace":
				s.gone("ConfigMap/a")
				return
			}
			if s.get("ConfigMap/a").GetUID() == uid {
				t.Error("it was not uninstalled")
			}
		})
	}
	rename := files{"chart/Chart.yaml": "apiVersion: v2\nname: better\nversion: 0.1.0\n"}
	t.Run("the name of its chart", func(t *testing.T) {
		s := releasing(t, fixed)
		s.released("web", 1)
		uid := s.get("ConfigMap/a").GetUID()
		s.commit(rename)
		s.release("web", func(h *v2.HelmRelease) bool { return current(h) && h.Status.History.Latest().ChartName == "better" })
		s.wantKept("web", "1:deployed")
		if s.get("ConfigMap/a").GetUID() == uid {
			t.Error("it was not uninstalled")
		}
	})
	t.Run("the name of its chart, in place", func(t *testing.T) {
		s := releasing(t, fixed, "upgrade: {chartNameChangeStrategy: InPlaceUpdate}")
		s.released("web", 1)
		uid := s.get("ConfigMap/a").GetUID()
		s.commit(rename)
		s.released("web", 2)
		if s.get("ConfigMap/a").GetUID() != uid {
			t.Error("it was uninstalled")
		}
	})
}

// What somebody does with helm at the same time is let end: a release that is pending is
// unlocked where whoever began is gone, not under a command that goes on.
func TestHelmByHandIsLetEnd(t *testing.T) {
	t.Run("an upgrade", func(t *testing.T) {
		s := releasing(t, fixed)
		s.released("web", 1)
		kept := storage.Init(driver.NewSecrets(s.kube().CoreV1().Secrets(s.ns)))
		have, err := kept.Get("web", 1)
		s.must(err)
		next := *have.(*relv1.Release)
		info := *next.Info
		next.Version, next.Info = 2, &info
		info.Status, info.LastDeployed = rcommon.StatusPendingUpgrade, time.Now()
		s.must(kept.Create(&next))
		s.release("web", func(h *v2.HelmRelease) bool {
			return strings.Contains(cond(h, "Reconciling").Message, "is in state 'pending-upgrade', by somebody else") && cond(h, "Ready").Status == "True"
		})
		s.wantKept("web", "1:deployed 2:pending-upgrade")
		info.Status = rcommon.StatusDeployed
		s.must(kept.Update(&next))
		s.released("web", 3) // now it is put right
	})
	for name, keep := range map[string]bool{"an uninstallation": false, "an uninstallation that keeps the history": true} {
		t.Run(name, func(t *testing.T) {
			s := releasing(t, fixed)
			before := s.released("web", 1).Status.History.Latest().Digest
			uid := s.get("ConfigMap/a").GetUID()
			run := action.NewUninstall(s.helm())
			run.KeepHistory, run.WaitStrategy = keep, "hookOnly"
			_, err := run.Run("web")
			s.must(err)
			want := map[bool]int{false: 1, true: 2}[keep]
			s.release("web", func(h *v2.HelmRelease) bool {
				latest := h.Status.History.Latest()
				return current(h) && latest.Version == want && latest.Action == "install" && latest.Status == "deployed" && latest.Digest != before
			})
			if s.get("ConfigMap/a").GetUID() == uid {
				t.Error("it was not uninstalled")
			}
			for _, e := range s.told("web") {
				if e.Type == "Warning" || e.Reason == "PendingRelease" {
					t.Errorf("told %s: %s", e.Reason, e.Message)
				}
			}
		})
	}
}
