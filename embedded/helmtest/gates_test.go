package helmtest

import (
	"net"
	"slices"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/helm"
)

// The feature gate UseHelm3Defaults: objects are applied on the client's side, and
// hooks are not post-rendered, unless the spec says so.
func TestHelm3Defaults(t *testing.T) { everywhere(t, testHelm3Defaults) }

func testHelm3Defaults(t *testing.T, on place) {
	templates := map[string]string{"templates/a.yaml": configMap("a", "1"), "templates/b.yaml": hook("b", "pre-install", "0", "")}
	yes := true
	for name, c := range map[string]struct {
		gates  helm.Gates
		spec   v2.HelmReleaseSpec
		method string
		hook   string
	}{
		"off":                    {helm.Gates{}, v2.HelmReleaseSpec{}, "ssa", "patched"},
		"on":                     {helm.Gates{Helm3Defaults: true}, v2.HelmReleaseSpec{}, "csa", "1"},
		"on, the spec says else": {helm.Gates{Helm3Defaults: true}, v2.HelmReleaseSpec{Install: &v2.Install{ServerSideApply: &yes}, PostRenderStrategy: v2.PostRenderStrategyCombined}, "ssa", "patched"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, on, chartOf("1.0.0", templates))
			c.spec.Timeout = s.job.Object.Spec.Timeout
			c.spec.PostRenderers = []v2.PostRenderer{{Kustomize: &v2.Kustomize{
				Patches: []kustomize.Patch{{Patch: "- {op: replace, path: /data/k, value: patched}", Target: &kustomize.Selector{Kind: "ConfigMap"}}},
			}}}
			s.job.Object.Spec, s.job.Gates = c.spec, c.gates
			rel := s.must(s.driver.Install(s.ctx, s.job))
			if rel.ApplyMethod != c.method {
				t.Errorf("apply method: got %q, want %q", rel.ApplyMethod, c.method)
			}
			if got := s.value("b"); got != c.hook {
				t.Errorf("the hook holds %q, want %q", got, c.hook)
			}
			if got := s.value("a"); got != "patched" {
				t.Errorf("the object holds %q, want patched", got)
			}
		})
	}
}

// The feature gate AllowDNSLookups: templates may ask the name server.
func TestDNSLookups(t *testing.T) { everywhere(t, testDNSLookups) }

func testDNSLookups(t *testing.T, on place) {
	known, err := net.DefaultResolver.LookupHost(t.Context(), "localhost")
	if err != nil {
		t.Skip("localhost has no address here")
	}
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", `at {{ getHostByName "localhost" }}`)}))
	s.must(s.driver.Install(s.ctx, s.job))
	if got := s.value("a"); got != "at " {
		t.Errorf("without the gate: got %q", got)
	}
	s.job.Gates.DNS = true
	s.must(s.driver.Upgrade(s.ctx, s.job))
	if got := s.value("a"); !slices.ContainsFunc(known, func(a string) bool { return got == "at "+a }) {
		t.Errorf("with the gate: got %q, want one of %q", got, known)
	}
}

// Fields of managers that are overridden become ours, so that what they added is
// drift; those of others are left.
func TestOverriddenManagers(t *testing.T) { everywhere(t, testOverriddenManagers) }

func testOverriddenManagers(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1")}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.edit("a", `{"data": {"extra": "theirs"}}`) // as somebody
	s.wantDrift("")
	s.job.Overrides = []string{"nobody", "some"}
	drift := s.wantDrift("ConfigMap/a /data/extra")
	if _, err := s.driver.Correct(s.ctx, s.job, drift); err != nil {
		t.Fatal(err)
	}
	s.wantDrift("")
	a, err := s.kube.CoreV1().ConfigMaps(s.ns).Get(s.ctx, "a", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Data) != 1 || a.Data["k"] != "1" {
		t.Errorf("a holds %v", a.Data)
	}
	for _, e := range a.ManagedFields {
		if e.Manager != "helm-controller" {
			t.Errorf("%s owns fields still", e.Manager)
		}
	}
}
