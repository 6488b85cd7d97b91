package build

import (
	"context"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/leat-dev/leat/internal/tree"
)

// FuzzBuild feeds kustomizations and what they name: no input may take the
// process down, reach for what is not in the tree, or build to something else
// the second time.
func FuzzBuild(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		seed := map[string]string{}
		for _, file := range archive.Files {
			kind := "a"
			switch base := path.Base(file.Name); {
			case !strings.HasPrefix(file.Name, "tree/"):
				continue
			case base == "kustomization.yaml":
				kind = "k"
			case seed["a"] != "":
				kind = "b"
			}
			seed[kind] = string(file.Data)
		}
		f.Add(seed["k"], seed["a"], seed["b"])
	}
	f.Fuzz(func(t *testing.T, k, a, b string) {
		if len(k)+len(a)+len(b) > 1<<14 {
			return
		}
		tr, err := tree.FromFiles(map[string]string{
			"app/kustomization.yaml": k, "app/a.yaml": a, "app/b.yaml": b, "app/x.yaml": b, "app/p.yaml": b,
			"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": a, "c/kustomization.yml": k,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []Recipe{{Path: "app"}, {Path: "."}, {Path: "base", Components: []string{"../c"}}} {
			first, second := buildAll(tr, r), buildAll(tr, r)
			if first.String() != second.String() {
				t.Errorf("two builds of one tree:\n%s\n%s", first, second)
			}
			for _, read := range first.reads {
				if clean, err := tree.Clean(read.Key); err != nil || clean != read.Key {
					t.Errorf("read of %q, which is no clean path of the tree", read.Key)
				}
			}
			if first.changed(tr) {
				t.Error("the ReadSet does not hold for the tree that it was read from")
			}
		}
	})
}

// FuzzSubstitute holds that no variables can make more of one object, and that
// nothing panics.
func FuzzSubstitute(f *testing.F) {
	f.Add("k: ${a}", "x", "y")
	f.Add("k: \"${a:=${b}}\"", "\n---\napiVersion: v1", "${a}")
	f.Add("k: ${a//x/${b}}", "xxxx", "yy")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		if len(text)+len(a)+len(b) > 1<<14 {
			return
		}
		tr, err := tree.FromFiles(map[string]string{
			"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  " + strings.ReplaceAll(text, "\n", "\n  ") + "\n",
		})
		if err != nil {
			t.Fatal(err)
		}
		plain, _, err := Run(context.Background(), tr, Recipe{}, Options{})
		if err != nil {
			return
		}
		got, _, err := Run(context.Background(), tr, Recipe{Substitute: map[string]string{"a": a, "b": b}}, Options{})
		if err == nil && len(got.Objects) > len(plain.Objects) {
			t.Errorf("%d objects became %d", len(plain.Objects), len(got.Objects))
		}
	})
}
