package provenance

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/tree"
)

// manyChanges edits every twentieth manifest of a tree: each interval, replica
// count and tag of them.
func manyChanges(t testing.TB, tr tree.Tree) tree.Tree {
	t.Helper()
	out, n := tr, 0
	err := tr.Walk(func(p string, b *tree.Blob) error {
		if n++; n%20 != 0 || !strings.HasSuffix(p, ".yaml") {
			return nil
		}
		data, err := b.Read()
		if err != nil {
			return err
		}
		text := strings.NewReplacer("interval: 1h", "interval: 2h", "interval: 5m", "interval: 6m", "replicas: 1", "replicas: 2", "memory: ", "memory: 1", "tag: ", "tag: x").Replace(string(data))
		out, err = out.With(p, tree.BlobOf([]byte(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// BenchmarkFill is what the origins of a large change cost beside rendering.
func BenchmarkFill(b *testing.B) {
	for _, c := range [][2]string{{"home-ops", "kubernetes/flux/cluster"}, {"radix-flux/master", "clusters/development"}} {
		b.Run(c[0], func(b *testing.B) {
			base := treeOf(b, filepath.Join(fleets, c[0]))
			cache := build.NewCache(build.Limits{})
			before, after := renderWith(b, base, c[1], cache), renderWith(b, manyChanges(b, base), c[1], cache)
			fields, found := 0, 0
			for b.Loop() {
				set := change.Compare(before.rendered, after.rendered, change.Options{})
				if err := Fill(context.Background(), &set, Sides{Base: before.fleet(), Head: after.fleet()}); err != nil {
					b.Fatal(err)
				}
				fields, found = 0, 0
				for _, line := range told(set) {
					if fields++; !strings.HasSuffix(line, " ?") {
						found++
					} else {
						b.Log(line)
					}
				}
			}
			b.ReportMetric(float64(fields), "fields")
			b.ReportMetric(float64(found), "found")
		})
	}
}
