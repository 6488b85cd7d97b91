package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A pipe has no end until somebody writes into it, so that reading it would hang.
func TestOnlyRegularFilesAreEdited(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(file, []byte("a: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if data, err := readEdited(Env{}, link); err != nil || string(data) != "a: 1\n" {
		t.Errorf("got %q %v", data, err)
	}
	for _, name := range []string{dir, os.DevNull} {
		if _, err := readEdited(Env{}, name); err == nil || !strings.Contains(err.Error(), "is no regular file") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
