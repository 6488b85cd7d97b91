package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

// Draft is a commit to be. What the first parent has and a tree cannot hold
// (links, submodules) stays as it is, and so does the mode of a file whose content
// changes. Equal drafts give equal commits.
type Draft struct {
	Parents []Hash // none for a first commit
	Message string
	Author  Person
	// Committer is who makes the commit; zero for the author.
	Committer Person

	// Files is what Dir ("" for all) holds afterwards; nil leaves it to Changes.
	Files *tree.Tree
	Dir   string
	// As, in place of Files, is a commit whose Dir this one gets as it is there, with
	// links and submodules; where that has none it is deleted.
	As Hash
	// Changes are single files of the whole repository; nil deletes one.
	Changes map[string]*tree.Blob
	// Modules are submodules that name another commit now; the path must be one
	// in the first parent.
	Modules map[string]Hash
}

// ErrNoChange says that a draft with one parent changes nothing.
var ErrNoChange = errors.New("nothing changes")

// Commit writes a commit into the local repository; no ref moves.
func (r *Repo) Commit(ctx context.Context, d Draft) (Hash, error) {
	changes, err := r.changesOf(ctx, d)
	if err != nil {
		return Hash{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var base plumbing.Hash
	if len(d.Parents) > 0 {
		n, err := r.graph.node(r, d.Parents[0])
		if err != nil {
			return Hash{}, err
		}
		base = n.tree
	}
	root, err := r.drafted(base, d)
	if err != nil {
		return Hash{}, err
	}
	if root, err = r.edit(root, "", changes); err != nil {
		return Hash{}, err
	}
	if len(d.Parents) == 1 && root == base {
		return Hash{}, ErrNoChange
	}
	if root.IsZero() {
		if root, err = r.writeTree(nil); err != nil {
			return Hash{}, err
		}
	}
	return r.writeCommit(d, root)
}

// drafted is a tree with the directory that another commit has.
func (r *Repo) drafted(base plumbing.Hash, d Draft) (plumbing.Hash, error) {
	if d.As.IsZero() {
		return base, nil
	}
	n, err := r.graph.node(r, d.As)
	if err != nil {
		return base, err
	}
	dir, err := tree.Clean(cmp.Or(d.Dir, "."))
	if err != nil || dir == "." {
		return n.tree, err
	}
	return r.replaced(base, n.tree, strings.Split(dir, "/"))
}

// replaced is a directory in which one below it is that of another directory.
func (r *Repo) replaced(in, from plumbing.Hash, at []string) (plumbing.Hash, error) {
	entries, err := r.entries(in)
	if err != nil {
		return in, err
	}
	others, err := r.entries(from)
	if err != nil {
		return in, err
	}
	if entries == nil {
		entries = map[string]object.TreeEntry{}
	}
	old, is := entries[at[0]], others[at[0]]
	switch {
	case len(at) > 1:
		if old.Mode != filemode.Dir {
			old.Hash = plumbing.ZeroHash
		}
		if is.Mode != filemode.Dir {
			is.Hash = plumbing.ZeroHash
		}
		if is.Hash, err = r.replaced(old.Hash, is.Hash, at[1:]); err != nil {
			return in, err
		}
		is.Mode = filemode.Dir
	case is.Mode != filemode.Dir:
		is.Hash = plumbing.ZeroHash
	}
	if is.Name = at[0]; is.Hash.IsZero() {
		delete(entries, at[0])
	} else {
		entries[at[0]] = is
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	return r.writeTree(entries)
}

// change is what becomes of one path: a file, a submodule, or nothing.
type change struct {
	blob   *tree.Blob
	module Hash
}

// changesOf collects the changes of a draft by path.
func (r *Repo) changesOf(ctx context.Context, d Draft) (map[string]change, error) {
	out := map[string]change{}
	if d.Files != nil {
		if err := r.fromTree(ctx, d, out); err != nil {
			return nil, err
		}
	}
	for p, b := range d.Changes {
		clean, err := tree.Clean(p)
		if err != nil {
			return nil, err
		}
		out[clean] = change{blob: b}
	}
	for p, h := range d.Modules {
		out[p] = change{module: h}
	}
	for p := range out {
		for elem := range strings.SplitSeq(p, "/") {
			if elem == "" {
				return nil, &fault.Error{Class: fault.Unsafe, Err: fmt.Errorf("%q is no path of a file", p)}
			}
			if err := git.CheckName(path.Dir(p), elem); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (r *Repo) fromTree(ctx context.Context, d Draft, out map[string]change) error {
	var before tree.Tree
	if len(d.Parents) > 0 {
		all, err := r.Tree(ctx, d.Parents[0], "")
		if err != nil {
			return err
		}
		if before, err = all.Sub(cmp.Or(d.Dir, ".")); err != nil {
			before = tree.Tree{} // the directory is new
		}
	}
	for _, p := range tree.Changed(before, *d.Files) {
		full, err := tree.Join(d.Dir, p)
		if err != nil {
			return err
		}
		out[full] = change{blob: d.Files.Lookup(p).Blob}
	}
	return nil
}

// edit writes the directory that id becomes by the changes, and returns its name;
// zero for one that is left empty.
func (r *Repo) edit(id plumbing.Hash, prefix string, changes map[string]change) (plumbing.Hash, error) {
	entries, err := r.entries(id)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if entries == nil {
		entries = map[string]object.TreeEntry{}
	}
	here, below := map[string]change{}, map[string]map[string]change{}
	for p, c := range changes {
		name, rest, deeper := strings.Cut(p, "/")
		switch {
		case !deeper:
			here[name] = c
		case below[name] == nil:
			below[name] = map[string]change{rest: c}
		default:
			below[name][rest] = c
		}
	}
	// Directories first, deletions before all: a file may take a directory's place.
	for name, c := range here {
		if c == (change{}) && entries[name].Mode != filemode.Dir {
			delete(entries, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(below)) {
		if err := r.editDir(entries, prefix, name, below[name]); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(here)) {
		if err := r.editFile(entries, prefix, name, here[name]); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	return r.writeTree(entries)
}

func (r *Repo) editDir(entries map[string]object.TreeEntry, prefix, name string, changes map[string]change) error {
	old, had := entries[name]
	var id plumbing.Hash
	switch {
	case had && old.Mode == filemode.Dir:
		id = old.Hash
	case had:
		return inTheWay(prefix+name, old.Mode)
	}
	next, err := r.edit(id, prefix+name+"/", changes)
	if err != nil {
		return err
	}
	if next.IsZero() {
		delete(entries, name)
		return nil
	}
	entries[name] = object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: next}
	return nil
}

func (r *Repo) editFile(entries map[string]object.TreeEntry, prefix, name string, c change) error {
	old, had := entries[name]
	switch {
	case c == change{}:
		return nil // deleted already
	case !c.module.IsZero():
		if old.Mode != filemode.Submodule {
			return &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("%s%s is no submodule", prefix, name)}
		}
		old.Hash = plumbing.Hash(c.module)
		entries[name] = old
		return nil
	case had && (!old.Mode.IsFile() || old.Mode == filemode.Symlink):
		return inTheWay(prefix+name, old.Mode)
	}
	h, err := r.writeBlob(prefix+name, c.blob)
	if err != nil {
		return err
	}
	mode := filemode.Regular
	if c.blob.Mode == tree.Executable {
		mode = filemode.Executable
	}
	if had && h != old.Hash {
		mode = old.Mode
	}
	entries[name] = object.TreeEntry{Name: name, Mode: mode, Hash: h}
	return nil
}

func inTheWay(p string, mode filemode.FileMode) error {
	what := map[filemode.FileMode]string{filemode.Symlink: "a symbolic link", filemode.Submodule: "a submodule", filemode.Dir: "a directory"}[mode]
	return &fault.Error{Class: fault.Unsafe, Err: fmt.Errorf("write %s: %s stands there; remove it by hand if it may go", p, cmp.Or(what, "a file"))}
}

func (r *Repo) writeBlob(p string, b *tree.Blob) (plumbing.Hash, error) {
	text, err := b.Read()
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("write %s: %w", p, err)
	}
	return r.put(plumbing.BlobObject, text)
}

// put writes an object unless it is there.
func (r *Repo) put(kind plumbing.ObjectType, b []byte) (plumbing.Hash, error) {
	o := &plumbing.MemoryObject{}
	o.SetType(kind)
	o.Write(b) // never fails
	if r.repo.Storer.HasEncodedObject(o.Hash()) == nil {
		return o.Hash(), nil
	}
	h, err := r.repo.Storer.SetEncodedObject(o)
	if err != nil {
		return h, fmt.Errorf("write %s: %w", kind, err)
	}
	return h, nil
}

func (r *Repo) writeTree(entries map[string]object.TreeEntry) (plumbing.Hash, error) {
	t := object.Tree{Entries: slices.Collect(maps.Values(entries))}
	sort.Sort(object.TreeEntrySorter(t.Entries))
	o := &plumbing.MemoryObject{}
	if err := t.Encode(o); err != nil {
		return plumbing.ZeroHash, fmt.Errorf("write tree: %w", err)
	}
	return r.putObject(o)
}

func (r *Repo) putObject(o *plumbing.MemoryObject) (plumbing.Hash, error) {
	if r.repo.Storer.HasEncodedObject(o.Hash()) == nil {
		return o.Hash(), nil
	}
	return r.repo.Storer.SetEncodedObject(o)
}

func (r *Repo) writeCommit(d Draft, root plumbing.Hash) (Hash, error) {
	c := object.Commit{Author: signature(d.Author), TreeHash: root, Message: message(d.Message)}
	c.Committer = c.Author
	if d.Committer != (Person{}) {
		c.Committer = signature(d.Committer)
	}
	for _, p := range d.Parents {
		c.ParentHashes = append(c.ParentHashes, plumbing.Hash(p))
	}
	o := &plumbing.MemoryObject{}
	if err := c.Encode(o); err != nil {
		return Hash{}, fmt.Errorf("write commit: %w", err)
	}
	h, err := r.putObject(o)
	if err != nil {
		return Hash{}, fmt.Errorf("write commit: %w", err)
	}
	return Hash(h), nil
}

// WriteTag writes an annotated tag; it is pushed by its name as an Update's Tag.
func (r *Repo) WriteTag(name string, commit Hash, text string, by Person) (Hash, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := object.Tag{Name: name, Tagger: signature(by), Message: message(text), TargetType: plumbing.CommitObject, Target: plumbing.Hash(commit)}
	o := &plumbing.MemoryObject{}
	if err := t.Encode(o); err != nil {
		return Hash{}, fmt.Errorf("write tag %s: %w", name, err)
	}
	h, err := r.putObject(o)
	return Hash(h), err
}

// message is a text as git commit leaves it: without NUL and trailing space, one
// line end last.
func message(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\x00", "")
	return strings.Trim(s, "\n\t ") + "\n"
}

// signature leaves out what would end a name (ident.c of Git).
func signature(p Person) object.Signature {
	clean := func(s string) string {
		return strings.Trim(strings.Map(func(c rune) rune {
			if c == '<' || c == '>' || c == '\n' || c == 0 {
				return -1
			}
			return c
		}, s), " .,:;\"'\\")
	}
	return object.Signature{Name: clean(p.Name), Email: clean(p.Email), When: p.When}
}
