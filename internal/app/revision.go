package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

// Revision is a fleet at one moment: a directory as it is, or a commit.
type Revision struct {
	worktree.Snapshot
	Name string // for people: the ref that was asked for, or the directory
}

// Revisions finds the two sides of a change of the fleet in a directory. Base and
// head are directories, or names of commits in the directory's repository. An
// empty head is the directory as it is; an empty base is where head left the
// branch that it will be merged into.
type Revisions struct {
	Dir        string
	Base, Head string
}

// Read returns both sides. Where their contents are equal, so are their
// revisions.
func (r Revisions) Read(ctx context.Context, pool *git.Pool) (base, head Revision, err error) {
	if head, err = r.side(ctx, pool, r.Head); err != nil {
		return base, head, fmt.Errorf("--head: %w", err)
	}
	from := r.Base
	if from == "" {
		if from, err = r.parting(); err != nil {
			return base, head, err
		}
	}
	if base, err = r.side(ctx, pool, from); err != nil {
		return base, head, fmt.Errorf("--base: %w", err)
	}
	if base.Tree.Hash() == head.Tree.Hash() {
		base.Commit = head.Commit
	}
	return base, head, nil
}

// side reads what a name means.
func (r Revisions) side(ctx context.Context, pool *git.Pool, name string) (Revision, error) {
	dir := name
	if name == "" {
		dir = r.Dir
	}
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		reader, err := worktree.Open(dir)
		if err != nil {
			return Revision{}, err
		}
		snap, err := reader.Read(ctx)
		return Revision{snap, dir}, err
	}
	top, rest, ok := git.InRepository(r.Dir)
	if !ok {
		return Revision{}, fmt.Errorf("%s is no directory, and %s lies in no Git repository", name, r.Dir)
	}
	return commit(ctx, pool, place{top, rest}, name)
}

// place is a directory in a repository.
type place struct{ top, rest string }

func commit(ctx context.Context, pool *git.Pool, at place, name string) (Revision, error) {
	history, err := git.OpenHistory(at.top)
	if err != nil {
		return Revision{}, err
	}
	id, err := history.Commit(name)
	if err != nil {
		return Revision{}, fmt.Errorf("%w; nor is it a directory", err)
	}
	checkout, err := pool.At(ctx, at.top, id)
	if err != nil {
		return Revision{}, err
	}
	t := checkout.Tree
	if at.rest != "." {
		if t.Lookup(at.rest).Kind != tree.Dir {
			t = tree.Tree{} // the fleet was not there yet
		} else if t, err = t.Sub(at.rest); err != nil {
			return Revision{}, err
		}
	}
	branch := history.Branch()
	if branch == "" {
		branch = worktree.NoBranch
	}
	return Revision{worktree.Snapshot{Tree: t, Branch: branch, Commit: id.String(), Notes: checkout.Notes}, name}, nil
}

// parting finds the commit at which head left the branch that it will be merged
// into.
func (r Revisions) parting() (string, error) {
	top, _, ok := git.InRepository(r.Dir)
	if !ok {
		return "", errors.New("there is nothing to compare with: the fleet lies in no Git repository; pass --base DIRECTORY")
	}
	history, err := git.OpenHistory(top)
	if err != nil {
		return "", err
	}
	head := r.Head
	if info, err := os.Stat(head); head == "" || err == nil && info.IsDir() {
		head = "HEAD"
	}
	upstream := history.Upstream()
	if upstream == "" {
		return head, nil
	}
	id, err := history.MergeBase(upstream, head)
	if err != nil {
		return "", err
	}
	return id.String(), nil
}
