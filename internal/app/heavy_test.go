package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/isolate"
	"github.com/leat-dev/leat/internal/tree"
)

// testHeavy does builds in children of the test.
func testHeavy(t *testing.T) *heavy {
	t.Helper()
	if !isolate.Possible {
		t.Skip("children are bounded in memory on Linux only; elsewhere the work is done in this process")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := newHeavy(isolate.Config{Command: []string{exe, childWord}})
	t.Cleanup(h.close)
	return h
}

// patched is a kustomization in which one patch of so many lines changes so many objects.
func patched(t *testing.T, objects, lines int) tree.Tree {
	t.Helper()
	all, patch := "", ""
	for i := range objects {
		all += fmt.Sprintf("---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a%d}}\n", i)
	}
	for i := range lines {
		patch += fmt.Sprintf("- {op: add, path: /metadata/k%d, value: v}\n", i)
	}
	out, err := tree.FromFiles(map[string]string{
		"a.yaml": all, "p.yaml": patch,
		"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A build that is done in a child is the one that would have been done here.
func TestHeavyBuild(t *testing.T) {
	h, tr, recipe := testHeavy(t), patched(t, 250, 250), build.Recipe{Path: ".", OwnerName: "web", OwnerNamespace: "team"}
	want, wantReads, err := build.Run(t.Context(), tr, recipe, build.Options{})
	if err != nil {
		t.Fatal(err)
	}
	asked := &counted{apart: h}
	got, err := build.NewCache(build.Limits{}).Elsewhere(asked).Run(t.Context(), tr, recipe, build.Options{})
	if err != nil || asked.n != 1 || !reflect.DeepEqual(got.Result, want) || !reflect.DeepEqual(got.Reads, wantReads) {
		t.Errorf("asked %d times, got %v with %d reads, %v; want %v with %d", asked.n, got.Result.ID, len(got.Reads), err, want.ID, len(wantReads))
	}
}

// A build that would take very long is stopped, and not begun again until its inputs
// change or a while has passed.
func TestHeavyBuildIsStopped(t *testing.T) {
	h, recipe := testHeavy(t), build.Recipe{Path: ".", OwnerName: "web", OwnerNamespace: "team"}
	now := time.Now()
	h.limit, h.now = time.Second, func() time.Time { return now }
	tr, options := patched(t, 5000, 5000), build.Options{Apart: h}
	run := func(tr tree.Tree) error {
		_, _, err := build.Run(t.Context(), tr, recipe, options)
		return err
	}
	first := run(tr)
	for _, want := range []string{"Kustomization team/web", "longer than 1s", "kustomization.yaml changes 5000 objects", "split it"} {
		if first == nil || !strings.Contains(first.Error(), want) {
			t.Errorf("got %v, want an error with %q", first, want)
		}
	}
	if again := run(tr); !errors.Is(again, first) {
		t.Errorf("the next time: %v", again)
	}
	h.limit = maxBuild
	if err := run(patched(t, 250, 250)); err != nil {
		t.Errorf("with other inputs: %v", err)
	}
	h.limit = time.Second
	now = now.Add(heavyAgain + time.Second)
	if again := run(tr); again == nil || errors.Is(again, first) {
		t.Errorf("a while later it was not tried: %v", again)
	}
}

// counted counts what is handed over.
type counted struct {
	apart build.Apart
	n     int
}

func (c *counted) Build(ctx context.Context, job build.Heavy) ([]byte, error) {
	c.n++
	return c.apart.Build(ctx, job)
}
