package git

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/tree"
)

// protocols are the versions that servers speak.
var protocols = map[string][]guard{"v0": {v0}, "v2": nil}

// A fetch after the first brings what is new, and the tree is that of git.
func TestFetchIsIncremental(t *testing.T) {
	for name, guards := range protocols {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			files := map[string]string{}
			for i := range 300 {
				files[fmt.Sprintf("apps/app-%d/kustomization.yaml", i)] = strings.Repeat(fmt.Sprintf("resources: [a%d]\n", i*7919), 20)
			}
			u.commit(files)
			srv := newServer(t, u.root, guards...)
			r := remote(t, newPool(t, Options{}), srv.repo(), Credential{})
			for i := range 4 {
				want := u.commit(map[string]string{"apps/app-7/kustomization.yaml": fmt.Sprint("edit ", i), fmt.Sprintf("new/%d.yaml", i): "x"})
				before := r.Stats()
				c, err := r.Resolve(context.Background(), Ref{Branch: "main"}, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				if got := c.Revision(); got != "main@sha1:"+want {
					t.Errorf("revision %s, want main@sha1:%s", got, want)
				}
				checkTree(t, u, r, c)
				got := r.Stats()
				t.Logf("fetch %d: %d objects, %d bytes", i, got.Objects-before.Objects, got.Bytes-before.Bytes)
				if i > 0 && got.Objects-before.Objects > 8 {
					t.Errorf("fetch %d brought %d objects for a change of two files", i, got.Objects-before.Objects)
				}
			}
		})
	}
}

// checkTree compares with what git itself says is in the commit.
func checkTree(t testing.TB, u *upstream, r *Remote, c Commit) tree.Tree {
	t.Helper()
	got, err := r.Tree(context.Background(), c, TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.SplitSeq(u.git("ls-tree", "-r", c.Hash.String()), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[1] != "blob" || fields[0] == "120000" {
			continue
		}
		n++
		e := got.Tree.Lookup(fields[3])
		if e.Kind != tree.File || (fields[0] == "100755") != (e.Blob.Mode == tree.Executable) {
			t.Fatalf("%s: got %v", line, e)
		}
	}
	if got.Tree.Files() != n {
		t.Fatalf("%d files, git has %d", got.Tree.Files(), n)
	}
	err = got.Tree.Walk(func(p string, b *tree.Blob) error {
		text, err := b.Read()
		if err == nil && n < 50 && strings.TrimSpace(string(text)) != u.git("show", c.Hash.String()+":"+p) {
			t.Errorf("%s: got %q", p, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got.Tree
}
