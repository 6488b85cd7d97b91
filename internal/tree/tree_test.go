package tree

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

func must(t interface{ Fatal(...any) }, files map[string]string) Tree {
	tr, err := FromFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestFS(t *testing.T) {
	tr := must(t, map[string]string{"a/b.yaml": "1", "a/c/d.yaml": "2", "e.yaml": "3"})
	if err := fstest.TestFS(tr.FS(), "a/b.yaml", "a/c/d.yaml", "e.yaml"); err != nil {
		t.Fatal(err)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"": ".", ".": ".", "./": ".", "/": ".", "./a/": "a", "/a/b": "a/b", "a//b/./c": "a/b/c", "a/../b": "b",
	} {
		got, err := Clean(in)
		if err != nil || got != want {
			t.Errorf("Clean(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"..", "../x", "a/../../x", "a\x00b", strings.Repeat("x/", MaxPath)} {
		if got, err := Clean(in); err == nil {
			t.Errorf("Clean(%.20q) = %q; want an error", in, got)
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	cases := map[string]struct {
		limits Limits
		files  []string
		want   string
	}{
		"twice":          {files: []string{"a", "a"}, want: "already"},
		"file in way":    {files: []string{"a", "a/b"}, want: "is a file"},
		"dir in way":     {files: []string{"a/b", "a"}, want: "already"},
		"out":            {files: []string{"../a"}, want: "leads out"},
		"too many":       {limits: Limits{Files: 1}, files: []string{"a", "b"}, want: "more than 1 files"},
		"too large":      {limits: Limits{FileBytes: 1}, files: []string{"a"}, want: "limit of 1 for one file"},
		"too much":       {limits: Limits{Bytes: 3}, files: []string{"a", "b"}, want: "more than 3 bytes"},
		"root":           {files: []string{"."}, want: "names the root"},
		"nested too far": {files: []string{strings.Repeat("d/", MaxDepth) + "f"}, want: "deeper"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := Builder{Limits: c.limits}
			var err error
			for _, f := range c.files {
				if err = b.Add(f, BlobOf([]byte("xx"))); err != nil {
					break
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// model is a tree as a map of paths, drawn so that no file is in the way of another.
func model(t *rapid.T) map[string]string {
	leaf := rapid.SampledFrom([]string{"f1", "f2", "f3"})
	dirs := rapid.SampledFrom([]string{"", "a/", "b/", "a/c/", "b/c/d/"})
	return rapid.MapOf(
		rapid.Custom(func(t *rapid.T) string { return dirs.Draw(t, "dir") + leaf.Draw(t, "leaf") }),
		rapid.SampledFrom([]string{"", "x", "y"}),
	).Draw(t, "files")
}

func contents(t *rapid.T, tr Tree) map[string]string {
	out := map[string]string{}
	err := tr.Walk(func(p string, b *Blob) error {
		text, err := b.Read()
		out[p] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// However a tree was made, equal contents mean equal hashes and no changes,
// and a tree behaves as the map of its files.
func TestTreeIsItsFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := model(t), model(t)
		a, b := must(t, from), must(t, to)
		if got := contents(t, a); !maps.Equal(got, from) {
			t.Fatalf("got %v, want %v", got, from)
		}
		var want []string
		for p, text := range from {
			if other, ok := to[p]; !ok || other != text {
				want = append(want, p)
			}
		}
		for p := range to {
			if _, ok := from[p]; !ok {
				want = append(want, p)
			}
		}
		slices.Sort(want)
		got := Changed(a, b)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("Changed = %v, want %v", got, want)
		}
		step := a
		for _, p := range got {
			var err error
			if text, ok := to[p]; ok {
				step, err = step.With(p, BlobOf([]byte(text)))
			} else {
				step, err = step.Without(p)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		step = step.Filter(func(string, Kind) bool { return true }) // drops empty directories
		if step.Hash() != b.Hash() {
			t.Fatalf("edited %v is not %v", contents(t, step), to)
		}
		both := maps.Clone(from)
		maps.Copy(both, to)
		if over := a.Overlay(b); !maps.Equal(contents(t, over), both) {
			t.Fatalf("Overlay = %v, want %v", contents(t, over), both)
		}
	})
}
