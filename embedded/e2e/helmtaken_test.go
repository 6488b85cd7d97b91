package e2e

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/tree"
)

// standIn is the chart of which the releases in testdata/taken were made.
const standIn = "../fleettest/testdata/charts/cert-manager"

// museumOf serves one packed chart.
func museumOf(t *testing.T, dir string) http.Handler {
	t.Helper()
	var files = map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	source, err := tree.FromFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	c, err := chart.LoadTree(source, ".", chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := chart.Package(c)
	if err != nil {
		t.Fatal(err)
	}
	file := chart.FileName(c.Name(), c.Metadata.Version)
	index := "apiVersion: v1\nentries:\n  " + c.Name() + ":\n  - {apiVersion: v2, name: " + c.Name() + ", version: " + c.Metadata.Version + ", urls: [" + file + "]}\n"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/index.yaml":
			_, _ = w.Write([]byte(index))
		case "/" + file:
			_, _ = w.Write(data)
		default:
			http.NotFound(w, r)
		}
	})
}

// TestReleasesOfFluxAreInSync takes over what the real helm-controller left: the
// HelmReleases with their status, and the Secrets of Helm's storage. Nothing may
// be upgraded, and no Secret may be made.
func TestReleasesOfFluxAreInSync(t *testing.T) {
	s := up(t, online, func(c *app.Config) { c.Scope = controller.Scope{Namespace: "taken"} })
	s.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: taken}")
	s.ns = "taken" // a release's digest holds its namespace
	text, err := os.ReadFile("testdata/taken/objects.yaml")
	s.must(err)
	for _, obj := range s.decode(string(text)) {
		status := obj.Object["status"]
		delete(obj.Object, "status")
		s.applyAs("flux", obj)
		if status == nil {
			continue
		}
		name := "HelmRelease/" + obj.GetName()
		if observedIn(status) == 2 {
			s.patch(name, `{spec: {interval: 2h}}`)
		}
		data, err := json.Marshal(map[string]any{"status": status})
		s.must(err)
		s.setStatus(name, string(data))
	}
	before := s.secretVersions()
	s.apply("apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: charts, namespace: taken}\nspec: {interval: 1h, url: " + s.listen(museumOf(t, standIn)) + "}")
	for _, name := range []string{"plain", "rendered"} {
		s.patch("HelmRelease/"+name, `{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: now}}}`)
		s.release(name, func(h *v2.HelmRelease) bool { return h.Status.LastHandledReconcileAt == "now" && current(h) })
	}
	s.idle()
	if after := s.secretVersions(); after != before {
		t.Errorf("Helm's storage was written: got %s, want %s", after, before)
	}
	for name, want := range map[string]string{"plain": "InstallSucceeded", "rendered": "UpgradeSucceeded"} {
		h := s.releaseNow(name)
		if got := cond(h, "Ready").Reason; got != want || len(h.Status.History) != map[string]int{"plain": 1, "rendered": 2}[name] {
			t.Errorf("%s: got %s with %d versions, want %s", name, got, len(h.Status.History), want)
		}
	}
}

func observedIn(status any) int64 {
	n, _, _ := unstructured.NestedInt64(map[string]any{"status": status}, "status", "observedGeneration")
	if n == 0 {
		f, _, _ := unstructured.NestedFloat64(map[string]any{"status": status}, "status", "observedGeneration")
		n = int64(f)
	}
	return n
}

// secretVersions are the names and versions of all Secrets of the namespace.
func (s *stand) secretVersions() string {
	s.Helper()
	list, err := s.client(s.key("/Secret/x").GroupKind(), s.ns).List(s.Context(), metav1.ListOptions{})
	s.must(err)
	var out []string
	for _, o := range list.Items {
		out = append(out, o.GetName()+"@"+o.GetResourceVersion())
	}
	return strings.Join(out, " ")
}
