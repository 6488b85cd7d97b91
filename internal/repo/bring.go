package repo

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
)

// Bring has commits here, with all their history, though no branch may name them: the
// head of a pull request from a fork, or one that was pushed over. It asks the remote by
// name of the commit, which servers answer in version 2 of Git's protocol as long as
// they have it (gitprotocol-v2, want <oid>).
func (r *Repo) Bring(ctx context.Context, commits ...Hash) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reindex()
	commits = slices.DeleteFunc(slices.Clone(commits), func(h Hash) bool {
		return r.repo.Storer.HasEncodedObject(plumbing.Hash(h)) == nil
	})
	if len(commits) == 0 {
		return nil
	}
	link, err := r.connected(ctx)
	if err != nil {
		return err
	}
	if link == nil {
		return &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("commit %s is not here, and there is no remote to ask", commits[0])}
	}
	haves, shallow := r.tips()
	if err := link.Fetch(ctx, git.Store{Dir: r.dir, Objects: r.repo.Storer, Shallow: shallow}, commits, haves); err != nil {
		return err
	}
	r.reindex()
	return nil
}
