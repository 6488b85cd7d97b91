package fluxcli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

// disk reads folders of this machine as trees, each once.
type disk struct{ read map[string]tree.Tree }

// source is a folder within the tree that it is built in.
type source struct {
	root string // of the tree, absolute
	tree tree.Tree
	path string // of the folder in it
}

// maxParents bounds how far above a folder without Git manifests may be that it
// refers to.
const maxParents = 8

// leadsOut is what package build says of a reference that leaves its tree.
const leadsOut = "leads out of the source"

// render builds a folder. The tree is that of its Git repository; without one
// it begins at the folder, and one further up as long as manifests refer there.
func (d *disk) render(ctx context.Context, dir string, in func(source) ([]*unstructured.Unstructured, error)) ([]*unstructured.Unstructured, error) {
	dir, err := filepath.EvalSymlinks(absolute(dir))
	if err != nil {
		return nil, fmt.Errorf("kustomization path not found: %w", err)
	}
	root, repository := worktree.Root(dir)
	if !repository {
		root = dir
	}
	for up := 0; ; up++ {
		t, err := d.tree(ctx, root, dir)
		if err != nil {
			return nil, err
		}
		path, err := filepath.Rel(root, dir)
		if err != nil {
			return nil, err
		}
		objs, err := in(source{root, t, filepath.ToSlash(path)})
		parent := filepath.Dir(root)
		if err == nil || repository || up == maxParents || parent == root || !strings.Contains(err.Error(), leadsOut) {
			return objs, err
		}
		root = parent
	}
}

// tree is the tree of a root, with all of a folder in it: what Git ignores may
// have been made to be built.
func (d *disk) tree(ctx context.Context, root, dir string) (tree.Tree, error) {
	if t, ok := d.read[root+"\x00"+dir]; ok {
		return t, nil
	}
	r, err := worktree.Open(root)
	if err != nil {
		return tree.Tree{}, err
	}
	snap, err := r.Read(ctx)
	if err != nil {
		return tree.Tree{}, err
	}
	t, err := withAll(snap.Tree, root, dir)
	if err != nil {
		return tree.Tree{}, err
	}
	if d.read == nil {
		d.read = map[string]tree.Tree{}
	}
	d.read[root+"\x00"+dir] = t
	return t, nil
}

// maxIgnored bounds the files that Git ignores and that are taken all the same.
const maxIgnored = 5000

func withAll(t tree.Tree, root, dir string) (tree.Tree, error) {
	added := 0
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == ".git":
			return fs.SkipDir
		case !e.Type().IsRegular() || added == maxIgnored:
			return nil
		}
		path, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		path = filepath.ToSlash(path)
		if t.Lookup(path).Kind != tree.Missing {
			return nil
		}
		info, err := e.Info()
		if err != nil || info.Size() > tree.MaxFileBytes {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		added++
		t, err = t.With(path, tree.BlobOf(data))
		return err
	})
	return t, err
}

// ignoring are the patterns of a folder: those of .sourceignore in it, then those
// of --ignore-paths.
type ignoring struct{ matcher gitignore.Matcher }

func ignoredBelow(dir string, patterns []string) (ignoring, error) {
	dir, err := filepath.EvalSymlinks(absolute(dir))
	if err != nil {
		return ignoring{}, err
	}
	domain := strings.Split(dir, string(filepath.Separator))
	list, err := sourceignore.LoadIgnorePatterns(dir, domain)
	if err != nil {
		return ignoring{}, fmt.Errorf("failed to load ignore patterns: %w", err)
	}
	list = append(list, sourceignore.ReadPatterns(strings.NewReader(strings.Join(patterns, "\n")), domain)...)
	return ignoring{sourceignore.NewDefaultMatcher(list, domain)}, nil
}

// in applies the patterns to the paths of a source.
func (i ignoring) in(s source) build.Ignored {
	return func(name string, kind tree.Kind) bool {
		full := filepath.Join(s.root, filepath.FromSlash(name))
		return i.matcher.Match(strings.Split(full, string(filepath.Separator)), kind == tree.Dir)
	}
}
