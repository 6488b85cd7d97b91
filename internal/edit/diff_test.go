package edit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("x\n", n) }
	for _, c := range []struct{ name, before, after, want string }{
		{"nothing", "a\n", "a\n", ""},
		{"one line", "a\nb\nc\n", "a\nB\nc\n", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"from nothing", "", "a\n", "--- a/f\n+++ b/f\n@@ -0,0 +1,1 @@\n+a\n"},
		{"no final newline", "a\nb", "a\nc", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"},
		{"two places", "a\n" + lines(9) + "b\n", "A\n" + lines(9) + "B\n", "--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n-a\n+A\n x\n x\n x\n@@ -8,4 +8,4 @@\n x\n x\n x\n-b\n+B\n"},
		{"two places near each other", "a\n" + lines(6) + "b\n", "A\n" + lines(6) + "B\n", "--- a/f\n+++ b/f\n@@ -1,8 +1,8 @@\n-a\n+A\n x\n x\n x\n x\n x\n x\n-b\n+B\n"},
	} {
		if got := Unified("f", c.before, c.after); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
		applied(t, c.before, c.after)
	}
}

// applied holds a diff to what git apply makes of it.
func applied(t *testing.T, before, after string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil || before == after || before == "" {
		return
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "apply", "-")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(Unified("f", before, after))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("git apply: %v\n%s", err, out)
		return
	}
	if got, _ := os.ReadFile(file); string(got) != after {
		t.Errorf("git apply made %q, want %q", got, after)
	}
}

func TestShown(t *testing.T) {
	in := "kind: Secret\nstringData:\n  a: hunter2\n  b: |\n    hunter3\n    x\n  c: \"hunter4\"\n---\nkind: ConfigMap\ndata: {a: shown}\n"
	after, done, err := Apply([]byte(in), Change{Path: MustPath(".stringData.c"), Value: "hunter5"})
	if err != nil || !done[0].Secret {
		t.Fatal(done, err)
	}
	before, err := Shown([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := Shown(after, done...)
	if err != nil {
		t.Fatal(err)
	}
	got := Unified("f", before, shown)
	want := "--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n stringData:\n   a: «secret»\n   b: «secret»\n-  c: «secret»\n+  c: «secret, new»\n ---\n kind: ConfigMap\n data: {a: shown}\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
