package helmtest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/isolate"
)

func init() {
	if len(os.Args) > 1 && os.Args[1] == "isolated" {
		fmt.Fprintln(os.Stderr, app.ServeIsolated(os.Args[2:]))
		os.Exit(1)
	}
}

// isolated makes the stand's charts be rendered in children if they use tpl.
func (s *stand) isolated() *stand {
	s.Helper()
	exe, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	pool := isolate.NewPool(isolate.Config{Command: []string{exe, "isolated"}, Children: 2})
	s.Cleanup(pool.Close)
	s.cluster.Isolate(pool)
	return s
}

// A chart that a child renders is installed, stored, tested and upgraded like any
// other: hooks, notes and names of files are as Helm has them.
func TestIsolatedChart(t *testing.T) { everywhere(t, testIsolatedChart) }

func testIsolatedChart(t *testing.T, on place) {
	text := "{{- range until 3 }}\n---\n" + configMap("c{{ . }}", "{{ tpl $.Values.text $ }}") + "{{- end }}\n"
	hook := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-upgrade}}\ndata: {k: '{{ tpl .Values.text . }}'}\n"
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": text, "templates/h.yaml": hook, "templates/NOTES.txt": "note {{ tpl .Values.text . }}", "f.txt": "file"})).isolated()
	s.job.Values = map[string]any{"text": `{{ .Release.Revision }}-{{ .Files.Get "f.txt" }}-{{ .Values.n }}`, "n": 1e6}
	s.must(s.driver.Install(s.ctx, s.job))
	s.must(s.driver.Upgrade(s.ctx, s.job))
	if got, want := s.value("c2")+" "+s.value("hook"), "2-file-1e+06 2-file-1e+06"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	stored, err := s.driver.Observe(s.ctx, helm.PlaceOf(s.job.Object))
	if err != nil || len(stored) != 2 {
		t.Fatalf("got %d versions, %v", len(stored), err)
	}
	for _, rel := range stored {
		if len(rel.Chart.Templates) != 3 {
			t.Errorf("version %d holds %d templates", rel.Version, len(rel.Chart.Templates))
		}
		for _, f := range rel.Chart.Templates {
			if f.Name == "templates/a.yaml" && string(f.Data) != text {
				t.Errorf("version %d holds the template %q", rel.Version, f.Data)
			}
		}
		if len(rel.Hooks) != 1 || rel.Hooks[0].Path != "demo/templates/h.yaml" {
			t.Errorf("version %d has the hooks %v", rel.Version, rel.Hooks)
		}
		if want := fmt.Sprintf("note %d-file-1e+06", rel.Version); rel.Info.Notes != want {
			t.Errorf("notes are %q, want %q", rel.Info.Notes, want)
		}
	}
}

// A child's lookup is the tenant's.
func TestIsolatedLookup(t *testing.T) {
	const find = `{{ tpl "{{ (lookup \"v1\" \"ConfigMap\" .Release.Namespace \"seen\").data.k }}{{ (lookup \"v1\" \"ConfigMap\" .Release.Namespace \"none\").data }}" . }}`
	s := newStand(t, server, chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", find)})).isolated()
	s.driver = s.tenant()
	seen := s.job
	seen.Object = s.job.Object.DeepCopy()
	seen.Object.Name, seen.Chart = "other", chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("seen", "yes")})
	s.must(s.driver.Install(s.ctx, seen))
	s.must(s.driver.Install(s.ctx, s.job))
	if got := s.value("a"); got != "yes" {
		t.Errorf("lookup in the own namespace found %q", got)
	}
	for _, template := range []string{
		`{{ lookup "v1" "Secret" "kube-system" "" }}`, `{{ lookup "v1" "Namespace" "" "kube-system" }}`,
	} {
		s.job.Chart = chartOf("1.1.0", map[string]string{"templates/a.yaml": template + `{{ tpl "" . }}`})
		_, err := s.driver.Upgrade(s.ctx, s.job)
		s.wantError(err, "forbidden", "tenant", "demo/templates/a.yaml:1")
	}
}

// What a child says holds no secrets, and nothing of a release that could not be
// rendered is stored.
func TestIsolatedFailure(t *testing.T) { everywhere(t, testIsolatedFailure) }

func testIsolatedFailure(t *testing.T, on place) {
	s := newStand(t, on, chartOf("1.0.0", map[string]string{"templates/a.yaml": "\n{{ tpl .Values.text . }}"})).isolated()
	s.job.Values, s.job.Secrets = map[string]any{"text": "{{ fail `hunter22` }}"}, []string{"hunter22"}
	_, err := s.driver.Install(s.ctx, s.job)
	s.wantError(err, "demo/templates/a.yaml:2")
	if err != nil && strings.Contains(err.Error(), "hunter22") {
		t.Errorf("got %v", err)
	}
	s.wantStored("")
}
