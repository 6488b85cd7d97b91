package app

import (
	"fmt"
	"math/rand/v2"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

// What is planned again from where the last plan left off is what a fresh plan
// finds, after any edit that leaves the fleet well.
func TestReplanEqualsFreshPlan(t *testing.T) {
	const edits = 8
	for _, c := range []tryout{
		{dir: "../../examples/platform", path: "clusters/dev", short: true},
		{dir: fleets + "/radix-flux/master", path: "clusters/playground"},
	} {
		t.Run(filepath.Base(c.dir), func(t *testing.T) {
			if testing.Short() && !c.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			p, snap := tried(t, c)
			warm := open(t, p, snap, c)
			draw := rand.New(rand.NewPCG(1, 2))
			compared := 0
			for i := range edits {
				edited, what := edit(t, snap, draw, i)
				if err := warm.Update(t.Context(), edited); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				cold, err := p.Open(t.Context(), edited, entry.Options{Path: c.path})
				if err != nil {
					continue // the entry itself was broken
				}
				fresh, again := cold.Rendered(t.Context()), warm.Rendered(t.Context())
				want, wantNotes := cold.flaws(t.Context(), fresh)
				flaws, notes := warm.flaws(t.Context(), again)
				cold.Close()
				if !well(fresh) || !well(again) {
					continue
				}
				compared++
				if !reflect.DeepEqual(flaws, want) || !slices.Equal(notes, wantNotes) {
					t.Errorf("%s: got flaws %v and %v, want %v and %v", what, flaws, notes, want, wantNotes)
				}
				for _, u := range change.Compare(fresh, again, change.Options{Mask: plan.NewMask(secret.NewKey())}).Units {
					t.Errorf("%s: %s %s: %v %v", what, u.Op, u.Key, u.Spec, u.Objects)
				}
			}
			t.Logf("%d of %d edits compared", compared, edits)
		})
	}
}

// A save that breaks something is planned as a plan does that begins with it: nothing of
// what an earlier save had brought shows, what the API refuses is refused, a chart that
// was edited and keeps its version is told of, and clusters come and go.
func TestReplanOfBrokenSavesEqualsPlan(t *testing.T) {
	base := leaves(t, chartFleet("1", "1", "1.0.0"), "a")
	saves := []map[string]string{
		chartFleet("2", "1", "1.0.0"),
		chartFleet("2", "1", "1.0.0\n broken"), // a chart that cannot be read
		chartFleet("{", "1", "1.0.0"),          // a file that cannot be read
		chartFleet("1", "2", "1.0.0"),          // an edit that is not released
		chartFleet("2", "2", "1.0.0"),
		chartFleet("2", "2", "1.0.1"),
		chartFleet("1", "1", "1.0.0"),
	}
	saves[0]["app/more.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: default}\n"
	saves[4]["app/sc.yaml"] = strings.Replace(saves[4]["app/sc.yaml"], "one", "two", 1) // which the API refuses
	saves[5]["clusters/y/app.yaml"] = leavesUnit("app", "./app")
	another := func() *Previews {
		p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir(), Options: engine.Options{Mask: plan.NewMask(secret.Key("a key for tests, always the same"))}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	cold := another()
	warm := replanning{previews: another(), cfg: PlanConfig{All: true}, base: base}
	t.Cleanup(warm.close)
	warned := 0
	for i, files := range saves {
		head := leaves(t, files, string(rune('b'+i)))
		again, err := warm.at(t.Context(), head.Snapshot)
		if err != nil {
			t.Fatalf("save %d: %v", i, err)
		}
		for _, e := range again.Entries {
			fresh, err := cold.compare(t.Context(), entry.Options{Path: e.Path}, base, head)
			if err != nil {
				t.Fatalf("save %d: %v", i, err)
			}
			got, want := summed(e), summed(fresh)
			if got != want {
				t.Errorf("save %d: %s: got\n%swant\n%s", i, e.Path, got, want)
			}
			warned += strings.Count(want, "is not upgraded")
		}
		want := 1
		if files["clusters/y/app.yaml"] != "" {
			want = 2
		}
		if len(again.Entries) != want {
			t.Errorf("save %d: %d clusters, want %d", i, len(again.Entries), want)
		}
	}
	if warned != 2 {
		t.Errorf("%d plans say that an edited chart is not upgraded, want 2", warned)
	}
}

// chartFleet is a fleet with an app, and a release of a chart that is its own.
func chartFleet(app, chart, version string) map[string]string {
	return map[string]string{
		"clusters/x/app.yaml": leavesUnit("app", "./app"),
		"app/cm.yaml":         "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: default}\ndata: {a: '" + app + "'}\n",
		"app/sc.yaml":         "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: one\n",
		"app/release.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: rel, namespace: default}\n" +
			"spec: {interval: 1m, chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}}}\n",
		"chart/Chart.yaml":        "apiVersion: v2\nname: c\nversion: " + version + "\n",
		"chart/templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: chart}\ndata: {a: '" + chart + "'}\n",
	}
}

// summed is what a plan says, without its revisions.
func summed(e present.Entry) string {
	var b strings.Builder
	for _, u := range e.Set.Units {
		fmt.Fprintf(&b, "%s %s %s %s\n", u.Op, u.Key, u.After.State, u.Why)
		for _, o := range u.Objects {
			fmt.Fprintf(&b, "  %s %s\n", o, o.Why)
			for _, f := range o.Fields {
				fmt.Fprintf(&b, "    %s\n", f.FieldChange)
			}
		}
	}
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "%t %s\n", f.Old, f)
	}
	return b.String()
}

// well tells whether everything that could be had is ready.
func well(r fleet.Rendered) bool {
	for _, u := range r.Units {
		if u.State == fleet.Waiting || u.State == fleet.Failed && !slices.ContainsFunc(u.On, report.IsRemedy) {
			return false
		}
	}
	return true
}

var scalar = regexp.MustCompile(`(?m)^( +[a-zA-Z]+: )([a-z0-9][a-z0-9.-]*)$`)

// edit changes one value in one file of a fleet.
func edit(t *testing.T, snap worktree.Snapshot, draw *rand.Rand, n int) (worktree.Snapshot, string) {
	t.Helper()
	var files []string
	_ = snap.Tree.Walk(func(p string, _ *tree.Blob) error {
		// A chart that keeps its version is not upgraded, but it is installed afresh.
		if path.Ext(p) == ".yaml" && !strings.Contains(p, "gotk-") && !strings.HasPrefix(p, "charts/") {
			files = append(files, p)
		}
		return nil
	})
	for {
		file := files[draw.IntN(len(files))]
		text, err := snap.Tree.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := scalar.FindAllSubmatchIndex(text, -1)
		if len(found) == 0 {
			continue
		}
		at := found[draw.IntN(len(found))]
		changed := string(text[:at[5]]) + "1" + string(text[at[5]:])
		next, err := snap.Tree.With(file, tree.BlobOf([]byte(changed)))
		if err != nil {
			t.Fatal(err)
		}
		out := snap
		out.Tree, out.Commit = next, strings.Repeat("0", 38)+string(rune('a'+n%26))+string(rune('a'+n/26))
		return out, file + ": " + string(text[at[2]:at[5]])
	}
}
