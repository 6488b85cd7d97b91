package app

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/worktree"
)

// fleets are where real fleets are looked for.
const fleets = "../../../shared/fleets"

// tryout is a cluster that previews are tried on.
type tryout struct {
	dir, path string
	mirrors   [][2]string
	inputs    []string // names of files beside the tables
	given     bool     // nothing is made up
	lenient   bool     // undefined variables become empty
	short     bool
}

func clustersToTry() []tryout {
	out := []tryout{
		{dir: "../../examples/platform", path: "clusters/dev", short: true}, {dir: "../../examples/platform", path: "clusters/prod", short: true},
		{dir: fleets + "/flux2-kustomize-helm-example", path: "clusters/staging"},
		{dir: fleets + "/flux2-kustomize-helm-example", path: "clusters/production"},
		{dir: fleets + "/flux2-multi-tenancy", path: "clusters/staging"},
		{dir: fleets + "/home-ops", path: "kubernetes/flux/cluster"},
		lscsde(),
	}
	for _, name := range []string{"c2-production", "c3", "development", "monitoring", "playground", "production"} {
		out = append(out, tryout{dir: fleets + "/radix-flux/master", path: "clusters/" + name, short: name == "playground"})
	}
	return out
}

func lscsde() tryout {
	return tryout{dir: fleets + "/lsc-sde/git/iac-flux-lscsde/main", path: "clusters/local", mirrors: [][2]string{
		{"https://github.com/lsc-sde/", fleets + "/lsc-sde/git"},
		{"https://lsc-sde.github.io/iac-helm-repository", fleets + "/lsc-sde/charts/iac-helm-repository"},
		{"https://kedacore.github.io/charts", fleets + "/lsc-sde/charts/keda"},
		{"https://jupyterhub.github.io/helm-chart", fleets + "/lsc-sde/charts/jupyterhub"},
	}}
}

func TestPlanOfAppliedChangeIsEmpty(t *testing.T) {
	for _, c := range clustersToTry() {
		t.Run(filepath.Base(c.dir)+"/"+filepath.Base(c.path), func(t *testing.T) {
			if testing.Short() && !c.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			p, snap := tried(t, c)
			base, head := open(t, p, snap, c).Rendered(t.Context()), open(t, p, snap, c).Rendered(t.Context())
			if set := change.Compare(base, head, change.Options{Mask: plan.NewMask(secret.NewKey())}); len(set.Units) > 0 {
				text, _ := json.MarshalIndent(set.Units, "", " ")
				t.Errorf("nothing changed, and %d units do: %.2000s", len(set.Units), text)
			}
			if a, b := printed(t, base), printed(t, head); a != b {
				at := 0
				for at < min(len(a), len(b)) && a[at] == b[at] {
					at++
				}
				t.Errorf("two renderings of one tree differ at\n%.300s\n%.300s", a[max(0, at-150):], b[max(0, at-150):])
			}
			counts := map[fleet.State]int{}
			for _, u := range head.Units {
				counts[u.State]++
				if (u.State == fleet.Failed || u.State == fleet.Waiting) && !slices.ContainsFunc(u.On, report.IsRemedy) {
					t.Logf("%s %s: %.200s", u.State, u.Key, u.Message)
				}
			}
			t.Logf("%d units %v, %d placeholders", len(head.Units), counts, len(head.Placeholders))
		})
	}
}

// tried opens a cluster's fleet, or skips the test.
func tried(t testing.TB, c tryout) (*Previews, worktree.Snapshot) {
	t.Helper()
	if _, err := os.Stat(c.dir); err != nil {
		t.Skipf("the fleet %s is not beside the checkout: it was NOT tried", c.dir)
	}
	cfg := configOf(t, c)
	p, err := NewPreviews(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	r, err := worktree.Open(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p, snap
}

// configOf is what a cluster is tried with.
func configOf(t testing.TB, c tryout) PreviewConfig {
	t.Helper()
	cfg := PreviewConfig{CacheDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Given: c.given,
		Options: engine.Options{Mask: plan.NewMask(secret.NewKey()), FailFast: true, Strict: c.given && !c.lenient}}
	for _, name := range c.inputs {
		cfg.Inputs = append(cfg.Inputs, tables+name+".input.yaml")
	}
	for _, m := range c.mirrors {
		target, err := filepath.Abs(m[1])
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := mirror.Parse(m[0] + "=" + target)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Mirrors = append(cfg.Mirrors, parsed)
	}
	return cfg
}

func open(t *testing.T, p *Previews, snap worktree.Snapshot, c tryout) *Preview {
	t.Helper()
	v, err := p.Open(t.Context(), snap, entry.Options{Path: c.path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// printed is all that a fleet is rendered to, but for the times that Helm notes.
func printed(t *testing.T, r fleet.Rendered) string {
	t.Helper()
	r.Units = slices.Clone(r.Units)
	for i := range r.Units {
		obj := r.Units[i].Object.DeepCopy()
		delete(obj.Object, "status")
		r.Units[i].Object, r.Units[i].Reads = obj, nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
