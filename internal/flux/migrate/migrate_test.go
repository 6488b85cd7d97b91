package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"
)

// Each archive in testdata holds before.yaml, what is told, and after.yaml.
func TestFile(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Comment: archive.Comment}
			for _, f := range archive.Files {
				if f.Name != "before.yaml" {
					continue
				}
				r := File(f.Data, must(t))
				got.Files = append(got.Files, f, txtar.File{Name: "told", Data: []byte(told(r))}, txtar.File{Name: "after.yaml", Data: r.Text})
				again := File(r.Text, must(t))
				if len(again.Changes) > 0 {
					t.Errorf("a second run changes %v", again.Changes)
				}
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if have, want := string(txtar.Format(got)), string(txtar.Format(archive)); have != want {
				t.Errorf("got\n%s\nwant\n%s", have, want)
			}
		})
	}
}

// Whatever comes in: nothing panics, what is changed stays readable, and there
// is nothing left to change.
func FuzzFile(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Add([]byte("apiVersion: helm.toolkit.fluxcd.io/v2beta1\r\nkind: HelmRelease\r\nspec: {chart: {spec: {valuesFile: a}}}\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v := must(t)
		r := File(text, v)
		if again := File(r.Text, v); len(again.Changes) > 0 {
			t.Errorf("a second run changes %v", again.Changes)
		}
		if err := yaml.Unmarshal(text, new(any)); err == nil {
			if err := yaml.Unmarshal(r.Text, new(any)); err != nil {
				t.Errorf("%v, in\n%s", err, r.Text)
			}
		}
	})
}

func told(r Result) string {
	var b strings.Builder
	for _, c := range r.Changes {
		fmt.Fprintf(&b, "%d: %s\n", c.Line, c)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "%d: note: %s\n", n.Line, n.Text)
	}
	return b.String()
}

func must(t testing.TB) Versions {
	v, err := VersionsOf("")
	if err != nil {
		t.Fatal(err)
	}
	return v
}
