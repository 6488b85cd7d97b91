package helmtest

import (
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/helm"
)

// TestInstallLooksAtNothing: four objects that do not exist cost a request each,
// and storage that was observed is not read again.
func TestInstallLooksAtNothing(t *testing.T) { everywhere(t, testInstallLooksAtNothing) }

func testInstallLooksAtNothing(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/a.yaml": configMap("a", "1"), "templates/b.yaml": configMap("b", "1"),
		"templates/c.yaml": configMap("c", "1"), "templates/d.yaml": configMap("d", "1"),
	}))
	s.driver.Observe(s.ctx, helm.PlaceOf(s.job.Object)) // discovery is the cluster's, not the release's
	s.job.Stored = []*relv1.Release{}
	out, err := s.driver.Install(s.ctx, s.job)
	s.must(out, err)
	if got, want := out.Requests, int64(4+2); got != want {
		t.Errorf("the install made %d requests, want %d: an apply for each object, and the release twice", got, want)
	}
	if len(out.Stored) != 1 || out.Stored[0].Version != 1 {
		t.Fatalf("storage is told to hold %v", out.Stored)
	}
	s.wantStored("1:deployed")
	s.job.Stored, s.job.Values = out.Stored, map[string]any{"x": "y"}
	out, err = s.driver.Upgrade(s.ctx, s.job)
	s.must(out, err)
	s.wantStored("1:superseded 2:deployed")
	if got, want := out.Requests, int64(4*2+3); got != want {
		t.Errorf("the upgrade made %d requests, want %d: a look and an apply for each object, and the releases three times", got, want)
	}
}

// TestStoredThatIsWrong: an install that is told that there is nothing does no
// harm to what there is.
func TestStoredThatIsWrong(t *testing.T) { everywhere(t, testStoredThatIsWrong) }

func testStoredThatIsWrong(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "1")}))
	s.must(s.driver.Install(s.ctx, s.job))
	s.job.Stored = []*relv1.Release{}
	s.job.Chart = chartOf("2.0.0", map[string]string{"templates/a.yaml": configMap("a", "2")})
	if _, err := s.driver.Install(s.ctx, s.job); err == nil {
		t.Error("the release was installed over another")
	}
	s.wantStored("1:deployed")
	if got := s.value("a"); got != "1" {
		t.Errorf("a holds %q, want 1", got)
	}
}

// TestInstallTakesOver: of what exists, fields that others applied are taken,
// and fields that Helm wrote before it applied go when the chart has them no
// more.
func TestInstallTakesOver(t *testing.T) { everywhere(t, testInstallTakesOver) }

func testInstallTakesOver(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{
		"templates/a.yaml": configMap("theirs", "ours"), "templates/b.yaml": configMap("ours", "new"), "templates/c.yaml": configMap("none", "new"),
	}))
	maps := s.kube.CoreV1().ConfigMaps(s.ns)
	theirs := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"theirs"},"data":{"k":"theirs","more":"stays"}}`
	force := true
	if _, err := maps.Patch(s.ctx, "theirs", types.ApplyPatchType, []byte(theirs), metav1.PatchOptions{FieldManager: "kubectl", Force: &force}); err != nil {
		t.Fatal(err)
	}
	ours := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "ours"}, Data: map[string]string{"k": "old", "more": "goes"}}
	if _, err := maps.Create(s.ctx, ours, metav1.CreateOptions{FieldManager: "helm-controller"}); err != nil {
		t.Fatal(err)
	}
	out, err := s.driver.Install(s.ctx, s.job)
	s.must(out, err)
	s.wantStored("1:deployed")
	for name, want := range map[string]map[string]string{
		"theirs": {"k": "ours", "more": "stays"}, "ours": {"k": "new"}, "none": {"k": "new"},
	} {
		got, err := maps.Get(s.ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Data) != len(want) || got.Data["k"] != want["k"] || got.Data["more"] != want["more"] {
			t.Errorf("%s holds %v, want %v", name, got.Data, want)
		}
	}
}

// TestInstallTakesOverWithoutConflict: what Helm wrote before it applied is
// taken over also where nobody else has a say.
func TestInstallTakesOverWithoutConflict(t *testing.T) {
	everywhere(t, testInstallTakesOverWithoutConflict)
}

func testInstallTakesOverWithoutConflict(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/b.yaml": configMap("ours", "new")}))
	maps := s.kube.CoreV1().ConfigMaps(s.ns)
	ours := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "ours"}, Data: map[string]string{"k": "old", "more": "goes"}}
	if _, err := maps.Create(s.ctx, ours, metav1.CreateOptions{FieldManager: "helm-controller"}); err != nil {
		t.Fatal(err)
	}
	out, err := s.driver.Install(s.ctx, s.job)
	s.must(out, err)
	got, err := maps.Get(s.ctx, "ours", metav1.GetOptions{})
	if err != nil || len(got.Data) != 1 || got.Data["k"] != "new" {
		t.Errorf("it holds %v, %v; want only what the chart says", got.Data, err)
	}
}

// TestWhatGoesIsMadeAnew: an apply to an object that is being deleted succeeds, and the
// object goes all the same; a release has it in the end, also one that waits for nothing.
func TestWhatGoesIsMadeAnew(t *testing.T) {
	s := newStand(t, server, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", "new"), "templates/b.yaml": configMap("b", "new")}))
	s.job.Object.Spec.Install, s.job.Object.Spec.Upgrade = &v2.Install{DisableWait: true}, &v2.Upgrade{DisableWait: true}
	maps := s.kube.CoreV1().ConfigMaps(s.ns)
	leave := func() (gone func()) {
		holding := `{"metadata":{"finalizers":["example.org/hold"]}}`
		if _, err := maps.Patch(s.ctx, "a", types.MergePatchType, []byte(holding), metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
			t.Fatal(err)
		}
		if err := maps.Delete(s.ctx, "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		// Its finalizer is taken away as soon as the release has been applied to it.
		w, err := maps.Watch(s.ctx, metav1.ListOptions{FieldSelector: "metadata.name=b"})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			defer w.Stop()
			<-w.ResultChan() // what there was
			<-w.ResultChan()
			_, err := maps.Patch(s.ctx, "a", types.JSONPatchType, []byte(`[{"op":"remove","path":"/metadata/finalizers"}]`), metav1.PatchOptions{})
			done <- err
		}()
		return func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	wantNew := func(value string) {
		t.Helper()
		got, err := maps.Get(s.ctx, "a", metav1.GetOptions{})
		if err != nil || got.DeletionTimestamp != nil || got.Data["k"] != value {
			t.Errorf("got %v, %v; want it anew with %s", got, err, value)
		}
	}
	for _, name := range []string{"a", "b"} {
		if _, err := maps.Create(s.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{FieldManager: "somebody"}); err != nil {
			t.Fatal(err)
		}
	}
	gone := leave()
	s.must(s.driver.Install(s.ctx, s.job))
	gone()
	wantNew("new")
	s.job.Chart = chartOf("1.1.0", map[string]string{"templates/a.yaml": configMap("a", "newer"), "templates/b.yaml": configMap("b", "newer")})
	gone = leave()
	s.must(s.driver.Upgrade(s.ctx, s.job))
	gone()
	wantNew("newer")
	s.wantStored("1:superseded 2:deployed")
}
