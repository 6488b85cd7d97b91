package repo

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Merge says what is merged: the changes from Base to Theirs are made to Ours.
//
//	merge     Base zero (their merge base), Parents zero (both)
//	revert C  Base C, Theirs C's parent, Parents {Ours}
//	pick C    Base C's parent, Theirs C, Parents {Ours}
type Merge struct {
	Base, Ours, Theirs Hash
	Parents            []Hash
	Message            string
	Author, Committer  Person
}

// Conflict is a path that both sides changed.
type Conflict struct {
	Path string
	Why  string
}

// String returns path: why.
func (c Conflict) String() string { return c.Path + ": " + c.Why }

// Merged is what became of a merge: a commit, or the conflicts.
type Merged struct {
	Commit    Hash
	Conflicts []Conflict
	Nothing   bool // Ours has all of it already; Commit is Ours
}

// Merge merges, file by file, and by lines where both changed a text. Renames are
// not followed: a file renamed by one side and changed by the other is a conflict.
// No ref moves.
func (r *Repo) Merge(ctx context.Context, m Merge) (Merged, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Base.IsZero() {
		var err error
		if m.Base, err = r.mergeBase(ctx, m.Ours, m.Theirs); err != nil {
			return Merged{}, fmt.Errorf("merge: %w", err)
		}
		if m.Base == m.Theirs {
			return Merged{Commit: m.Ours, Nothing: true}, nil
		}
	}
	if m.Parents == nil {
		m.Parents = []Hash{m.Ours, m.Theirs}
	}
	var of [3]plumbing.Hash
	for i, h := range []Hash{m.Base, m.Ours, m.Theirs} {
		n, err := r.graph.node(r, h)
		if err != nil {
			return Merged{}, fmt.Errorf("merge: %w", err)
		}
		of[i] = n.tree
	}
	w := merger{r: r}
	root, err := w.dirs("", of[0], of[1], of[2])
	if err != nil || len(w.conflicts) > 0 {
		return Merged{Conflicts: w.conflicts}, err
	}
	if root.IsZero() {
		if root, err = r.writeTree(nil); err != nil {
			return Merged{}, err
		}
	}
	if root == of[1] && len(m.Parents) == 1 {
		return Merged{Commit: m.Ours, Nothing: true}, nil
	}
	id, err := r.writeCommit(Draft{Parents: m.Parents, Message: m.Message, Author: m.Author, Committer: m.Committer}, root)
	return Merged{Commit: id}, err
}

// merger merges trees and collects conflicts.
type merger struct {
	r         *Repo
	conflicts []Conflict
}

func (w *merger) dirs(prefix string, base, ours, theirs plumbing.Hash) (plumbing.Hash, error) {
	switch {
	case ours == theirs || base == theirs:
		return ours, nil
	case base == ours:
		return theirs, nil
	}
	var of [3]map[string]object.TreeEntry
	names := map[string]bool{}
	for i, h := range []plumbing.Hash{base, ours, theirs} {
		entries, err := w.r.entries(h)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		for name := range entries {
			names[name] = true
		}
		of[i] = entries
	}
	out := map[string]object.TreeEntry{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		e, err := w.entry(prefix+name, of[0][name], of[1][name], of[2][name])
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if !e.Hash.IsZero() {
			e.Name = name
			out[name] = e
		}
	}
	if len(out) == 0 {
		return plumbing.ZeroHash, nil
	}
	return w.r.writeTree(out)
}

func (w *merger) entry(p string, base, ours, theirs object.TreeEntry) (object.TreeEntry, error) {
	switch {
	case ours == theirs || base == theirs:
		return ours, nil
	case base == ours:
		return theirs, nil
	case dirOrNone(base) && dirOrNone(ours) && dirOrNone(theirs):
		h, err := w.dirs(p+"/", base.Hash, ours.Hash, theirs.Hash)
		return object.TreeEntry{Mode: filemode.Dir, Hash: h}, err
	}
	return w.file(p, base, ours, theirs)
}

func dirOrNone(e object.TreeEntry) bool { return e.Hash.IsZero() || e.Mode == filemode.Dir }

// file merges what both sides changed.
func (w *merger) file(p string, base, ours, theirs object.TreeEntry) (object.TreeEntry, error) {
	switch {
	case ours.Hash.IsZero() || theirs.Hash.IsZero():
		return w.conflict(p, "one side changed it, the other deleted it")
	case !plain(ours) || !plain(theirs) || !base.Hash.IsZero() && !plain(base):
		return w.conflict(p, "both sides changed it, and it is no regular file on all")
	}
	mode, ok := pick(base.Mode, ours.Mode, theirs.Mode)
	if !ok {
		return w.conflict(p, "both sides changed its mode")
	}
	if h, ok := pick(base.Hash, ours.Hash, theirs.Hash); ok {
		return object.TreeEntry{Mode: mode, Hash: h}, nil
	}
	if base.Hash.IsZero() {
		return w.conflict(p, "both sides added it, with different contents")
	}
	return w.lines(p, mode, [3]object.TreeEntry{base, ours, theirs})
}

func (w *merger) lines(p string, mode filemode.FileMode, of [3]object.TreeEntry) (object.TreeEntry, error) {
	var texts [3]string
	for i, e := range of {
		b, ok := w.r.content(e)
		if !ok || bytes.IndexByte(b, 0) >= 0 {
			return w.conflict(p, "both sides changed it, and it is no text")
		}
		texts[i] = string(b)
	}
	merged, ok := mergeLines(texts[0], texts[1], texts[2])
	if !ok {
		return w.conflict(p, "both sides changed the same lines")
	}
	h, err := w.r.put(plumbing.BlobObject, []byte(merged))
	return object.TreeEntry{Mode: mode, Hash: h}, err
}

func (w *merger) conflict(p, why string) (object.TreeEntry, error) {
	w.conflicts = append(w.conflicts, Conflict{p, why})
	return object.TreeEntry{}, nil
}

func plain(e object.TreeEntry) bool {
	return e.Mode == filemode.Regular || e.Mode == filemode.Executable || e.Mode == filemode.Deprecated
}

// pick takes the side that changed a value; false when both did, differently.
func pick[T comparable](base, ours, theirs T) (T, bool) {
	switch {
	case ours == theirs || base == theirs:
		return ours, true
	case base == ours:
		return theirs, true
	}
	return ours, false
}
