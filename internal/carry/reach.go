package carry

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/tree"
)

// kustomizations are the names that a kustomization may have.
var kustomizations = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// Reaches tells whether what is delivered from a directory may hold one of the files, as
// far as reading tells without a build: never no where a build could. Whatever a
// kustomization names may be read, and a directory without one is taken whole. A manifest
// of a Kustomization of Flux may lead anywhere, and so may what cannot be read.
func Reaches(files tree.Tree, dir string, any []string) bool {
	at, err := tree.Clean(dir)
	if err != nil {
		return true
	}
	r := reach{files: files, any: any, seen: map[string]bool{}}
	return r.path(at)
}

// reach is a walk through what a directory delivers.
type reach struct {
	files tree.Tree
	any   []string // that are looked for
	seen  map[string]bool
}

// path follows one that is named; nothing is there, as a rule, where a name is no path.
func (r reach) path(at string) bool {
	if r.seen[at] {
		return false
	}
	r.seen[at] = true
	if len(r.seen) > maxDeclared {
		return true
	}
	switch found := r.files.Lookup(at); found.Kind {
	case tree.File:
		return r.file(at, found.Blob)
	case tree.Dir:
		return r.directory(at)
	}
	return false
}

func (r reach) file(at string, blob *tree.Blob) bool {
	if slices.Contains(r.any, at) || blob.Size > tree.MaxFileBytes {
		return true
	}
	text, err := blob.Read()
	return err != nil || bytes.Contains(text, []byte("kustomize.toolkit.fluxcd.io/"))
}

func (r reach) directory(at string) bool {
	for _, name := range kustomizations {
		name = path.Join(at, name)
		if found := r.files.Lookup(name); found.Kind == tree.File {
			return r.path(name) || r.named(name, found.Blob)
		}
	}
	below, err := r.files.Sub(at)
	if err != nil {
		return true
	}
	reached := false
	err = below.Walk(func(name string, _ *tree.Blob) error {
		reached = reached || r.path(path.Join(at, name))
		return nil
	})
	return reached || err != nil
}

// named follows whatever a kustomization says that can be a path. Generators write
// key=path.
func (r reach) named(name string, blob *tree.Blob) bool {
	text, err := blob.Read()
	if err != nil {
		return true
	}
	documents, err := edit.Documents(text)
	if err != nil {
		return true
	}
	for _, d := range documents {
		for _, word := range scalars(d, nil) {
			_, after, _ := strings.Cut(word, "=")
			for _, p := range []string{word, after} {
				if at, err := tree.Join(path.Dir(name), p); err == nil && p != "" && r.path(at) {
					return true
				}
			}
		}
	}
	return false
}

// scalars are all values of a document, on one line.
func scalars(n *yaml.Node, into []string) []string {
	if n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, "\n") {
		into = append(into, n.Value)
	}
	for _, child := range n.Content {
		into = scalars(child, into)
	}
	return into
}
