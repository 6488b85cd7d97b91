package git

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/tree"
)

// BenchmarkFetch measures a repository of 5000 files: the first fetch, one
// after a commit that changes one file, and a poll that finds nothing.
func BenchmarkFetch(b *testing.B) {
	u := newUpstream(b)
	files := map[string]string{}
	for i := range 5000 {
		files[fmt.Sprintf("apps/app-%d/f%d.yaml", i/10, i%10)] = strings.Repeat(fmt.Sprintf("kind: Deployment\nname: app-%d\n", i*7919), 50)
	}
	u.commit(files)
	u.git("repack", "-adq") // as servers keep repositories; else its packing is what is measured
	srv := newServer(b, u.root)
	once := func(b *testing.B, r *Remote) {
		c := resolve(b, r, Ref{Branch: "main"})
		if _, err := r.Tree(context.Background(), c, TreeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			once(b, remote(b, newPool(b, Options{}), srv.repo(), Credential{}))
		}
	})
	r := remote(b, newPool(b, Options{}), srv.repo(), Credential{})
	once(b, r)
	b.Run("one file changed", func(b *testing.B) {
		before, n := r.Stats(), 0
		for b.Loop() {
			b.StopTimer()
			n++
			u.commit(map[string]string{"apps/app-7/f1.yaml": fmt.Sprint(time.Now().UnixNano())})
			b.StartTimer()
			once(b, r)
		}
		after := r.Stats()
		b.ReportMetric(float64(after.Objects-before.Objects)/float64(n), "objects/op")
		b.ReportMetric(float64(after.Bytes-before.Bytes)/float64(n), "packbytes/op")
	})
	b.Run("nothing changed", func(b *testing.B) {
		for b.Loop() {
			resolve(b, r, Ref{Branch: "main"})
		}
	})
	c := resolve(b, r, Ref{Branch: "main"})
	b.Run("tree again", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Tree(context.Background(), c, TreeOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read all", func(b *testing.B) {
		out, err := r.Tree(context.Background(), c, TreeOptions{})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(out.Tree.Size())
		for b.Loop() {
			if err := out.Tree.Walk(func(_ string, blob *tree.Blob) error { _, err := blob.Read(); return err }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
