package helmtest

import (
	"fmt"
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

// A port of a Service whose number somebody changed: ours beside it would have
// the same name, which the API refuses.
func TestItemsWhoseKeySomebodyChanged(t *testing.T) {
	service := func(ports string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [" + ports + "]}\n"
	}
	const both = "{name: http, port: 80}, {name: admin, port: 90}"
	s := newStand(t, server, chartOf("1.0.0", map[string]string{"templates/a.yaml": service(both)}))
	s.must(s.driver.Install(s.ctx, s.job))
	for name, patch := range map[string]string{
		"another number":   `[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]`,
		"numbers swapped":  `[{"op": "replace", "path": "/spec/ports/0/port", "value": 90}, {"op": "replace", "path": "/spec/ports/1/port", "value": 80}]`,
		"another protocol": `[{"op": "replace", "path": "/spec/ports/0/protocol", "value": "UDP"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.kube.CoreV1().Services(s.ns).Patch(s.ctx, "web", types.JSONPatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
				t.Fatal(err)
			}
			drift, got := s.drift()
			if !strings.Contains(got, "Service/web /spec/ports") {
				t.Errorf("drift is %q, want one of the ports", got)
			}
			if _, err := s.driver.Correct(s.ctx, s.job, drift); err != nil {
				t.Fatal(err)
			}
			s.wantDrift("")
			s.wantPorts("http:80 admin:90")
		})
	}
	s.job.Chart = chartOf("1.1.0", map[string]string{"templates/a.yaml": service("{name: http, port: 80}")})
	s.must(s.driver.Upgrade(s.ctx, s.job)) // what was put back is ours: it goes with the manifest
	s.wantPorts("http:80")
}

func (s *stand) wantPorts(want string) {
	s.Helper()
	svc, err := s.kube.CoreV1().Services(s.ns).Get(s.ctx, "web", metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	var words []string
	for _, p := range svc.Spec.Ports {
		words = append(words, fmt.Sprintf("%s:%d", p.Name, p.Port))
	}
	if got := strings.Join(words, " "); got != want {
		s.Errorf("ports: got %s, want %s", got, want)
	}
}
