package app

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

// A head that base passed on to is what a head of its own is, after any edit.
func TestPassedEqualsFresh(t *testing.T) {
	for edits, c := range map[int]tryout{
		8: {dir: "../../examples/platform", path: "clusters/dev", short: true},
		7: {dir: fleets + "/flux2-kustomize-helm-example", path: "clusters/staging"},
		6: {dir: fleets + "/radix-flux/master", path: "clusters/playground"},
		2: {dir: fleets + "/home-ops", path: "kubernetes/flux/cluster", inputs: []string{"home-ops-crds"}},
	} {
		t.Run(filepath.Base(c.dir), func(t *testing.T) {
			if testing.Short() && !c.short {
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			p, snap := tried(t, c)
			o := entry.Options{Path: c.path}
			draw := rand.New(rand.NewPCG(3, 4))
			passed := 0
			for i := range edits {
				edited, what := edit(t, snap, draw, i)
				v := open(t, p, snap, c)
				from := v.rendering(t.Context(), standing)
				v.Fleet.Follows(from.fleet)
				to, ok := v.pass(t.Context(), from, Revision{Name: "head", Snapshot: edited})
				v.Close()
				if ok != preview.Whole {
					t.Logf("%s: not passed", what)
					continue
				}
				passed++
				fresh := p.render(t.Context(), o, Revision{Name: "head", Snapshot: edited})
				if fresh.err != nil {
					t.Fatal(fresh.err)
				}
				for _, u := range change.Compare(fresh.fleet, to.fleet, change.Options{Mask: plan.NewMask(secret.NewKey())}).Units {
					t.Errorf("%s: %s %s: %v %v", what, u.Op, u.Key, u.Spec, u.Objects)
				}
				if a, b := len(fresh.fleet.Placeholders), len(to.fleet.Placeholders); a != b {
					t.Errorf("%s: %d placeholders, fresh %d", what, b, a)
				}
			}
			t.Logf("%d of %d edits passed", passed, edits)
		})
	}
}

// What base leaves behind is there at head: a namespace whose unit was taken out
// and does not prune still holds what another unit puts there.
func TestHeadStandsInWhatBaseLeaves(t *testing.T) {
	for name, spaces := range map[string]string{
		"nothing made up":   leavesUnit("spaces", "./spaces"),
		"with what it read": strings.Replace(leavesUnit("spaces", "./spaces"), "interval: 1m,", "interval: 1m, postBuild: {substituteFrom: [{kind: ConfigMap, name: outside}]},", 1),
	} {
		t.Run(name, func(t *testing.T) { headStands(t, spaces) })
	}
}

// headStands takes away the unit that made the namespace of another one.
func headStands(t *testing.T, spaces string) {
	t.Helper()
	files := map[string]string{
		"clusters/x/spaces.yaml": spaces,
		"clusters/x/app.yaml":    leavesUnit("app", "./app"),
		"spaces/ns.yaml":         "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
		"app/cm.yaml":            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: shop}\ndata: {a: '1'}\n",
	}
	base := leaves(t, files, "a")
	delete(files, "clusters/x/spaces.yaml")
	files["app/cm.yaml"] = strings.Replace(files["app/cm.yaml"], "'1'", "'2'", 1)
	head := leaves(t, files, "b")
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	sides := p.sides(t.Context(), entry.Options{Path: "clusters/x"}, base, head)
	for i, want := range []int{4, 3} {
		if sides[i].err != nil || len(sides[i].fleet.Units) != want {
			t.Fatalf("side %d: %d units, want %d: %v", i, len(sides[i].fleet.Units), want, sides[i].err)
		}
	}
	app := sides[1].fleet.Unit(object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: "app"})
	if app == nil || app.State != fleet.Ready {
		t.Fatalf("app: %+v, want it ready in the namespace that base left", app)
	}
}

func leavesUnit(name, path string) string {
	return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name + ", namespace: flux-system}\n" +
		"spec: {interval: 1m, prune: false, path: " + path + ", sourceRef: {kind: GitRepository, name: flux-system}}\n"
}

func leaves(t *testing.T, files map[string]string, digit string) Revision {
	t.Helper()
	var out tree.Tree
	for name, text := range files {
		next, err := out.With(name, tree.BlobOf([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		out = next
	}
	return Revision{Name: digit, Snapshot: worktree.Snapshot{Tree: out, Commit: strings.Repeat(digit, 40)}}
}

// A check of a kind that comes later runs again when it does.
func TestHealthCheckOfAKindThatComes(t *testing.T) {
	files := map[string]string{
		"clusters/x/a.yaml": strings.Replace(leavesUnit("a", "./a"), "interval: 1m,", "interval: 1m, healthChecks: [{apiVersion: example.com/v1, kind: Thing, name: one}],", 1),
		"clusters/x/b.yaml": leavesUnit("b", "./b"),
		"a/cm.yaml":         "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n",
		"b/crd.yaml": `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: Thing, plural: things}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`,
	}
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	side := p.render(t.Context(), entry.Options{Path: "clusters/x"}, leaves(t, files, "a"))
	if side.err != nil {
		t.Fatal(side.err)
	}
	a := side.fleet.Unit(object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: "a"})
	if a == nil || a.State != fleet.Waiting || len(a.On) != 1 || a.On[0] != "Thing/one" {
		t.Fatalf("a: %s %q on %v, want it waiting for Thing/one", a.State, a.Message, a.On)
	}
}

// What the API refuses to change keeps its unit from being ready, and what depends on
// it, while the plan shows what was refused.
func TestHeadThatIsRefused(t *testing.T) {
	files := map[string]string{
		"clusters/x/a.yaml": leavesUnit("a", "./a"),
		"clusters/x/b.yaml": strings.Replace(leavesUnit("b", "./b"), "interval: 1m,", "interval: 1m, dependsOn: [{name: a}],", 1),
		"a/sc.yaml":         "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: one\n",
		"b/cm.yaml":         "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: default}\ndata: {b: '1'}\n",
	}
	base := leaves(t, files, "a")
	files["a/sc.yaml"] = strings.Replace(files["a/sc.yaml"], "one", "two", 1)
	files["b/cm.yaml"] = strings.Replace(files["b/cm.yaml"], "'1'", "'2'", 1)
	head := leaves(t, files, "b")
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	found, err := p.compare(t.Context(), entry.Options{Path: "clusters/x"}, base, head)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range found.Set.Units {
		for _, o := range u.Objects {
			got = append(got, string(u.After.State)+" "+string(o.Op)+" "+o.Ref.Key.String())
		}
	}
	want := []string{"failed refuse StorageClass/a", "waiting change ConfigMap/default/b"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A cluster whose directory is gone, or has another name, keeps what it has: its
// Kustomization finds no directory, prunes nothing, and takes no change any more,
// but for what its other units take from the same commit.
func TestClusterWhoseDirectoryIsGone(t *testing.T) {
	sync := "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\n" +
		"spec: {interval: 1m, url: https://git.example/fleet}\n---\n" +
		strings.Replace(leavesUnit("flux-system", "./clusters/x"), "prune: false", "prune: true", 1)
	app, unit := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: default}\ndata: {a: '1'}\n", leavesUnit("app", "./app")
	base := leaves(t, map[string]string{"clusters/x/flux-system/gotk-sync.yaml": sync, "clusters/x/app.yaml": unit, "app/cm.yaml": app}, "a")
	changed := strings.Replace(app, "'1'", "'2'", 1)
	renamed := strings.ReplaceAll(sync, "clusters/x", "clusters/y")
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	for name, tt := range map[string]struct {
		path string
		head map[string]string
	}{
		"deleted":        {"clusters/x", map[string]string{"app/cm.yaml": changed}},
		"deleted, found": {"", map[string]string{"app/cm.yaml": changed}},
		"renamed, found": {"", map[string]string{"app/cm.yaml": changed, "clusters/y/flux-system/gotk-sync.yaml": renamed, "clusters/y/app.yaml": unit}},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := p.compare(t.Context(), entry.Options{Path: tt.path}, base, leaves(t, tt.head, "b"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, u := range found.Set.Units {
				got = append(got, string(u.After.State)+" "+u.Key.Name)
				for _, o := range u.Objects {
					got = append(got, string(o.Op)+" "+o.Ref.Key.String())
				}
			}
			slices.Sort(got)
			if want := []string{"change ConfigMap/default/app", "failed flux-system", "ready app"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if len(found.Notes) != 1 || !strings.HasPrefix(found.Notes[0], "clusters/x is gone: ") {
				t.Errorf("notes: %q", found.Notes)
			}
		})
	}
}

// A cluster whose own Kustomization is no longer among what it applies deletes it, and
// with it all that it runs; a plan that goes on from there begins anew.
func TestClusterThatEndsItself(t *testing.T) {
	sync := "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\n" +
		"spec: {interval: 1m, url: https://git.example/fleet}\n---\n" +
		strings.Replace(leavesUnit("flux-system", "./clusters/x"), "prune: false", "prune: true", 1)
	app, unit := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: default}\n", strings.Replace(leavesUnit("app", "./app"), "prune: false", "prune: true", 1)
	begins := map[string]string{"clusters/x/flux-system/gotk-sync.yaml": sync, "clusters/x/app.yaml": unit, "app/cm.yaml": app}
	base := leaves(t, begins, "a")
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	for name, tt := range map[string]struct{ path, gone, put, text string }{
		"its file is gone":          {"clusters/x", "clusters/x/flux-system/gotk-sync.yaml", "", ""},
		"its file is gone, found":   {"", "clusters/x/flux-system/gotk-sync.yaml", "", ""},
		"its path is another":       {"clusters/x", "", "clusters/x/flux-system/gotk-sync.yaml", strings.ReplaceAll(sync, "clusters/x", "clusters/y")},
		"its path is another found": {"", "", "clusters/x/flux-system/gotk-sync.yaml", strings.ReplaceAll(sync, "clusters/x", "clusters/y")},
	} {
		t.Run(name, func(t *testing.T) {
			head := maps.Clone(begins)
			head["clusters/y/app.yaml"] = unit
			delete(head, tt.gone)
			if tt.put != "" {
				head[tt.put] = tt.text
			}
			r := &replanned{previews: p, entry: entry.Options{Path: tt.path}, base: base}
			defer r.close()
			found, err := r.at(t.Context(), leaves(t, head, "b").Snapshot)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, u := range found.Set.Units {
				got = append(got, string(u.Op)+" "+u.Key.Kind+" "+u.Key.Name)
				for _, o := range u.Objects {
					got = append(got, string(o.Op)+" "+o.Ref.Key.String())
				}
			}
			for _, want := range []string{"delete Kustomization flux-system", "delete Kustomization app", "delete ConfigMap/default/app"} {
				if !slices.Contains(got, want) {
					t.Errorf("no %q in %q", want, got)
				}
			}
			if len(found.Notes) != 1 || !strings.Contains(found.Notes[0], "flux-system is not in clusters/x any more") {
				t.Errorf("notes: %q", found.Notes)
			}
			if again, err := r.at(t.Context(), base.Snapshot); err != nil || len(again.Set.Units) > 0 {
				t.Errorf("as at base again: %v, %v", again.Set.Units, err)
			}
		})
	}
}

// A cluster whose own Kustomization gets suspended by what it applies stands, and its
// other units go on.
func TestClusterThatSuspendsItself(t *testing.T) {
	sync := "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\n" +
		"spec: {interval: 1m, url: https://git.example/fleet}\n---\n" + leavesUnit("flux-system", "./clusters/x")
	files := map[string]string{
		"clusters/x/gotk-sync.yaml": sync, "clusters/x/app.yaml": leavesUnit("app", "./app"),
		"app/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: default}\ndata: {a: '1'}\n",
	}
	base := leaves(t, files, "a")
	files["clusters/x/gotk-sync.yaml"] = strings.Replace(sync, "prune: false", "prune: false, suspend: true", 1)
	files["app/cm.yaml"] = strings.Replace(files["app/cm.yaml"], "'1'", "'2'", 1)
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	found, err := p.compare(t.Context(), entry.Options{Path: "clusters/x"}, base, leaves(t, files, "b"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range found.Set.Units {
		got = append(got, string(u.Op)+" "+string(u.After.State)+" "+u.Key.Kind+" "+u.Key.Name)
		for _, o := range u.Objects {
			got = append(got, string(o.Op)+" "+o.Ref.Key.String())
		}
	}
	if want := "change ConfigMap/default/app"; !slices.Contains(got, want) || !slices.Contains(got, "change suspended Kustomization flux-system") || !slices.Contains(got, "change ready Kustomization app") {
		t.Errorf("got %q", got)
	}
}
