package build

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

var update = flag.Bool("update", false, "write what was got as what is wanted")

// txcase is a case of testdata: a recipe, a tree, and what comes out.
//
//	-- recipe.yaml --    the fields of Recipe
//	-- tree/<path> --    the source
//	-- want.yaml --      kustomize's output after substitution
//	-- objects.yaml --   the objects, where the case is about them
//	-- warnings --       where the case is about them
//	-- error --          or how the build fails
//	-- flux --           why Flux's library is not asked or differs
//
// Without the last, Flux's library must give the same bytes, or fail too.
type txcase struct {
	archive *txtar.Archive
	recipe  Recipe
	tree    tree.Tree
}

func readCase(t *testing.T, name string) txcase {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	c := txcase{archive: archive}
	var b tree.Builder
	for _, f := range archive.Files {
		if f.Name == "recipe.yaml" {
			if err := yaml.UnmarshalStrict(f.Data, &c.recipe); err != nil {
				t.Fatal(err)
			}
		}
		if p, ok := strings.CutPrefix(f.Name, "tree/"); ok {
			if err := b.Add(p, tree.BlobOf(f.Data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if c.tree, err = b.Tree(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c txcase) file(name string) (string, bool) {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data), true
		}
	}
	return "", false
}

// set replaces or adds a file of the archive.
func (c txcase) set(name, text string) {
	for i := range c.archive.Files {
		if c.archive.Files[i].Name == name {
			c.archive.Files[i].Data = []byte(text)
			return
		}
	}
	c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(text)})
}

func TestCases(t *testing.T) {
	names, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for i, name := range names {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(name, "testdata/"), ".txtar"), func(t *testing.T) {
			c := readCase(t, name)
			got := c.run()
			if *update {
				for f := range got {
					c.set(f, got[f])
				}
				if err := os.WriteFile(name, txtar.Format(c.archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for f, text := range got {
				want, stated := c.file(f)
				// encoding/json words this either way on purpose, so that nobody rests on it
				text = strings.ReplaceAll(text, "json: unable to unmarshal", "json: cannot unmarshal")
				if diff := cmp.Diff(want, text); diff != "" && (stated || f == "want.yaml" || f == "error") {
					t.Errorf("%s (-want +got):\n%s", f, diff)
				}
			}
			if _, wantsError := c.file("error"); wantsError && got["error"] == "" {
				t.Error("no error")
			}
			if !testing.Short() || i%5 == 0 { // the whole suite compares them all
				c.compareWithFlux(t, got)
			}
		})
	}
}

// run builds the case; what is got is in the form of the archive's files.
func (c txcase) run() map[string]string {
	ctx := context.Background()
	text, err := ours(c.tree, c.recipe, Options{})
	var res Result
	if err == nil {
		res, err = run(ctx, c.tree, c.recipe, Options{}, &record.Recorder{})
	}
	if err != nil {
		return map[string]string{"error": err.Error() + "\n"}
	}
	if want := hash.OfString(text).String(); res.Checksum != want {
		return map[string]string{"error": "checksum " + res.Checksum + ", want that of the output, " + want}
	}
	got := map[string]string{"want.yaml": text}
	if _, ok := c.file("objects.yaml"); ok {
		var docs []string
		for _, o := range res.Objects {
			doc, err := yaml.JSONToYAML(o.JSON)
			if err != nil {
				return map[string]string{"error": err.Error() + "\n"}
			}
			docs = append(docs, string(doc))
		}
		got["objects.yaml"] = strings.Join(docs, "---\n")
	}
	if _, ok := c.file("warnings"); ok {
		got["warnings"] = strings.Join(res.Warnings, "\n") + "\n"
	}
	return got
}

func (c txcase) compareWithFlux(t *testing.T, got map[string]string) {
	if why, differs := c.file("flux"); differs {
		t.Logf("not compared with Flux: %s", why)
		return
	}
	text, err := flux(copyTree(t, c.tree), c.recipe)
	if failed := got["error"] != ""; failed != (err != nil) {
		t.Errorf("got error %q, Flux's library %v", got["error"], err)
	} else if diff := cmp.Diff(text, got["want.yaml"]); !failed && diff != "" {
		t.Errorf("not Flux's bytes (-Flux +got):\n%s", diff)
	}
}
