package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/isolate"
)

func init() {
	if len(os.Args) > 1 && os.Args[1] == "isolated" { // the stand builds in children of its own program
		fmt.Fprintln(os.Stderr, app.ServeIsolated(os.Args[2:]))
		os.Exit(1)
	}
}

// inChildren lets the stand build in children.
func inChildren(cfg *app.Config) {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cfg.Isolate = &isolate.Config{Command: []string{exe, "isolated"}, Children: 2}
}

// swelling is a kustomization of 120 KB whose variable makes gigabytes of it.
func swelling() files {
	return files{
		"app/kustomization.yaml": "resources: [a.yaml]\nvars:\n- {name: V, objref: {apiVersion: v1, kind: Pod, name: a}, fieldref: {fieldpath: metadata.annotations.v}}\n",
		"app/a.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations: {v: " + strings.Repeat("x", 60_000) + "}\nspec:\n  containers:\n  - name: a\n    args: ['" +
			strings.Repeat("$(V)", 15_000) + "']\n",
	}
}

// A build that takes all memory it can get costs its own unit and nobody else: the error
// says which, by what, and what to do, others are delivered meanwhile, and what was wrong
// can be put right.
func TestBuildThatTakesAllMemory(t *testing.T) {
	if !isolate.Possible {
		t.Skip("children are bounded in memory on Linux only; elsewhere the work is done in this process")
	}
	s := up(t, inChildren)
	s.save(swelling())
	s.bystander()
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("by")
	s.fails("app", "BuildFailed", "Kustomization "+s.ns+"/app was stopped")
	s.fails("app", "BuildFailed", "more than 512 MiB of memory")
	s.fails("app", "BuildFailed", "it expands variables of kustomize")
	s.commit(files{"by/b.yaml": configMap("by", "2")})
	s.ready("by")
	s.data("ConfigMap/by", "2")
	s.fails("app", "BuildFailed", "split it")
	s.commit(files{"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": configMap("a", "1")})
	s.ready("app")
}
