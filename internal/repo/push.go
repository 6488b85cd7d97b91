package repo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
)

// Update moves one branch, tag or ref of the remote.
type Update struct {
	Branch string // or
	Tag    string // or
	Ref    string // full name
	Old    Hash   // where it must stand; zero: it must not be there
	New    Hash   // zero deletes it
	Force  bool   // whether New may leave commits of Old behind
}

func (u Update) name() string {
	switch {
	case u.Branch != "":
		return headRefs + u.Branch
	case u.Tag != "":
		return tagRefs + u.Tag
	}
	return u.Ref
}

// MovedError says that a ref does not stand where a push expected it. It is a
// fault.Conflict; whoever gets it fetches and thinks again.
type MovedError struct {
	Ref        string
	Want, Have Hash // Have is zero when it is not there
}

// Error implements error.
func (e *MovedError) Error() string {
	switch {
	case e.Have.IsZero():
		return fmt.Sprintf("%s is gone, it stood at %s; fetch and try again", e.Ref, e.Want)
	case e.Want.IsZero():
		return fmt.Sprintf("%s is there already, at %s; fetch and try again", e.Ref, e.Have)
	}
	return fmt.Sprintf("%s moved from %s to %s meanwhile; fetch and try again", e.Ref, e.Want, e.Have)
}

// Push moves refs of the remote, all or none. One that stands elsewhere than
// expected is a MovedError.
func (r *Repo) Push(ctx context.Context, updates ...Update) error {
	link, err := r.connected(ctx)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	if link == nil {
		return &fault.Error{Class: fault.Invalid, Err: errors.New("push: the repository has no remote")}
	}
	p := git.Push{}
	for _, u := range updates {
		if u.Old == u.New {
			continue
		}
		if err := r.forward(u); err != nil {
			return err
		}
		p.Updates = append(p.Updates, git.Update{Name: u.name(), Old: u.Old, New: u.New})
	}
	if len(p.Updates) == 0 {
		return nil
	}
	p.Pack = r.packer(ctx, p.Updates)
	if err := link.Push(ctx, p); err != nil {
		return fmt.Errorf("push %s: %w", p.Updates[0].Name, explain(ctx, link, p.Updates, err))
	}
	return r.pushed(p.Updates)
}

// forward refuses an update that leaves commits behind without being told to.
func (r *Repo) forward(u Update) error {
	if u.Force || u.Old.IsZero() || u.New.IsZero() {
		return nil
	}
	inside, err := r.Contains(u.New, u.Old)
	if err != nil {
		return err
	}
	if !inside {
		return &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("push %s: %s does not follow %s, commits would be lost", u.name(), u.New, u.Old)}
	}
	return nil
}

// explain finds out which ref stood elsewhere.
func explain(ctx context.Context, link *git.Link, updates []git.Update, err error) error {
	if fault.ClassOf(err) != fault.Conflict {
		return err
	}
	listed, listErr := link.List(ctx)
	if listErr != nil {
		return err
	}
	for _, u := range updates {
		have := Hash{}
		for _, ref := range listed {
			if ref.Name == u.Name {
				have = ref.Hash
			}
		}
		if have != u.Old {
			return &fault.Error{Class: fault.Conflict, URL: link.URL(), Err: &MovedError{u.Name, u.Old, have}}
		}
	}
	return err
}

// pushed notes where the refs stand now.
func (r *Repo) pushed(updates []git.Update) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range updates {
		name, ok := r.ours(u.Name)
		if !ok {
			continue
		}
		at := plumbing.ReferenceName(name)
		var err error
		if u.New.IsZero() {
			err = r.repo.Storer.RemoveReference(at)
		} else {
			err = r.repo.Storer.SetReference(plumbing.NewHashReference(at, plumbing.Hash(u.New)))
		}
		if err != nil {
			return fmt.Errorf("note that %s was pushed: %w", u.Name, err)
		}
	}
	return nil
}

// packer makes the pack of what the remote lacks: of commits that none of its refs
// holds, the trees and files that their parents do not have.
func (r *Repo) packer(ctx context.Context, updates []git.Update) func([]git.AdvertisedRef) (io.ReadSeekCloser, error) {
	return func(have []git.AdvertisedRef) (io.ReadSeekCloser, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		c := collection{r: r, seen: map[plumbing.Hash]bool{}}
		known := map[Hash]bool{}
		for _, ref := range have {
			if h, ok := r.peel(plumbing.Hash(ref.Hash)); ok {
				if err := r.graph.ancestors(ctx, r, h, known); err != nil {
					return nil, err
				}
			}
		}
		for _, u := range updates {
			if err := c.ref(ctx, u.New, known); err != nil {
				return nil, fmt.Errorf("collect what %s needs: %w", u.Name, err)
			}
		}
		return r.encode(c.ids)
	}
}

// collection gathers the names of objects.
type collection struct {
	r    *Repo
	seen map[plumbing.Hash]bool
	ids  []plumbing.Hash
}

func (c *collection) add(h plumbing.Hash) bool {
	if c.seen[h] {
		return false
	}
	c.seen[h] = true
	c.ids = append(c.ids, h)
	return true
}

// ref takes tag objects on the way, and all commits that are not known.
func (c *collection) ref(ctx context.Context, h Hash, known map[Hash]bool) error {
	if h.IsZero() {
		return nil
	}
	for range 8 {
		t, err := object.GetTag(c.r.repo.Storer, plumbing.Hash(h))
		if err != nil {
			break
		}
		c.add(plumbing.Hash(h))
		h = Hash(t.Target)
	}
	commits, err := c.r.graph.without(ctx, c.r, h, known)
	if err != nil {
		return err
	}
	for _, id := range commits {
		if err := c.commit(id); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) commit(id Hash) error {
	n, err := c.r.graph.node(c.r, id)
	if err != nil {
		return err
	}
	var below []plumbing.Hash
	for _, p := range n.parents {
		if parent, err := c.r.graph.node(c.r, p); err == nil {
			below = append(below, parent.tree)
		}
	}
	c.add(plumbing.Hash(id))
	return c.tree(n.tree, below)
}

// tree takes a directory as far as none of the parents' has it.
func (c *collection) tree(id plumbing.Hash, below []plumbing.Hash) error {
	if slices.Contains(below, id) || !c.add(id) {
		return nil
	}
	t, err := object.GetTree(c.r.repo.Storer, id)
	if err != nil {
		return fmt.Errorf("read tree %s: %w", id, err)
	}
	old := map[string][]plumbing.Hash{}
	for _, p := range below {
		pt, err := object.GetTree(c.r.repo.Storer, p)
		if err != nil {
			continue // a file stood there
		}
		for _, e := range pt.Entries {
			old[e.Name] = append(old[e.Name], e.Hash)
		}
	}
	for _, e := range t.Entries {
		switch e.Mode {
		case filemode.Submodule:
		case filemode.Dir:
			if err := c.tree(e.Hash, old[e.Name]); err != nil {
				return err
			}
		default:
			if !slices.Contains(old[e.Name], e.Hash) {
				c.add(e.Hash)
			}
		}
	}
	return nil
}

// packWindow is how many objects go-git compares to find deltas.
const packWindow = 10

// encode writes a pack into a file that is gone when it is closed.
func (r *Repo) encode(ids []plumbing.Hash) (io.ReadSeekCloser, error) {
	f, err := os.CreateTemp("", "leat-push-")
	if err != nil {
		return nil, fmt.Errorf("write pack: %w", err)
	}
	out := &tempFile{f}
	w := bufio.NewWriterSize(f, 1<<16)
	_, err = packfile.NewEncoder(w, r.repo.Storer, false).Encode(ids, packWindow)
	if err = errors.Join(err, w.Flush()); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write pack: %w", err), out.Close())
	}
	return out, nil
}

type tempFile struct{ *os.File }

// Close closes and removes the file.
func (t *tempFile) Close() error { return errors.Join(t.File.Close(), os.Remove(t.Name())) }
