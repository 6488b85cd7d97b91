package edit

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

func TestRemove(t *testing.T) {
	for _, c := range []struct{ name, in, path, want string }{
		{"a line", "a: 1\nb: 2 # c\nc: 3\n", ".b", "a: 1\nc: 3\n"},
		{"a mapping", "a:\n  b: 1\n  c:\n  - x\n  # in c\n  - y\nd: 1\n", ".a.c", "a:\n  b: 1\nd: 1\n"},
		{"the only key", "a:\n  b:\n    c: 1\nd: 1\n", ".a.b.c", "a:\n  b: {}\nd: 1\n"},
		{"the only key in brackets", "a: {b: 1} # c\n", ".a.b", "a: {} # c\n"},
		{"the only item", "a:\n- b # c\nd: 1\n", ".a[0]", "a: []\nd: 1\n"},
		{"no final newline", "a: 1\nb: 2", ".b", "a: 1"},
		{"an item", "a:\n  - x\n  - y\n", ".a[0]", "a:\n  - y\n"},
		{"an item with keys", "a:\n- name: x\n  v: 1\n- name: y\n", ".a[name=x]", "a:\n- name: y\n"},
		{"in brackets", "a: {b: 1, c: 2, d: 3}\n", ".a.c", "a: {b: 1, d: 3}\n"},
		{"the last in brackets", "a: [1, 2]\n", ".a[1]", "a: [1]\n"},
		{"a block text", "a: |\n  x\n\n  y\nb: 1\n", ".a", "b: 1\n"},
		{"json", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", ".a", "{\n  \"b\": 2\n}\n"},
	} {
		got, err := Remove([]byte(c.in), MustPath(c.path))
		if string(got) != c.want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	for in, want := range map[string]string{"a: 1\n": "all that the document says", "b: 1\n": "there is no .a", "x:\n- a: 1\n  b: 2\n": "lines of its own"} {
		path := ".a"
		if strings.HasPrefix(in, "x") {
			path = ".x[0].a"
		}
		if _, err := Remove([]byte(in), MustPath(path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("remove %s of %q: %v, want %s", path, in, err, want)
		}
	}
}

func TestGraft(t *testing.T) {
	for _, c := range []struct{ name, in, path, from, want string }{
		{"a value and its type", "a: 1 # mine\n", ".a", "a: \"2\" # theirs\n", "a: \"2\" # mine\n"},
		{"a list", "s:\n    a:\n        - x\n    b: 1\n", ".s.a", "s:\n  a: # why\n  - y # c\n  - z\n", "s:\n    a: # why\n    - y # c\n    - z\n    b: 1\n"},
		{"a block text", "s:\n  a: x\n  b: 1\n", ".s.a", "s:\n    a: |\n      1\n\n      2\n", "s:\n  a: |\n    1\n\n    2\n  b: 1\n"},
		{"a new mapping", "s:\n  a: 1\n  z: 1\n", ".s.m", "s:\n    a: 1\n    m:\n        # of n\n        n: 1\n    z: 1\n", "s:\n  a: 1\n  m:\n      # of n\n      n: 1\n  z: 1\n"},
		{"a comment above", "s:\n  a: 1\n", ".s.b", "s:\n    a: 1\n    # not this\n\n    # of b\n    # too\n    b: 1\n", "s:\n  a: 1\n  # of b\n  # too\n  b: 1\n"},
		{"a new item", "r:\n  - a\n  - c\n", ".r[9]", "r:\n- a\n- b # c\n- c\n", ""},
		{"a new item by name", "c:\n- name: a\n  v: 1\n", ".c[name=b]", "c:\n  - name: a\n    v: 1\n  - name: b\n    v: 2\n", "c:\n- name: a\n  v: 1\n- name: b\n  v: 2\n"},
		{"to CRLF", "s:\r\n  a: 1\r\n", ".s.b", "s:\n  a: 1\n  b:\n    c: 1\n", "s:\r\n  a: 1\r\n  b:\r\n    c: 1\r\n"},
		{"a scalar to a mapping", "a: x\nb: 1\n", ".a", "a:\n  c: 1\n", "a:\n  c: 1\nb: 1\n"},
		{"a mapping to a scalar", "a:\n  c: 1\nb: 1\n", ".a", "a: x\n", "a: x\nb: 1\n"},
		{"in brackets", "a: {b: [1], c: 2}\n", ".a.b", "a:\n  b: [3, 4]\n", "a: {b: [3, 4], c: 2}\n"},
		{"an empty mapping", "a: {}\nb: 1\n", ".a", "a:\n  c: 1\n", "a:\n  c: 1\nb: 1\n"},
	} {
		fromPath := MustPath(c.path)
		if c.name == "a new item" {
			fromPath, c.want = MustPath(".r[1]"), "r:\n  - a\n  - b # c\n  - c\n"
		}
		got, err := Graft([]byte(c.in), MustPath(c.path), []byte(c.from), fromPath)
		if string(got) != c.want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// Whatever is taken out of a file of the fleets can be put back, and everything
// is there again.
func TestRemoveAndGraftOnFleets(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	tried, refused := 0, map[string]int{}
	for _, file := range fleetFiles(t) {
		if rng.IntN(4) > 0 {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil || len(data) > 50<<10 {
			continue
		}
		before, err := read(data)
		if err != nil || len(before.docs) == 0 {
			continue
		}
		all := before.places()
		p := all[rng.IntN(len(all))]
		if p.parent == nil || entries(p.parent) == 1 {
			continue // what Remove leaves Graft does not add to
		}
		tried++
		without, err := Remove(data, p.path)
		if err != nil {
			refused[err.Error()[strings.LastIndex(err.Error(), ": ")+2:]]++
			continue
		}
		back := Path{p.path.Document, append([]Step(nil), p.path.Steps...)}
		if last := &back.Steps[len(back.Steps)-1]; last.Item {
			last.Index = 1 << 20 // one more than there is
		}
		with, err := Graft(without, back, data, p.path)
		if err != nil {
			refused[err.Error()[strings.LastIndex(err.Error(), ": ")+2:]]++
			continue
		}
		after, err := read(with)
		if err != nil {
			t.Fatalf("%s: %s: %v", file, p.path, err)
		}
		if got, want := len(after.places()), len(all); got != want {
			t.Errorf("%s: %s: %d nodes, want %d", file, p.path, got, want)
		}
	}
	t.Logf("%d tried, refused %v", tried, refused)
}
