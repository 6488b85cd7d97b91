package entry

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

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
	for _, obj := range fluxObjects(t, p) {
		gk := obj.GroupVersionKind().GroupKind()
		if gk.Group != object.GroupKustomize || gk.Kind != "Kustomization" {
			continue
		}
		some = true
		if dir, ok := applied(obj); ok {
			paths = append(paths, dir)
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
