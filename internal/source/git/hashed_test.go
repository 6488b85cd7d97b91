package git

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// A tree of blobs that another pool put into trees is the same tree, and its contents
// are there; what was written down by halves says nothing.
func TestKnownBlobs(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"a": "1", "b/c": "2", "b/d": "1", "b/large": strings.Repeat("x", 100_000)})
	server := newServer(t, u.root).repo()
	tree := func(p *Pool) Checkout {
		t.Helper()
		r := remote(t, p, server, Credential{})
		out, err := r.Tree(context.Background(), resolve(t, r, Ref{Branch: "main"}), TreeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := newPool(t, Options{Remember: true})
	want := tree(first)
	text := first.Hashed()
	if len(text) != 3*hashedSize {
		t.Fatalf("%d bytes for three blobs", len(text))
	}
	for _, cut := range []int{0, 1, hashedSize, 2*hashedSize + 7, len(text)} {
		second := newPool(t, Options{Remember: true})
		second.Know(text[:cut])
		if n := len(second.hashed.by); n != cut/hashedSize {
			t.Errorf("of %d bytes %d blobs are known", cut, n)
		}
		got := tree(second)
		if got.Tree.Hash() != want.Tree.Hash() || got.Tree.Size() != want.Tree.Size() {
			t.Errorf("with %d bytes known: another tree", cut)
		}
		for _, p := range paths(want.Tree) {
			a, errA := want.Tree.ReadFile(p)
			b, errB := got.Tree.ReadFile(p)
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %v, %v", p, errA, errB)
			}
		}
		if !bytes.Equal(second.Hashed(), text) {
			t.Errorf("with %d bytes known: other blobs are known now", cut)
		}
	}
	if third := newPool(t, Options{}); len(tree(third).Notes) > 0 || len(third.Hashed()) > 0 {
		t.Error("a pool that is not to remember does")
	}
}
