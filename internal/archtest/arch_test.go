// Package archtest holds the layers: imports go downwards only, and what a layer
// may touch of the outside is said here, with a reason for each exception.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/leat-dev/leat/"

// layer is a height: a package imports its own layer and those below.
type layer int

const (
	l0   layer = iota // no domain words
	l1                // vocabulary
	l2                // pure: no network, no files, no clock
	port              // L2': touches the outside, decides nothing about units
	l3                // effects and stories
	l4                // shells
	l5                // wiring, flags, printing
)

// layers places every package; one that is missing fails the test.
var layers = map[string]layer{
	"internal/archtest": l0, "internal/hash": l0, "internal/words": l0, "internal/persons": l0, "internal/secret": l0, "internal/testkit": l0,

	"internal/object": l1, "internal/record": l1, "internal/tree": l1, "internal/cel": l1, "internal/mirror": l1,

	"internal/unit": l2, "internal/build": l2, "internal/plan": l2, "internal/health": l2, "internal/report": l2,
	"internal/inventory": l2, "internal/generate": l2, "internal/entry": l2, "internal/screen": l2, "internal/crd": l2,
	"internal/world": l2, "internal/world/schema": l2, "internal/chart": l2, "internal/release": l2,
	"internal/gate": l2, "internal/access": l2, "internal/check": l2, "internal/version": l2, "internal/fleet": l2, "internal/fleet/fleettxt": l2, "internal/change": l2, "internal/finding": l2, "internal/provenance": l2, "internal/drift": l2, "internal/present": l2, "internal/validate": l2, "internal/expect": l2, "internal/flow": l2, "internal/flow/show": l2,

	"internal/edit": l2, "internal/promote": l2, "internal/writeback": l2, "internal/flux": l2, "internal/flux/create": l2, "internal/flux/migrate": l2, "internal/flux/yamldiff": l2, "internal/flux/trigger": l2, "internal/flux/plugin": l2,

	"internal/source/ignore": port, "internal/source/fault": port, "internal/source/untar": port, "internal/source/spool": port, "internal/source/git": port, "internal/source/git/wire": port,
	"internal/source/artifact": port, "internal/source/oci": port, "internal/source/worktree": port, "internal/source/include": port, "internal/source/bases": port,
	"internal/world/cluster": port, "internal/world/memory": port, "internal/world/overlay": port, "internal/world/remote": port, "internal/world/live": port, "internal/world/serve": port,
	"internal/world/worldtest": port, "internal/source/charts": port, "internal/isolate": port, "internal/collect": port, "internal/image": port, "internal/saved": port, "internal/image/cmd/mkimage": l5,

	"internal/repo": port, "internal/repo/repotest": port, "internal/forge": port, "internal/forge/rest": port, "internal/forge/hub": port, "internal/forge/forgetest": port,
	"internal/forge/gitea": port, "internal/forge/gitea/giteatest": port, "internal/forge/github": port, "internal/forge/gitlab": port, "internal/forge/plain": port,
	"internal/forge/bitbucket": port, "internal/forge/bitbucketcloud": port, "internal/forge/azure": port,
	"internal/forge/github/githubtest": port, "internal/forge/gitlab/gitlabtest": port, "internal/forge/azure/azuretest": port, "internal/forge/bitbucket/bitbuckettest": port, "internal/forge/bitbucketcloud/bitbucketcloudtest": port,

	"internal/sched": l3, "internal/grant": l3, "internal/apply": l3, "internal/commit": l3, "internal/engine": l3, "internal/install": l3, "internal/carry": l3, "internal/keeper": l3, "internal/helm": l3,

	"internal/controller": l4, "internal/preview": l4,

	"internal/app": l5, "internal/cli": l5, "internal/fluxcli": l5, "cmd/leat": l5,
}

// exceptions are imports upwards that are meant, with the reason.
var exceptions = map[string]string{}

// outside are packages that a pure package must not import.
var outside = []string{"net/http", "net", "os", "os/exec", "syscall"}

// touches are pure packages that may import one of them all the same.
var touches = map[string]string{
	"internal/build os": "kustomize's file system interface has os.FileMode and os.ErrPermission in its signatures",
}

func TestLayers(t *testing.T) {
	root := filepath.Join("..", "..")
	for pkg, files := range packages(t, root) {
		have, placed := layers[pkg]
		if !placed {
			t.Errorf("%s stands in no layer; place it in %s", pkg, "internal/archtest/arch_test.go")
			continue
		}
		for _, file := range files {
			for _, imported := range imports(t, file) {
				check(t, pkg, have, imported)
			}
		}
	}
}

func check(t *testing.T, pkg string, have layer, imported string) {
	t.Helper()
	if below, ours := strings.CutPrefix(imported, module); ours {
		want, placed := layers[below]
		if placed && want > have && exceptions[pkg+" "+below] == "" {
			t.Errorf("%s imports %s, which stands above it", pkg, below)
		}
		return
	}
	if have <= l2 && slices.Contains(outside, imported) && touches[pkg+" "+imported] == "" {
		t.Errorf("%s is pure and imports %s", pkg, imported)
	}
}

// packages returns the non-test files of every package of the root module.
func packages(t *testing.T, root string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, top := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || nestedModule(file)):
				return fs.SkipDir
			case !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
				return nil
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			pkg := path.Dir(filepath.ToSlash(rel))
			out[pkg] = append(out[pkg], file)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 20 {
		t.Fatalf("found %d packages; the walk is broken", len(out))
	}
	return out
}

func nestedModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	return out
}

// Status is written by commit alone, and conditions are made by report alone:
// nobody else may name the subresource, or set a condition.
func TestOneWriterOfStatus(t *testing.T) {
	for pkg, files := range packages(t, filepath.Join("..", "..")) {
		if pkg == "internal/commit" || strings.HasPrefix(pkg, "internal/world") {
			continue
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), `Subresource: "status"`) {
				t.Errorf("%s writes a status; package commit is the only writer", file)
			}
			if pkg != "internal/report" && strings.Contains(string(text), "metav1.Condition{") {
				t.Errorf("%s makes a condition; package report is the only maker", file)
			}
		}
	}
}

// The versions of the Kubernetes family must fit together; moving one of them
// alone pulls them apart (see docs/dependencies.md).
func TestVersionsOfTheFamily(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for mod, want := range map[string]string{
		"k8s.io/api": "v0.36.4", "k8s.io/apimachinery": "v0.36.4", "k8s.io/client-go": "v0.36.4",
		"k8s.io/apiextensions-apiserver": "v0.36.4", "sigs.k8s.io/kustomize/api": "v0.21.1", "sigs.k8s.io/kustomize/kyaml": "v0.21.1",
		"helm.sh/helm/v4": "v4.2.4", "k8s.io/cli-runtime": "v0.36.4",
		"github.com/google/cel-go": "v0.26.0", "github.com/fluxcd/source-controller/api": "v1.9.5",
		"github.com/fluxcd/kustomize-controller/api": "v1.9.5", "github.com/fluxcd/cli-utils": "v1.2.3",
	} {
		if !strings.Contains(string(text), "\t"+mod+" "+want) {
			t.Errorf("go.mod: want %s %s", mod, want)
		}
	}
	if strings.Contains(string(text), "\nreplace") {
		t.Error("go.mod holds a replace; those of embedded Kubernetes belong into embedded/go.mod")
	}
}
