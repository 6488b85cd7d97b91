package entry

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// The bounds of a guess: how large a file may be, in bytes, that is looked into,
// and how many directories an error names.
const (
	maxGuessed = 1 << 20
	maxNamed   = 20
)

// named are the directories that an error names, and how many more there are.
func named(dirs []string) []string {
	if more := len(dirs) - maxNamed; more > 0 {
		return append(slices.Clone(dirs[:maxNamed]), fmt.Sprintf("and %d more", more))
	}
	return dirs
}

// guesses lists the directories that may be meant: the candidates, else those
// that hold Flux's Kustomizations and to which no other one leads.
func guesses(t tree.Tree) []string {
	if known := candidates(t); len(known) > 0 {
		return known
	}
	leads := map[string][]string{}                  // directory → paths that its Kustomizations build
	_ = t.Walk(func(p string, b *tree.Blob) error { // the visitor never fails
		if paths, some := kustomizations(t, p); some {
			leads[path.Dir(p)] = append(leads[path.Dir(p)], paths...)
		}
		return nil
	})
	var out []string
	for _, dir := range slices.Sorted(maps.Keys(leads)) {
		if !led(dir, leads) {
			out = append(out, dir)
		}
	}
	return out
}

// kustomizations returns the paths of the Kustomizations in a file, and whether
// there is any.
func kustomizations(t tree.Tree, p string) (paths []string, some bool) {
	if ext := path.Ext(p); ext != ".yaml" && ext != ".yml" {
		return nil, false
	}
	data, err := t.ReadFile(p)
	if err != nil || len(data) > maxGuessed || !bytes.Contains(data, []byte(object.GroupKustomize+"/")) {
		return nil, false
	}
	objs, err := Decode(data)
	if err != nil {
		return nil, false
	}
	for _, obj := range objs {
		gk := obj.GroupVersionKind().GroupKind()
		if gk.Group != object.GroupKustomize || gk.Kind != "Kustomization" {
			continue
		}
		some = true
		dir, _, _ := unstructured.NestedString(obj.Object, "spec", "path")
		if clean, err := tree.Clean(dir); err == nil {
			paths = append(paths, clean)
		}
	}
	return paths, some
}

// led tells whether a Kustomization outside of a directory leads to it.
func led(dir string, leads map[string][]string) bool {
	for from, paths := range leads {
		for _, to := range paths {
			if within(dir, to) && !within(from, to) {
				return true
			}
		}
	}
	return false
}

// within tells whether a directory is another one, or below it.
func within(dir, of string) bool { return dir == of || of != "." && strings.HasPrefix(dir, of+"/") }
