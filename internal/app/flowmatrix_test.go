package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/world"
)

// The core repository of seed 1, a branch per folder: its file is proposed, and the
// matrix finds the defects that are known of it (organisations-and-flux-v1.md 1.1.6).
func TestMatrixOfTheCoreRepository(t *testing.T) {
	if testing.Short() {
		t.Skip("renders six times: not in the quick suite; go test ./internal/app -run TestMatrixOfTheCoreRepository")
	}
	c := lscsde()
	up := repotest.New(t)
	for _, branch := range []string{"main", "dev", "prod"} {
		up.Commit(branch, folder(t, filepath.Join(filepath.Dir(c.dir), branch)))
	}
	up.Git("checkout", "-q", "main")
	p, _ := tried(t, c)
	i, err := ProposeFlow(t.Context(), up.Work)
	if err != nil || i.Write() != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(up.Work, flow.FileName))
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "    branch: prod\n", "    branch: prod\n    context: prod\n", 1))
	if err := os.WriteFile(filepath.Join(up.Work, flow.FileName), text, 0o644); err != nil {
		t.Fatal(err)
	}
	live := emptied(t)
	stored(t, live, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "lscsde-config"}}, nil)
	stored(t, live, map[string]any{
		"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": map[string]any{"name": "keda", "namespace": "lscsde-config"},
		"spec": map[string]any{"url": "https://github.com/lsc-sde/iac-flux-keda", "interval": "1m", "ref": map[string]any{"branch": "release/0.1.41"}},
	}, map[string]any{"artifact": artifactAt("release/0.1.41@sha1:" + strings.Repeat("0", 40))})
	m, err := Matrix(t.Context(), MatrixConfig{Dir: up.Work, Previews: p.cfg, Live: func(string) (world.Reader, error) { return live, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		component   string
		kind        flow.PinKind
		environment string
		state       flow.State
	}{
		{"jupyter_hub", flow.BranchPin, "main", flow.Dangling}, {"jupyter_hub", flow.BranchPin, "dev", flow.Dangling}, {"jupyter_hub", flow.BranchPin, "prod", flow.HotFix},
		{"observability-metrics", flow.BranchPin, "main", flow.Orphan}, {"observability-metrics", flow.BranchPin, "dev", flow.Orphan},
		{"cr8tor_publish_service", flow.ImagePin, "prod", flow.Orphan}, {"keda", flow.BranchPin, "dev", flow.Same}, {"keda", flow.BranchPin, "prod", flow.Behind},
		{"lscsde-flux", flow.ChartPin, "prod", flow.Ahead}, {"tobiko", flow.BranchPin, "dev", flow.Alone},
		{"keda", flow.BranchPin, "prod", flow.NotLive}, {"keda", flow.BranchPin, "prod", flow.Dangling},
	} {
		if got := states(m, want.component, want.kind, want.environment); !slices.Contains(got, want.state) {
			t.Errorf("%s %s in %s: got %v, want %s among them", want.component, want.kind, want.environment, got, want.state)
		}
	}
	for _, never := range []string{"keda", "cert_manager", "observability_metrics", "secrets_distributor"} {
		for _, environment := range []string{"main", "dev", "prod"} {
			if slices.Contains(states(m, never, flow.BranchPin, environment), flow.Orphan) {
				t.Errorf("%s is consumed in %s, and called an orphan", never, environment)
			}
		}
	}
	var notes []string
	for _, n := range m.Notes {
		notes = append(notes, n.String())
	}
	t.Log(strings.Join(notes, "\n"))
}

func states(m MatrixResult, component string, kind flow.PinKind, environment string) []flow.State {
	for _, r := range m.Rows {
		for _, c := range r.Cells {
			if r.Component == component && r.Kind == kind && c.Environment == environment {
				return c.States
			}
		}
	}
	return nil
}

// folder reads the files of a folder, or skips the test.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the fleet %s is not beside the checkout: it was NOT tried", dir)
	}
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
