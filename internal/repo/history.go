package repo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/leat-dev/leat/internal/source/fault"
)

// Commit is a commit as history shows it.
type Commit struct {
	ID        Hash
	Parents   []Hash
	Author    Person
	Committer Person
	Message   string
	Files     []string // changed against the first parent, sorted; only where asked for
}

// Subject returns the first line of the message.
func (c Commit) Subject() string {
	line, _, _ := strings.Cut(strings.TrimSpace(c.Message), "\n")
	return line
}

// Look reads one commit.
func (r *Repo) Look(id Hash) (Commit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.look(id)
}

func (r *Repo) look(id Hash) (Commit, error) {
	c, err := object.GetCommit(r.repo.Storer, plumbing.Hash(id))
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s: %w", id, err)
	}
	out := Commit{ID: id, Author: person(c.Author), Committer: person(c.Committer), Message: c.Message}
	for _, p := range c.ParentHashes {
		out.Parents = append(out.Parents, Hash(p))
	}
	return out, nil
}

func person(s object.Signature) Person { return Person{Name: s.Name, Email: s.Email, When: s.When} }

// Range says which commits of a history are meant.
type Range struct {
	From  Hash     // and what it follows
	Not   []Hash   // without these and what they follow
	Paths []string // only commits that change something at or below one of these
	Limit int      // at most so many; 0 for all
	Files bool     // whether Commit.Files is wanted
}

// Log returns commits, children before parents, the newest first. With Paths,
// merges count as changing what they bring against their first parent.
func (r *Repo) Log(ctx context.Context, o Range) ([]Commit, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[Hash]bool{}
	for _, h := range o.Not {
		if err := r.graph.ancestors(ctx, r, h, known); err != nil {
			return nil, err
		}
	}
	ids, err := r.graph.without(ctx, r, o.From, known)
	if err != nil {
		return nil, err
	}
	var out []Commit
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, wanted, err := r.wanted(id, o)
		if err != nil {
			return nil, err
		}
		if wanted {
			out = append(out, c)
		}
		if o.Limit > 0 && len(out) == o.Limit {
			break
		}
	}
	return out, nil
}

// wanted reads a commit as far as o asks for it.
func (r *Repo) wanted(id Hash, o Range) (Commit, bool, error) {
	var files []string
	if o.Files || len(o.Paths) > 0 {
		var err error
		if files, err = r.changed(id); err != nil {
			return Commit{}, false, err
		}
	}
	if len(o.Paths) > 0 && !slices.ContainsFunc(files, func(f string) bool { return below(f, o.Paths) }) {
		return Commit{}, false, nil
	}
	c, err := r.look(id)
	if o.Files {
		c.Files = files
	}
	return c, true, err
}

func below(file string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool {
		d = strings.TrimSuffix(d, "/")
		return d == "" || d == "." || file == d || strings.HasPrefix(file, d+"/")
	})
}

// changed returns the paths that a commit changes against its first parent.
func (r *Repo) changed(id Hash) ([]string, error) {
	n, err := r.graph.node(r, id)
	if err != nil {
		return nil, err
	}
	var before plumbing.Hash
	if len(n.parents) > 0 {
		p, err := r.graph.node(r, n.parents[0])
		if err != nil {
			return nil, err
		}
		before = p.tree
	}
	var out []string
	err = r.compare(before, n.tree, "", func(c fileChange) error {
		out = append(out, c.path)
		return nil
	})
	return out, err
}

// fileChange is one path that differs; a zero hash means that nothing is there.
type fileChange struct {
	path     string
	old, new object.TreeEntry
}

// compare visits what differs between two trees, in order of path; links and
// submodules count as files.
func (r *Repo) compare(a, b plumbing.Hash, prefix string, visit func(fileChange) error) error {
	if a == b {
		return nil
	}
	old, err := r.entries(a)
	if err != nil {
		return err
	}
	cur, err := r.entries(b)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(old)+len(cur))
	for name := range old {
		names = append(names, name)
	}
	for name := range cur {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := r.compareEntry(prefix+name, old[name], cur[name], visit); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repo) compareEntry(p string, o, n object.TreeEntry, visit func(fileChange) error) error {
	if o.Hash == n.Hash && o.Mode == n.Mode {
		return nil
	}
	dirs := func(e object.TreeEntry) (tree plumbing.Hash, file object.TreeEntry) {
		if e.Mode == filemode.Dir {
			return e.Hash, object.TreeEntry{}
		}
		return plumbing.ZeroHash, e
	}
	oldDir, oldFile := dirs(o)
	newDir, newFile := dirs(n)
	if oldFile != newFile {
		if err := visit(fileChange{p, oldFile, newFile}); err != nil {
			return err
		}
	}
	return r.compare(oldDir, newDir, p+"/", visit)
}

// entries returns a tree's entries by name; of the zero hash none.
func (r *Repo) entries(id plumbing.Hash) (map[string]object.TreeEntry, error) {
	if id.IsZero() {
		return nil, nil
	}
	t, err := object.GetTree(r.repo.Storer, id)
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", id, err)
	}
	out := make(map[string]object.TreeEntry, len(t.Entries))
	for _, e := range t.Entries {
		out[e.Name] = e
	}
	return out, nil
}

// MergeBase returns the newest commit that both have in their history.
func (r *Repo) MergeBase(ctx context.Context, a, b Hash) (Hash, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mergeBase(ctx, a, b)
}

func (r *Repo) mergeBase(ctx context.Context, a, b Hash) (Hash, error) {
	of, other := map[Hash]bool{}, map[Hash]bool{}
	if err := r.graph.ancestors(ctx, r, a, of); err != nil {
		return Hash{}, err
	}
	if err := r.graph.ancestors(ctx, r, b, other); err != nil {
		return Hash{}, err
	}
	inner := map[Hash]bool{} // followed by another common one
	var common []Hash
	for h := range of {
		if other[h] {
			common = append(common, h)
			for _, p := range r.graph.nodes[h].parents {
				inner[p] = true
			}
		}
	}
	common = slices.DeleteFunc(common, func(h Hash) bool { return inner[h] })
	if len(common) == 0 {
		return Hash{}, r.noBase(a, b)
	}
	return r.graph.sorted(common)[0], nil
}

func (r *Repo) noBase(a, b Hash) error {
	err := fmt.Errorf("%s and %s have no commit in common", a, b)
	if len(r.shallow()) > 0 {
		err = fmt.Errorf("%w in this shallow clone; fetch more of its history: git fetch --unshallow", err)
	}
	return &fault.Error{Class: fault.NotFound, Err: err}
}

// Contains tells whether a history holds a commit.
func (r *Repo) Contains(history, commit Hash) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[Hash]bool{}
	if err := r.graph.ancestors(context.Background(), r, history, seen); err != nil {
		return false, err
	}
	return seen[commit], nil
}

// Changed returns the paths that differ between two commits, sorted.
func (r *Repo) Changed(from, to Hash) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, err := r.graph.node(r, from)
	if err != nil {
		return nil, err
	}
	b, err := r.graph.node(r, to)
	if err != nil {
		return nil, err
	}
	var out []string
	err = r.compare(a.tree, b.tree, "", func(c fileChange) error {
		out = append(out, c.path)
		return nil
	})
	return out, err
}
