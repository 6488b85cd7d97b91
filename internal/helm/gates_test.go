package helm

import (
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	helmkube "helm.sh/helm/v4/pkg/kube"
)

func TestStrategyOf(t *testing.T) {
	named := func(name v2.WaitStrategyName) *v2.WaitStrategy { return &v2.WaitStrategy{Name: name} }
	for _, c := range []struct {
		asked *v2.WaitStrategy
		off   bool
		gates Gates
		want  helmkube.WaitStrategy
	}{
		{nil, false, Gates{}, helmkube.StatusWatcherStrategy},
		{nil, false, Gates{Helm3Defaults: true}, helmkube.LegacyStrategy},
		{named(v2.WaitStrategyPoller), false, Gates{Helm3Defaults: true}, helmkube.StatusWatcherStrategy},
		{named(v2.WaitStrategyLegacy), false, Gates{}, helmkube.LegacyStrategy},
		{named(v2.WaitStrategyLegacy), true, Gates{Helm3Defaults: true}, helmkube.HookOnlyStrategy},
	} {
		r := &run{job: Job{Object: &v2.HelmRelease{Spec: v2.HelmReleaseSpec{WaitStrategy: c.asked}}, Gates: c.gates}}
		if got := r.strategyOf(&v2.Upgrade{DisableWait: c.off}); got != c.want {
			t.Errorf("%v, disabled %t, %+v: got %s, want %s", c.asked, c.off, c.gates, got, c.want)
		}
	}
}

// A child asks the name server only where the gate allows it.
func TestDNSLookupsInAChild(t *testing.T) {
	pool := children(t)
	for _, allowed := range []bool{false, true} {
		r := testRun(chartOf(map[string]string{"templates/a.yaml": `at {{ getHostByName "localhost" }}`}), pool)
		r.job.Gates.DNS = allowed
		files, err := rendered(r, r.rendering(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range files {
			if got := strings.TrimPrefix(text, "at ") != ""; got != allowed {
				t.Errorf("with %t: got %q", allowed, text)
			}
		}
		if r.guard.remote == nil {
			t.Error("it was rendered in this process")
		}
	}
}
