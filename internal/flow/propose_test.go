package flow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

// branchOf reads a folder of the shared fleets as a branch.
func branchOf(t *testing.T, name, dir string) Branch {
	t.Helper()
	dir = filepath.Join(shared, dir)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the fleet %s is not beside the checkout: it was NOT tried", dir)
	}
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := tree.FromFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	return Branch{name, tr}
}

// What is proposed for the fleets is read without an error, finds pins, and adds
// nothing to itself.
func TestProposeFleets(t *testing.T) {
	for name, branches := range map[string][][2]string{
		"lsc-sde":    {{"main", "lsc-sde/git/iac-flux-lscsde/main"}, {"dev", "lsc-sde/git/iac-flux-lscsde/dev"}, {"prod", "lsc-sde/git/iac-flux-lscsde/prod"}},
		"radix-flux": {{"master", "radix-flux/master"}, {"release", "radix-flux/release"}},
		"radix-v1":   {{"master", "radix-flux/release"}, {"release", "radix-flux/release"}}, // when both branches had all directories
	} {
		t.Run(name, func(t *testing.T) {
			var all []Branch
			trees := map[string]tree.Tree{}
			for _, b := range branches {
				all = append(all, branchOf(t, b[0], b[1]))
				trees[b[0]] = all[len(all)-1].Tree
			}
			p := Propose(all)
			text := p.New()
			hold(t, "testdata/proposals/"+name+".yaml", text)
			f := parsed(t, string(text))
			pins := 0
			for _, e := range f.Environments {
				found, _ := Pins(trees[e.Branch], f, e)
				pins += len(found)
			}
			if pins == 0 {
				t.Error("the rules find no pin")
			}
			again, added, err := p.Into(FileName, text)
			if err != nil || len(added) > 0 || string(again) != string(text) {
				t.Errorf("run again it adds %v, %v", added, err)
			}
		})
	}
}

func TestProposeKeepsWhatWasWritten(t *testing.T) {
	files := func(f map[string]string) tree.Tree {
		tr, err := tree.FromFiles(f)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	release := func(image string) string {
		return "kind: HelmRelease\nmetadata: {name: a}\nspec: {chart: {spec: {version: 1.2.3}}, values: {image: {repository: " + image + "/app}}}\n"
	}
	all := map[string]string{}
	for env, image := range map[string]string{"dev": "acmedev.azurecr.io", "prod": "acmeprod.azurecr.io"} {
		for _, app := range []string{"a", "b", "c"} {
			all["clusters/"+env+"/"+app+".yaml"] = release(image)
		}
	}
	all["clusters/prod/flux-system/gotk-sync.yaml"] = ""
	p := Propose([]Branch{{"main", files(all)}})
	const person = `# ours
apiVersion: leat.dev/v1alpha1
kind: Flow

# the places
environments:
  - name: production # the name that we use
    branch: main
    directory: clusters/prod


# who may
groups: {ops: [alice]}`
	text, added, err := p.Into(FileName, []byte(person))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(person, "    directory: clusters/prod\n", `    directory: clusters/prod
  # - name: dev
  #   branch: main
  #   directory: clusters/dev
`, 1) + `
# pins:
  # - {file: "*.yaml", path: .spec.chart.spec.version, kind: chart}
# stays:
  # - files: ["**/flux-system/**"]
# maps:
  # - name: registry
  #   values: {dev: acmedev, prod: acmeprod}
`
	if string(text) != want || len(added) != 4 {
		t.Errorf("got\n%s\n%q", text, added)
	}
	again, added, err := p.Into(FileName, text)
	if err != nil || len(added) > 0 || string(again) != string(text) {
		t.Errorf("run again it adds %q, %v", added, err)
	}
	if _, err := Parse(FileName, []byte(strings.ReplaceAll(string(p.New()), "\t", ""))); err != nil {
		t.Error(err)
	}
}
