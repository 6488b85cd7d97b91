package git

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// Remote is a repository as one credential sees it. It may be used by several
// goroutines.
type Remote struct {
	pool   *Pool
	url    *url.URL // without user information
	shown  string   // the same as text
	cred   Credential
	door   Door
	client client

	st       atomic.Pointer[store]
	fetching chan struct{} // holds one token: fetches take turns

	mu    sync.Mutex
	names []string // refs asked for beside branches and tags
	last  *poll
	total Stats
}

// Stats counts what a remote has received since the process began.
type Stats struct {
	Polls, Fetches, Objects int
	Bytes                   int64 // of packs
}

func newRemote(p *Pool, u *url.URL, c Credential, cl client, st *store) *Remote {
	r := &Remote{pool: p, url: u, shown: u.String(), cred: c, door: Door{Dial: p.o.Dial}, client: cl, fetching: make(chan struct{}, 1)}
	r.st.Store(st)
	return r
}

// URL returns the address, without user information.
func (r *Remote) URL() string { return r.shown }

// Stats returns what was received so far.
func (r *Remote) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

func (r *Remote) objects() *store { return r.st.Load() }

// Resolve returns the commit that want means now, and brings it. A listing of
// refs that began at or after since will do, see Refs; a commit that is pinned
// and here needs none.
func (r *Remote) Resolve(ctx context.Context, want Ref, since time.Time) (Commit, error) {
	if want.Commit != "" {
		return r.pinned(ctx, want, since)
	}
	for again := false; ; again = true {
		refs, err := r.refs(ctx, since, askedName(want))
		if err != nil {
			return Commit{}, err
		}
		c, err := r.bring(ctx, refs, want)
		if err == nil || again || !isMoved(err) {
			return c, err
		}
		since = r.pool.o.Now() // the ref moved between listing and fetch
	}
}

// bring chooses among refs and fetches what is chosen.
func (r *Remote) bring(ctx context.Context, refs []AdvertisedRef, want Ref) (Commit, error) {
	if len(refs) == 0 && want.Name == "" {
		return Commit{}, &fault.Error{Class: fault.Empty, URL: r.shown, Err: errors.New("the repository is empty: it has no branch and no tag")}
	}
	t, err := Choose(refs, want)
	if err != nil {
		return Commit{}, r.at(err)
	}
	if len(t.Ties) > 0 {
		if t, err = r.youngest(ctx, t.Ties); err != nil {
			return Commit{}, err
		}
	}
	if err := r.fetch(ctx, []Target{t}); err != nil {
		return Commit{}, err
	}
	return r.commit(t)
}

// youngest settles a tie of tags by the time of their commits.
func (r *Remote) youngest(ctx context.Context, ties []Target) (Target, error) {
	if err := r.fetch(ctx, ties); err != nil {
		return Target{}, err
	}
	var best Target
	var when time.Time
	for _, t := range ties {
		c, err := r.commit(t)
		if err != nil {
			return Target{}, err
		}
		if best.Label == "" || !c.Committer.When.Before(when) {
			best, when = t, c.Committer.When
		}
	}
	return best, nil
}

// pinned brings a commit that spec.ref.commit names.
func (r *Remote) pinned(ctx context.Context, want Ref, since time.Time) (Commit, error) {
	h, err := wire.ParseHash(strings.ToLower(want.Commit))
	if err != nil {
		return Commit{}, r.at(&fault.Error{Class: fault.Invalid, Err: err})
	}
	if r.objects().has(h) {
		t := Target{Hash: h, Object: h, Label: want.Branch}
		if want.Branch != "" {
			t.Ref = heads + want.Branch
		}
		return r.commit(t)
	}
	refs, err := r.refs(ctx, since, "")
	if err != nil {
		return Commit{}, err
	}
	t, err := Choose(refs, want)
	if err != nil {
		return Commit{}, r.at(err)
	}
	if err := r.fetchPinned(ctx, refs, t); err != nil {
		return Commit{}, err
	}
	return r.commit(t)
}

// at adds the address to an error that has none.
func (r *Remote) at(err error) error {
	var e *fault.Error
	if errors.As(err, &e) && e.URL == "" {
		return &fault.Error{Class: e.Class, URL: r.shown, Err: err}
	}
	return classify(err, r.shown)
}

// isMoved tells whether the server no longer gives out what it just listed.
func isMoved(err error) bool {
	var server *wire.ServerError
	return errors.As(err, &server) && strings.Contains(server.Text, "not our ref")
}

// fetch brings targets that are not here, without their history.
func (r *Remote) fetch(ctx context.Context, targets []Target) error {
	if len(r.objects().lacks(targets)) == 0 {
		return nil
	}
	return r.inTurn(ctx, func() error {
		st := r.objects() // not before: who had the turn may have begun a new one
		missing := st.lacks(targets)
		switch {
		case len(missing) == 0:
			return nil // someone else brought it meanwhile
		case st.untidy() && len(missing) == 1:
			return r.renewNow(ctx, missing[0])
		}
		known := st.known()
		req := wire.Request{Haves: known, Shallow: known, Depth: 1, Thin: len(known) > 0}
		for _, t := range missing {
			req.Wants = append(req.Wants, t.Object)
		}
		return r.receive(ctx, st, req, missing)
	})
}

// inTurn runs one fetch at a time.
func (r *Remote) inTurn(ctx context.Context, fetch func() error) error {
	select {
	case r.fetching <- struct{}{}:
	case <-ctx.Done():
		return classify(ctx.Err(), r.shown)
	}
	defer func() { <-r.fetching }()
	return fetch()
}

// receive makes one request and checks that it brought the targets into st.
func (r *Remote) receive(ctx context.Context, st *store, req wire.Request, targets []Target) error {
	pack, err := r.client.Fetch(ctx, req)
	if err != nil {
		return classify(fmt.Errorf("fetch: %w", err), r.shown)
	}
	defer pack.Close()
	got, err := st.ingest(ctx, pack, r.pool.o.Limits, r.pool.contents)
	if err != nil {
		return r.at(fmt.Errorf("fetch: %w", err))
	}
	r.mu.Lock()
	r.total.Fetches++
	r.total.Objects += got.Objects
	r.total.Bytes += got.Bytes
	r.mu.Unlock()
	var commits []Hash
	for _, t := range targets {
		if !st.has(t.Hash) {
			return &fault.Error{Class: fault.Unreachable, URL: r.shown, Err: fmt.Errorf("fetch: the server sent a pack without %s", t.Hash)}
		}
		commits = append(commits, t.Hash)
	}
	if req.Depth == 0 {
		return nil
	}
	return st.add(commits)
}

// fetchPinned brings a commit that perhaps no ref names: alone where the
// server allows, else with the history of the branch, or of all.
func (r *Remote) fetchPinned(ctx context.Context, refs []AdvertisedRef, t Target) error {
	named := slices.ContainsFunc(refs, func(a AdvertisedRef) bool { return a.Hash == t.Hash || a.Peeled == t.Hash })
	anyWant, err := r.client.AnyWant(ctx)
	if err != nil {
		return classify(err, r.shown)
	}
	if named || anyWant {
		err := r.fetch(ctx, []Target{t})
		if isMoved(err) {
			return &fault.Error{Class: fault.NotFound, URL: r.shown, Err: fmt.Errorf("commit %s is not there: %w", t.Hash, err)}
		}
		return err
	}
	req := wire.Request{}
	for _, a := range refs {
		if strings.HasPrefix(a.Name, heads) && (t.Ref == "" || a.Name == t.Ref) {
			req.Wants = append(req.Wants, a.Hash)
		}
	}
	return r.inTurn(ctx, func() error {
		st := r.objects()
		err := r.receive(ctx, st, req, []Target{t})
		if err != nil && fault.ClassOf(err) == fault.Unreachable && !st.has(t.Hash) {
			return &fault.Error{Class: fault.NotFound, URL: r.shown, Err: fmt.Errorf("commit %s is in no branch that was searched, and %w", t.Hash, wire.ErrNotOffered)}
		}
		return err
	})
}
