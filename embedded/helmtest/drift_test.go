package helmtest

import (
	"slices"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/release"
)

// drift says what differs, sorted: "ConfigMap/a missing", "ConfigMap/b /data/k".
func (s *stand) drift() (helm.Drift, string) {
	s.Helper()
	stored, err := s.driver.Observe(s.ctx, helm.PlaceOf(s.job.Object))
	if err != nil {
		s.Fatal(err)
	}
	drift, err := s.driver.Diff(s.ctx, s.job, stored[len(stored)-1])
	if err != nil {
		s.Fatal(err)
	}
	var words []string
	for _, o := range drift.Objects {
		if o.Missing {
			words = append(words, o.Ref.Kind+"/"+o.Ref.Name+" missing")
		}
		for _, c := range o.Changes {
			words = append(words, o.Ref.Kind+"/"+o.Ref.Name+" "+c.Path)
		}
	}
	slices.Sort(words)
	return drift, strings.Join(words, ", ")
}

func (s *stand) wantDrift(want string) helm.Drift {
	s.Helper()
	drift, got := s.drift()
	if got != want {
		s.Errorf("drift is %q, want %q", got, want)
	}
	return drift
}

func (s *stand) edit(name, patch string) {
	s.Helper()
	_, err := s.kube.CoreV1().ConfigMaps(s.ns).Patch(s.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		s.Fatal(err)
	}
}

func TestDriftIsFoundAndCorrected(t *testing.T) { everywhere(t, testDriftIsFoundAndCorrected) }

func testDriftIsFoundAndCorrected(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/a.yaml": configMap("a", "1"), "templates/b.yaml": configMap("b", "1"), "templates/c.yaml": configMap("c", "1"),
		"templates/hook.yaml": hook("h", "post-install", "0", ""),
	}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.wantDrift("")
	s.edit("a", `{"data":{"k":"other"}}`)
	s.edit("c", `{"metadata":{"labels":{"somebody":"else"}}}`) // is theirs
	for _, name := range []string{"b", "h"} {                  // a hook is no part of the release
		if err := s.kube.CoreV1().ConfigMaps(s.ns).Delete(s.ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	drift := s.wantDrift("ConfigMap/a /data/k, ConfigMap/b missing")
	done, err := s.driver.Correct(s.ctx, s.job, drift)
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Created) != 1 || len(done.Configured) != 1 || s.value("a")+s.value("b") != "11" {
		t.Errorf("corrected %v, a and b hold %q", done, s.value("a")+s.value("b"))
	}
	s.wantDrift("")
	s.wantStored("1:deployed")
	if did, last := s.converge(); words(did) != "upgrade" || last.State != release.StateInSync {
		t.Errorf("did %q, ended as %s", words(did), last.State) // the status of this test was never written
	}
}

func TestDriftThatIsIgnored(t *testing.T) { everywhere(t, testDriftThatIsIgnored) }

func testDriftThatIsIgnored(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1"), "templates/b.yaml": configMap("b", "1"), "templates/c.yaml": configMap("c", "1")}))
	s.must(s.driver.Install(s.ctx, s.job))
	for _, name := range []string{"a", "b", "c"} {
		s.edit(name, `{"data":{"k":"other"}}`)
	}
	s.edit("c", `{"metadata":{"annotations":{"helm.toolkit.fluxcd.io/driftDetection":"disabled"}}}`)
	s.job.Object.Spec.DriftDetection = &v2.DriftDetection{Ignore: []v2.IgnoreRule{
		{Paths: []string{"/data/k"}, Target: &kustomize.Selector{Kind: "ConfigMap", Name: "a"}},
	}}
	if drift := s.wantDrift("ConfigMap/b /data/k"); drift.Excluded != 1 {
		t.Errorf("%d objects are excluded, want c", drift.Excluded)
	}
	s.job.Object.Spec.DriftDetection.Ignore = []v2.IgnoreRule{{Paths: []string{""}}}
	if drift := s.wantDrift(""); drift.Excluded != 3 {
		t.Errorf("%d objects are excluded, want all", drift.Excluded)
	}
	s.job.Object.Spec.DriftDetection.Ignore = []v2.IgnoreRule{{Paths: []string{"/data/k"}, Target: &kustomize.Selector{Name: "a"}}}
	s.edit("a", `{"data":{"more":"x"}}`) // added by somebody: no drift, and k stays theirs
	drift := s.wantDrift("ConfigMap/b /data/k")
	if _, err := s.driver.Correct(s.ctx, s.job, drift); err != nil {
		t.Fatal(err)
	}
	if got := s.value("a") + s.value("b"); got != "other1" {
		t.Errorf("a and b hold %q", got)
	}
}
