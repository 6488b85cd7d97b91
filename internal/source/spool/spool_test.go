package spool

import (
	"bytes"
	"os"
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := In(root, "x")
	var kept []tree.Content
	const many, each = 40, 100_000
	buf := make([]byte, each)
	for i := range many {
		copy(buf, bytes.Repeat([]byte{byte(i)}, each-i)) // whoever gives it may use it again
		c, err := f.Keep(buf[:each-i])
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, c)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("the file has a name: %v", left)
	}
	inMemory := 0
	for i, c := range kept {
		if _, ok := c.(tree.Bytes); ok {
			inMemory++
		}
		if got, err := c.Read(); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, each-i)) {
			t.Errorf("%d: got %d bytes, %v", i, len(got), err)
		}
	}
	if inMemory != 10 {
		t.Errorf("%d of %d contents are in memory", inMemory, many)
	}
	if c, err := f.Keep(nil); err != nil {
		t.Error(err)
	} else if got, err := c.Read(); err != nil || len(got) != 0 {
		t.Errorf("nothing: got %q, %v", got, err)
	}
	if _, err := In(root, "no/such/directory").Keep(make([]byte, 2<<20)); err == nil {
		t.Error("kept what has no place")
	}
}
