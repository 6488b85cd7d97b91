package engine

import (
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

// Who filters for long keeps nobody else waiting, and what was filtered is
// remembered.
func TestFiltered(t *testing.T) {
	var b tree.Builder
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := b.Add(name, tree.BlobOf([]byte(name))); err != nil {
			t.Fatal(err)
		}
	}
	all, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	var f filtered
	slow, quick := "/a.yaml", "/b.yaml"
	busy := f.entry(all, &slow)
	busy.mu.Lock() // somebody is at it
	for range 2 {
		out, _, err := f.filter(all, &quick)
		if err != nil || out.Files() != 1 || out.Lookup("a.yaml").Kind != tree.File {
			t.Fatalf("got %d files, %v", out.Files(), err)
		}
	}
	busy.mu.Unlock()
	if out, _, err := f.filter(all, &slow); err != nil || out.Lookup("b.yaml").Kind != tree.File || len(f.recent) != 2 {
		t.Errorf("got %d files, %v; %d are remembered", out.Files(), err, len(f.recent))
	}
}
