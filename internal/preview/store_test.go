package preview

import (
	"fmt"
	"testing"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// However often a source is saved, a store holds what its fleets hold, and nothing
// once they are gone.
func TestStoreIsBounded(t *testing.T) {
	s := NewStore()
	a, b := s.Shelf(), s.Shelf()
	key := object.Key{Kind: "GitRepository", Namespace: "flux-system", Name: "flux-system"}
	for i := range 20 {
		files, err := tree.FromFiles(map[string]string{"a.yaml": fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		old, _ := a.Put(key, "main", "a.tar.gz", files)
		if _, err := b.Put(key, "main", "a.tar.gz", files); err != nil || !a.Has(old) || !b.Has(old) {
			t.Fatalf("%v; what was put is not there", err)
		}
		if again, _ := a.Put(key, "main", "a.tar.gz", files); again.Digest != old.Digest {
			t.Fatalf("got %s, want %s", again.Digest, old.Digest)
		}
		if got := len(s.content); got > generations {
			t.Fatalf("after %d saves the store holds %d", i+1, got)
		}
	}
	if file, err := b.PutFile(key, "1.0.0", "b.tgz", []byte("b")); err != nil || a.Has(file) || !b.Has(file) {
		t.Errorf("%v; a shelf has what another one holds", err)
	}
	a.Close()
	if got := len(s.content); got != generations {
		t.Errorf("after one fleet is gone the store holds %d, want %d", got, generations)
	}
	if err := b.RemoveAll(key); err != nil || len(s.content) != 0 || len(a.uses)+len(b.uses) != 0 {
		t.Errorf("%v; the store holds %d, want nothing", err, len(s.content))
	}
}
