package registry

import (
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/source/oci"
)

// What is served is what an engine reads, and always the same.
func TestServed(t *testing.T) {
	files := map[string][]byte{"apps/a.yaml": []byte("a"), "b.yaml": []byte("b")}
	var revisions []string
	for range 2 {
		s, err := Start(files, "main")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r, err := oci.NewPool(oci.Options{}).Repository(s.URL(), oci.Access{})
		if err != nil {
			t.Fatal(err)
		}
		rev, err := r.Resolve(t.Context(), oci.Ref{Tag: "main"}, time.Now())
		if err != nil || rev.String() != s.Revision() {
			t.Fatalf("got %s, %v, want %s", rev, err, s.Revision())
		}
		man, err := r.Manifest(t.Context(), rev.Digest)
		if err != nil {
			t.Fatal(err)
		}
		tree, _, err := r.Tree(t.Context(), man.Layers[0])
		if b, err2 := tree.ReadFile("apps/a.yaml"); err != nil || err2 != nil || string(b) != "a" || tree.Files() != 2 {
			t.Errorf("got %q, %v, %v", b, err, err2)
		}
		revisions = append(revisions, rev.String())
	}
	if revisions[0] != revisions[1] {
		t.Errorf("got %v", revisions)
	}
}
