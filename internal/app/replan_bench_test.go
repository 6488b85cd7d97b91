package app

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

// BenchmarkReplan is what a save costs in `leat plan --watch`, from the tree that was
// read to the plan: of a file of one unit there and back, in real fleets and in ones
// that grow.
//
//	go test ./internal/app -run '^$' -bench Replan -benchtime 10x
func BenchmarkReplan(b *testing.B) {
	for _, c := range []struct {
		tryout
		file, from, to string
	}{
		{tryout{dir: "../../examples/platform", path: "clusters/dev"}, "clusters/dev/apps.yaml", "interval: ", "retryInterval: 7m\n  interval: "},
		{tryout{dir: fleets + "/radix-flux/master", path: "clusters/playground"}, "clusters/playground/infrastructure/radix-platform/radix-cost-allocation.yaml", "interval: 5m", "interval: 7m"},
		{tryout{dir: fleets + "/home-ops", path: "kubernetes/flux/cluster"}, "kubernetes/flux/cluster/ks.yaml", "interval: 1h", "interval: 2h"},
		{lscsde(), "core/repository.yaml", "interval: 5m", "interval: 7m"},
	} {
		b.Run(filepath.Base(c.dir), func(b *testing.B) {
			p, snap := tried(b, c.tryout)
			replans(b, p, [2]worktree.Snapshot{snap, replaced(b, snap, c.file, [2]string{c.from, c.to})}, c.path)
		})
	}
	for _, n := range []int{100, 500, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, err := NewPreviews(PreviewConfig{CacheDir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = p.Close() })
			snap := generated(b, n)
			replans(b, p, [2]worktree.Snapshot{snap, replaced(b, snap, "apps/7/config.yaml", [2]string{"value: a", "value: b"})}, "clusters/x")
		})
	}
}

// replans goes to and fro between two trees.
func replans(b *testing.B, p *Previews, between [2]worktree.Snapshot, path string) {
	b.Helper()
	o := entry.Options{Path: path}
	r := &replanned{previews: p, entry: o, base: Revision{Name: "base", Snapshot: between[0]}}
	b.Cleanup(r.close)
	for i := range 3 {
		if _, err := r.at(b.Context(), between[i%2]); err != nil {
			b.Fatal(err)
		}
	}
	for i := 1; b.Loop(); i++ {
		if e, err := r.at(b.Context(), between[i%2]); err != nil || len(e.Set.Units) == 0 != (i%2 == 0) {
			b.Fatalf("%d units changed: %v", len(e.Set.Units), err)
		}
	}
}

func replaced(t testing.TB, snap worktree.Snapshot, file string, text [2]string) worktree.Snapshot {
	t.Helper()
	was, err := snap.Tree.ReadFile(file)
	if err != nil || !bytes.Contains(was, []byte(text[0])) {
		t.Fatalf("%s has no %q: %v", file, text[0], err)
	}
	if snap.Tree, err = snap.Tree.With(file, tree.BlobOf(bytes.Replace(was, []byte(text[0]), []byte(text[1]), 1))); err != nil {
		t.Fatal(err)
	}
	snap.Commit = strings.Repeat("b", 40)
	return snap
}

// generated is a fleet of n Kustomizations, with a Deployment and what it reads each.
func generated(t testing.TB, n int) worktree.Snapshot {
	t.Helper()
	files := map[string]string{}
	for i := range n {
		dir := fmt.Sprintf("apps/%d/", i)
		files[fmt.Sprintf("clusters/x/%d.yaml", i)] = strings.ReplaceAll(leavesUnit(fmt.Sprintf("app-%d", i), "./"+dir), "prune: false", "prune: true")
		files[dir+"config.yaml"] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app-%d, namespace: default}\ndata:\n  value: a\n", i)
		files[dir+"app.yaml"] = strings.ReplaceAll(`apiVersion: apps/v1
kind: Deployment
metadata: {name: APP, namespace: default, labels: {app: APP}}
spec:
  selector: {matchLabels: {app: APP}}
  template:
    metadata: {labels: {app: APP}}
    spec:
      containers:
      - {name: app, image: "registry.example.com/app:1.2.3", envFrom: [{configMapRef: {name: APP}}]}
`, "APP", fmt.Sprintf("app-%d", i))
	}
	out, err := tree.FromFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	return worktree.Snapshot{Tree: out, Branch: "local", Commit: strings.Repeat("a", 40)}
}
