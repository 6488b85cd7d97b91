package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// local reads the refs of a repository on this machine, bare or not. It shares
// go-git's storage, and so the lock, with the store.
type local struct {
	st   *store
	refs storer.ReferenceStorer
}

// openLocal opens the repository in dir; nothing in it is changed.
func openLocal(dir string) (*store, *local, error) {
	repo, err := gogit.PlainOpenWithOptions(dir, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		return nil, nil, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("%s is no Git repository", dir)}
	}
	if err != nil {
		return nil, nil, &fault.Error{Class: fault.Unreachable, Err: fmt.Errorf("open %s: %w", dir, err)}
	}
	st := &store{objects: repo.Storer, blobs: map[Hash]blobInfo{}}
	if s, ok := repo.Storer.(interface{ Reindex() }); ok {
		st.refresh = s.Reindex
	}
	return st, &local{st, repo.Storer}, nil
}

// List implements client.
func (l *local) List(ctx context.Context, o wire.ListOptions) ([]wire.Ref, error) {
	l.st.mu.Lock()
	defer l.st.mu.Unlock()
	if l.st.refresh != nil {
		l.st.refresh()
	}
	it, err := iterate(ctx, l.refs)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var out []wire.Ref
	err = it.ForEach(func(ref *plumbing.Reference) error {
		resolved, err := storer.ResolveReference(l.refs, ref.Name())
		if err != nil || !ref.Name().IsBranch() && !ref.Name().IsTag() && !slices.Contains(o.Names, ref.Name().String()) {
			return nil // a link to a branch that is not there yet, or not asked for
		}
		out = append(out, wire.Ref{Name: ref.Name().String(), Hash: Hash(resolved.Hash()), Peeled: l.peel(resolved.Hash())})
		return ctx.Err()
	})
	return out, err
}

// emptyTries and emptyWait bound how long a ref may be read as empty: go-git writes one
// in place, so that whoever reads in that moment finds nothing in its file.
const (
	emptyTries = 20
	emptyWait  = 5 * time.Millisecond
)

// iterate begins to read the refs, once none is being written.
func iterate(ctx context.Context, refs storer.ReferenceStorer) (storer.ReferenceIter, error) {
	for try := 0; ; try++ {
		it, err := refs.IterReferences()
		if !errors.Is(err, dotgit.ErrEmptyRefFile) || try == emptyTries {
			return it, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(emptyWait):
		}
	}
}

// peel follows tag objects; zero for what is none.
func (l *local) peel(h plumbing.Hash) (out Hash) {
	for range 8 {
		t, err := object.GetTag(l.st.objects, h)
		if err != nil {
			return out
		}
		h = t.Target
		out = Hash(h)
	}
	return out
}

// Fetch implements client; everything there is to have is here.
func (l *local) Fetch(context.Context, wire.Request) (*wire.Pack, error) {
	return nil, errors.New("the repository on disk lacks the object")
}

// AnyWant implements client.
func (l *local) AnyWant(context.Context) (bool, error) { return true, nil }

// Close implements client.
func (l *local) Close() error { return nil }
