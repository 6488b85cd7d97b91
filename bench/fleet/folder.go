package fleet

import (
	"fmt"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// folder is a directory that remembers the ids of what did not change, so that
// a commit of one file costs its path and not the repository.
type folder struct {
	files   map[string]plumbing.Hash
	folders map[string]*folder
	id      plumbing.Hash // zero after a change below
}

func newFolder() *folder {
	return &folder{files: map[string]plumbing.Hash{}, folders: map[string]*folder{}}
}

func (d *folder) set(path string, h plumbing.Hash) {
	d.id = plumbing.ZeroHash
	name, rest, deeper := strings.Cut(path, "/")
	if !deeper {
		d.files[name] = h
		return
	}
	if d.folders[name] == nil {
		d.folders[name] = newFolder()
	}
	d.folders[name].set(rest, h)
}

// store stores the trees that changed and returns the id of d's.
func (d *folder) store(to storer.EncodedObjectStorer) (plumbing.Hash, error) {
	if !d.id.IsZero() {
		return d.id, nil
	}
	tree := &object.Tree{}
	for name, h := range d.files {
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: h})
	}
	for name, sub := range d.folders {
		h, err := sub.store(to)
		if err != nil {
			return h, err
		}
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: h})
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	h, err := store(to, plumbing.TreeObject, tree.Encode)
	if err != nil {
		return h, fmt.Errorf("store tree: %w", err)
	}
	d.id = h
	return h, nil
}
