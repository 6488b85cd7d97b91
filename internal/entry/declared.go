package entry

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// declared finds the entry of a fleet that was not bootstrapped by Flux's command
// line: a Kustomization that applies the directory which it stands in, or below, and in
// that directory the GitRepository that it takes it from. Several such are none.
func declared(t tree.Tree, o Options) (Entry, bool) {
	var found []Entry
	repositories := map[object.Key][]repository{}
	_ = t.Walk(func(p string, _ *tree.Blob) error { // the visitor never fails
		for _, obj := range fluxObjects(t, p) {
			switch gk := obj.GroupVersionKind().GroupKind(); {
			case gk.Group == object.GroupSource && gk.Kind == "GitRepository":
				key := object.KeyOf(obj)
				repositories[key] = append(repositories[key], repository{p, obj})
			case gk.Group == object.GroupKustomize && gk.Kind == "Kustomization":
				dir, ok := applied(obj)
				if ok && holds(dir, p) && (o.Path == "" || o.Path == dir) {
					found = append(found, Entry{From: p, Path: dir, Kustomization: obj})
				}
			}
		}
		return nil
	})
	if len(found) != 1 {
		return Entry{}, false
	}
	e := found[0]
	for _, r := range repositories[unit.SourceOf(e.Kustomization)] {
		if holds(e.Path, r.file) {
			e.Repository = r.obj
		}
	}
	return e, e.Repository != nil && e.URL() != ""
}

// repository is a GitRepository and the file that it stands in.
type repository struct {
	file string
	obj  *unstructured.Unstructured
}

// holds tells whether a file lies in a directory, or below.
func holds(dir, file string) bool { return dir == "." || strings.HasPrefix(file, dir+"/") }

// applied is the directory that a Kustomization applies.
func applied(k *unstructured.Unstructured) (string, bool) {
	text, _, _ := unstructured.NestedString(k.Object, "spec", "path")
	dir, err := tree.Clean(text)
	return dir, err == nil
}

// fluxObjects returns the objects of a file that holds sources or Kustomizations of
// Flux; nil for others, and for a file that is broken or a template: who applies it
// says so.
func fluxObjects(t tree.Tree, p string) []*unstructured.Unstructured {
	if ext := path.Ext(p); ext != ".yaml" && ext != ".yml" {
		return nil
	}
	data, err := t.ReadFile(p)
	if err != nil || len(data) > maxGuessed || !mentions(data, object.GroupKustomize+"/", object.GroupSource+"/") {
		return nil
	}
	objs, err := Decode(data)
	if err != nil {
		return nil
	}
	return objs
}

func mentions(data []byte, any ...string) bool {
	return slices.ContainsFunc(any, func(text string) bool { return bytes.Contains(data, []byte(text)) })
}
