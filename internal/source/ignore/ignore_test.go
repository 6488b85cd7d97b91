package ignore

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/tree"
)

func TestFilter(t *testing.T) {
	text := func(s string) *string { return &s }
	cases := map[string]struct {
		files  map[string]string
		spec   *string
		bucket bool
		want   []string
	}{
		"defaults": {
			files: map[string]string{"a.yaml": "", "logo.png": "", "x/pack.tar.gz": "", ".github/w.yml": "", ".travis.yml": "",
				"x/.sops.yaml": "", ".flux.yaml": "", ".gitignore": "", "x/.gitattributes": "", ".git/HEAD": "", "LOGO.PNG": ""},
			want: []string{"LOGO.PNG", "a.yaml"},
		},
		"a rule replaces the defaults, never those of version control": {
			files: map[string]string{"a.yaml": "", "logo.png": "", "b.txt": "", ".gitmodules": "", ".sourceignore": "*.txt"},
			want:  []string{".sourceignore", "a.yaml", "logo.png"},
		},
		"an empty .sourceignore keeps the defaults": {
			files: map[string]string{"logo.png": "", ".sourceignore": "# nothing\n\n"},
			want:  []string{".sourceignore"},
		},
		"an empty spec keeps the defaults": {
			files: map[string]string{"logo.png": "", "a": ""}, spec: text(""),
			want: []string{"a"},
		},
		"directories scope their rules": {
			files: map[string]string{"a/.sourceignore": "/x\n", "a/x": "", "b/x": "", "x": ""},
			want:  []string{"a/.sourceignore", "b/x", "x"},
		},
		"spec has the last word": {
			files: map[string]string{".sourceignore": "*.txt", "a.txt": "", "b.txt": ""}, spec: text("!b.txt"),
			want: []string{".sourceignore", "b.txt"},
		},
		"everything but": {
			files: map[string]string{"a/b/c.yaml": "", "a/d.yaml": "", "e.yaml": ""}, spec: text("/*\n!/a/b\n"),
			want: []string{"a/b/c.yaml"},
		},
		"back from under a directory": {
			files: map[string]string{"a/keep.yaml": "", "a/drop.yaml": ""}, spec: text("a/\n!a/keep.yaml"),
			want: []string{"a/keep.yaml"},
		},
		"bucket": {
			files:  map[string]string{"logo.png": "", "a/.sourceignore": "x", "a/x": "", ".sourceignore": "y", "y": ""},
			bucket: true,
			want:   []string{".sourceignore", "a/.sourceignore", "a/x", "logo.png"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in, err := tree.FromFiles(c.files)
			if err != nil {
				t.Fatal(err)
			}
			filter := Filter
			if c.bucket {
				filter = FilterBucket
			}
			got, warnings, err := filter(in, c.spec)
			if err != nil || len(warnings) != 0 {
				t.Fatalf("warnings %v, error %v", warnings, err)
			}
			if diff := cmp.Diff(paths(got), c.want); diff != "" {
				t.Errorf("got - want +\n%s", diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	in, _ := tree.FromFiles(map[string]string{"d/.sourceignore": "ok\n[a\n", "d/f": ""})
	spec := "a**/b"
	_, got, err := Filter(in, &spec)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`d/.sourceignore:2: "[a" matches nothing: not a valid pattern (unclosed [ or trailing \)`,
		`spec.ignore:1: "a**/b" matches nothing: ** must stand alone between slashes`,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got - want +\n%s", diff)
	}
}

func TestTooManyPatterns(t *testing.T) {
	spec := strings.Repeat("x\n", MaxPatterns+1)
	if _, _, err := Filter(tree.Tree{}, &spec); err == nil {
		t.Error("no error")
	}
}

// Few patterns may stand against many files, and many against few.
func TestTooManyMatches(t *testing.T) {
	var b tree.Builder
	for i := range 20_000 {
		if err := b.Add(fmt.Sprintf("%d/%d.yaml", i%100, i), tree.BlobOf(nil)); err != nil {
			t.Fatal(err)
		}
	}
	many, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	few := strings.Repeat("/x\n", 10)
	if _, _, err := Filter(many, &few); err != nil {
		t.Error(err)
	}
	spec := strings.Repeat("*a*b*c*\n", 9000)
	if _, _, err := Filter(many, &spec); err == nil || !strings.Contains(err.Error(), "20000 files are too many to match") {
		t.Errorf("got %v", err)
	}
	if _, _, err := Filter(tree.Tree{}, &spec); err != nil {
		t.Error(err)
	}
}

func paths(t tree.Tree) []string {
	out := []string{}
	t.Walk(func(p string, _ *tree.Blob) error { out = append(out, p); return nil })
	slices.Sort(out)
	return out
}

// Filter keeps exactly the files that Flux archives from the same directory.
func TestAsUpstream(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "a.txt", "logo.png", ".gitignore", ".sops.yaml", ".github", "[x]", "d e"})
	line := rapid.Custom(func(t *rapid.T) string {
		elem := rapid.SampledFrom([]string{"a", "b", "*", "**", "a*", "?", "[ab]", "*.txt", "[", "c", "d e", "!", "#", "\\"})
		p := strings.Join(rapid.SliceOfN(elem, 1, 3).Draw(t, "elems"), "/")
		for _, affix := range []string{"!", "/"} {
			if rapid.Bool().Draw(t, affix) {
				p = affix + p
			}
		}
		return p + rapid.SampledFrom([]string{"", "/", " ", "/**", "\\ "}).Draw(t, "end")
	})
	text := rapid.Map(rapid.SliceOfN(line, 0, 3), func(ls []string) string { return strings.Join(ls, "\n") })
	rapid.Check(t, func(rt *rapid.T) {
		files := map[string]string{}
		for range rapid.IntRange(1, 12).Draw(rt, "files") {
			p := strings.Join(rapid.SliceOfN(name, 1, 4).Draw(rt, "path"), "/")
			if rapid.IntRange(0, 4).Draw(rt, "ignore") == 0 {
				p = filepath.Join(filepath.Dir(p), File)
				files[p] = text.Draw(rt, "text")
			} else {
				files[p] = ""
			}
		}
		var b tree.Builder
		for _, p := range slices.Sorted(maps.Keys(files)) {
			if b.Add(p, tree.BlobOf([]byte(files[p]))) != nil {
				delete(files, p)
			}
		}
		in, _ := b.Tree()
		var spec *string
		if rapid.Bool().Draw(rt, "has spec") {
			s := text.Draw(rt, "spec")
			spec = &s
		}
		got, _, err := Filter(in, spec)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(paths(got), upstream(t, files, spec)); diff != "" {
			rt.Errorf("files %q\nspec %v\ngot - want +\n%s", files, spec, diff)
		}
	})
}

// upstream lists what source-controller would put into the artifact.
func upstream(t *testing.T, files map[string]string, spec *string) []string {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for p, text := range files {
		at := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	domain := strings.Split(dir, "/")
	ps, err := sourceignore.LoadIgnorePatterns(dir, domain)
	if err != nil {
		t.Fatal(err)
	}
	if spec != nil {
		ps = append(ps, sourceignore.ReadPatterns(strings.NewReader(*spec), domain)...)
	}
	m := sourceignore.NewDefaultMatcher(ps, domain)
	if len(ps) > 0 {
		m = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(domain), ps...))
	}
	out := []string{}
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !m.Match(strings.Split(p, "/"), false) {
			rel, _ := filepath.Rel(dir, p)
			out = append(out, rel)
		}
		return err
	})
	slices.Sort(out)
	return out
}
