package expect_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/expect"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/fleet/fleettxt"
	"github.com/leat-dev/leat/internal/object"
)

var update = flag.Bool("update", false, "write what is not as expected into the archives")

// Every archive of testdata holds a fleet (see package fleettxt), a file of
// expectations, and in «want» what fails: errors of the file, or failures.
func TestExpectations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			archive := txtar.Parse(data)
			var spec []byte
			of := &txtar.Archive{}
			for _, f := range archive.Files {
				if f.Name == "leat.test.yaml" {
					spec = f.Data
				} else {
					of.Files = append(of.Files, f)
				}
			}
			pair, err := fleettxt.Parse(txtar.Format(of))
			if err != nil {
				t.Fatal(err)
			}
			got := outcome(spec, pair.Head)
			if *update {
				archive.Files[len(archive.Files)-1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != pair.Want {
				t.Errorf("got\n%swant\n%s", got, pair.Want)
			}
		})
	}
}

func outcome(data []byte, head fleet.Rendered) string {
	spec, err := expect.Parse("leat.test.yaml", data)
	if err != nil {
		return err.Error() + "\n"
	}
	head.Placeholders = []fleet.Placeholder{{Object: object.Ref{Key: object.Key{Kind: "Secret", Namespace: "flux-system", Name: "vars"}}}}
	set := change.Compare(fleet.Rendered{}, head, change.Options{})
	out := ""
	for _, c := range spec.Clusters {
		for _, f := range c.Check(expect.Got{Fleet: head, Findings: finding.Check(set, finding.Rules)}) {
			out += f.String() + "\n"
		}
	}
	return out
}

// The example of the docs can be read, and says what the docs say it does.
func TestExampleOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/test.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	if !found {
		t.Fatal("docs/test.md has no example")
	}
	spec, err := expect.Parse("docs/test.md", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if n := spec.Clusters[0].Count(); n < 10 {
		t.Errorf("the example has %d expectations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("apiVersion: leat.dev/test/v1\nkind: FleetTest\nclusters: [{path: a, units: [Kustomization/a/b], objects: {A: '>= 3'}}]"))
	f.Add([]byte("clusters: [{units: {a: b}, images: 3, findings: {fail: danger, allow: [x]}, placeholders: -1}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := expect.Parse("f", data)
		if err != nil && !strings.Contains(err.Error(), "f:") && !strings.Contains(err.Error(), "read f") {
			t.Errorf("%q: %v names no place", data, err)
		}
		for _, c := range spec.Clusters {
			c.Check(expect.Got{})
		}
	})
}
