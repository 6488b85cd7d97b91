// Package entry finds where a fleet begins: the GitRepository and the
// Kustomization that Flux's bootstrap would have put into the cluster.
//
//	e, err := entry.Find(t, entry.Options{Path: "clusters/staging"})
//	e.Repository, e.Kustomization // objects to apply
//
// It reads the fleet's tree and nothing else.
package entry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// SyncFile is the name of the file that bootstrap writes.
const SyncFile = "gotk-sync.yaml"

// Entry is where a fleet begins.
type Entry struct {
	// From says where the entry was found, for people.
	From          string
	Path          string // directory of the Kustomization, in the tree
	Repository    *unstructured.Unstructured
	Kustomization *unstructured.Unstructured
}

// URL returns the address of the fleet's own repository.
func (e Entry) URL() string {
	url, _, _ := unstructured.NestedString(e.Repository.Object, "spec", "url")
	return url
}

// Options narrow the search.
type Options struct {
	Path            string // a directory of the tree; empty: look everywhere
	Name, Namespace string // of what is made where there is no sync file
}

// LocalURL is the address of a fleet that says of itself no other.
const LocalURL = "https://leat.local/fleet"

// Find looks for the sync file, else for a directory that says of itself what applies
// it; with a path and without either it makes both objects.
func Find(t tree.Tree, o Options) (Entry, error) {
	if o.Path != "" {
		clean, err := tree.Clean(o.Path)
		if err != nil {
			return Entry{}, err
		}
		o.Path = clean
		if t.Lookup(clean).Kind != tree.Dir {
			return Entry{}, &NotFound{clean, guesses(t)}
		}
	}
	var found []Entry
	for _, p := range syncFiles(t, o.Path) {
		e, err := read(t, p)
		if err != nil {
			return Entry{}, err
		}
		if e.Repository != nil && e.Kustomization != nil {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return Entry{}, ambiguous("the fleet has several entries", t)
	}
	if e, ok := declared(t, o); ok {
		return e, nil
	}
	switch {
	case o.Path != "":
		return made(o), nil
	case looksLikeOne(t):
		return made(Options{Path: ".", Name: o.Name, Namespace: o.Namespace}), nil
	default:
		return Entry{}, ambiguous("the fleet has no "+SyncFile+" with a GitRepository and a Kustomization", t)
	}
}

// NotFound is the error of a directory that the tree does not have.
type NotFound struct {
	Path  string
	Known []string // directories that may be meant
}

// Error names what may be meant.
func (e *NotFound) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("--path %s: the fleet has no such directory", e.Path)
	}
	return fmt.Sprintf("--path %s: the fleet has no such directory; it has %s", e.Path, strings.Join(named(e.Known), ", "))
}

// Clusters returns the directories in which clusters seem to begin.
func Clusters(t tree.Tree) []string { return guesses(t) }

// looksLikeOne tells whether the root itself is what to apply.
func looksLikeOne(t tree.Tree) bool {
	return t.Lookup("kustomization.yaml").Kind == tree.File && len(candidates(t)) == 0
}

func ambiguous(what string, t tree.Tree) error {
	list := guesses(t)
	if len(list) == 0 {
		return fmt.Errorf("%s; pass --path DIRECTORY", what)
	}
	return fmt.Errorf("%s; pass --path with one of:\n  %s", what, strings.Join(named(list), "\n  "))
}

// candidates lists the directories that may be meant: those with a sync file,
// empty or not, and clusters/*.
func candidates(t tree.Tree) []string {
	var out []string
	for _, p := range syncFiles(t, "") {
		dir := path.Dir(p)
		if path.Base(dir) == "flux-system" {
			dir = path.Dir(dir)
		}
		out = append(out, dir)
	}
	entries, err := t.ReadDir("clusters")
	if err == nil {
		for _, e := range entries {
			if e.Kind == tree.Dir {
				out = append(out, "clusters/"+e.Name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func syncFiles(t tree.Tree, below string) []string {
	var out []string
	_ = t.Walk(func(p string, _ *tree.Blob) error { // the visitor never fails
		if path.Base(p) == SyncFile && (below == "" || below == "." || strings.HasPrefix(p, below+"/")) {
			out = append(out, p)
		}
		return nil
	})
	return out
}

// read takes the two objects out of a sync file; they are nil in a file that is
// only a comment.
func read(t tree.Tree, p string) (Entry, error) {
	data, err := t.ReadFile(p)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{From: p}
	objs, err := Decode(data)
	if err != nil {
		return Entry{}, fmt.Errorf("read %s: %w", p, err)
	}
	for _, obj := range objs {
		switch gk := obj.GroupVersionKind().GroupKind(); {
		case gk.Group == object.GroupSource && gk.Kind == "GitRepository":
			e.Repository = obj
		case gk.Group == object.GroupKustomize && gk.Kind == "Kustomization":
			e.Kustomization = obj
			dir, _, _ := unstructured.NestedString(obj.Object, "spec", "path")
			if e.Path, err = tree.Clean(dir); err != nil {
				return Entry{}, fmt.Errorf("read %s: spec.path: %w", p, err)
			}
		}
	}
	return e, nil
}

// Decode reads the objects of a YAML stream; empty documents are left out.
func Decode(data []byte) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	docs := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		var raw map[string]any
		err := docs.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if len(raw) == 0 {
			continue
		}
		obj := &unstructured.Unstructured{Object: raw}
		if obj.IsList() {
			if err := obj.EachListItem(func(item runtime.Object) error {
				out = append(out, item.(*unstructured.Unstructured))
				return nil
			}); err != nil {
				return nil, err
			}
			continue
		}
		if obj.GetKind() == "" || obj.GetAPIVersion() == "" {
			return nil, fmt.Errorf("document %d has no apiVersion or kind", len(out)+1)
		}
		out = append(out, obj)
	}
}

// made is the entry of a fleet without a sync file.
func made(o Options) Entry {
	name, namespace := o.Name, o.Namespace
	if name == "" {
		name = "flux-system"
	}
	if namespace == "" {
		namespace = "flux-system"
	}
	meta := map[string]any{"name": name, "namespace": namespace}
	return Entry{
		From: "--path " + o.Path, Path: o.Path,
		Repository: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": object.GroupSource + "/v1", "kind": "GitRepository", "metadata": clone(meta),
			"spec": map[string]any{"interval": "1m0s", "url": LocalURL, "ref": map[string]any{"branch": "main"}},
		}},
		Kustomization: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": object.GroupKustomize + "/v1", "kind": "Kustomization", "metadata": clone(meta),
			"spec": map[string]any{
				"interval": "10m0s", "path": "./" + strings.TrimPrefix(o.Path, "./"), "prune": true,
				"sourceRef": map[string]any{"kind": "GitRepository", "name": name},
			},
		}},
	}
}

func clone(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
