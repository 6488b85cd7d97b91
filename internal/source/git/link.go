package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// Update moves one ref of a remote, see wire.Update.
type Update = wire.Update

// Push is what is sent to a remote, see wire.Push.
type Push = wire.Push

// Link is a remote with its whole history, for reading and writing. Package repo
// stands on it; what GitRepositories need is Remote.
type Link struct {
	shown  string
	limits Limits
	client pusher
}

// pusher is a client that also writes.
type pusher interface {
	client
	Push(ctx context.Context, p wire.Push) error
}

// NewLink makes a link; it connects when it is used. User information in the URL
// fills what the credential lacks.
func NewLink(rawURL string, c Credential, o Options) (*Link, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	c = c.completed(u)
	u = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if err := c.check(u); err != nil {
		return nil, err
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	cl, err := newClient(u, c, o.Dial)
	if err != nil {
		return nil, err
	}
	return &Link{shown: u.String(), limits: o.Limits.withDefaults(), client: cl.(pusher)}, nil
}

// URL returns the address, without user information.
func (l *Link) URL() string { return l.shown }

// Close drops idle connections.
func (l *Link) Close() error { return l.client.Close() }

// List returns HEAD and all branches, tags and notes.
func (l *Link) List(ctx context.Context) ([]AdvertisedRef, error) {
	refs, err := l.client.List(ctx, wire.ListOptions{
		Prefixes: []string{heads, tags, "refs/notes/"}, Names: []string{"HEAD"},
		MaxRefs: l.limits.Refs, MaxBytes: l.limits.RefBytes,
	})
	return refs, classify(err, l.shown)
}

// Fetch brings wants with all their history into objects, whose files lie under
// dir. haves are here with all of theirs.
func (l *Link) Fetch(ctx context.Context, into Store, wants, haves []Hash) error {
	pack, err := l.client.Fetch(ctx, wire.Request{Wants: wants, Haves: haves, Shallow: into.Shallow, Thin: len(haves) > 0})
	if err != nil {
		return classify(fmt.Errorf("fetch: %w", err), l.shown)
	}
	defer pack.Close()
	st := &store{dir: into.Dir, objects: into.Objects, blobs: map[Hash]blobInfo{}}
	if _, err := st.ingest(ctx, pack, l.limits, newLRU(0)); err != nil {
		return classify(fmt.Errorf("fetch: %w", err), l.shown)
	}
	return nil
}

// Store is where fetched objects go.
type Store struct {
	Dir     string // where a pack lies while it comes
	Objects storer.EncodedObjectStorer
	Shallow []Hash // commits that are here without their parents
}

// Push moves refs, all or none. A ref that does not stand where it was expected
// is a Conflict, one that only pull requests may change is Protected, what the
// account may not do otherwise Forbidden.
func (l *Link) Push(ctx context.Context, p Push) error {
	err := l.client.Push(ctx, p)
	var refused *wire.RefusedError
	var status *wire.StatusError
	switch {
	case errors.As(err, &refused):
		err = &fault.Error{Class: classOfRefusal(refused), URL: l.shown, Err: err}
	case errors.As(err, &status) && status.Code == http.StatusForbidden:
		err = &fault.Error{Class: fault.Forbidden, URL: l.shown, Err: fmt.Errorf("the account may not push: %w", err)}
	case errors.Is(err, wire.ErrNotAtomic):
		err = &fault.Error{Class: fault.Invalid, URL: l.shown, Err: err}
	}
	return classify(err, l.shown)
}

// What servers say when a rule keeps a branch: Gitea «protected branch», GitHub
// GH006 and GH013 («repository rule violations»), GitLab «not allowed to push code
// to protected branches», Bitbucket «pull request» rules, Azure TF402455.
var protectedWords = []string{"protected branch", "protected ref", "gh006", "gh013", "rule violation", "tf402455", "pull requests are not permitted", "only through a pull request", "via pull request"}

// What servers say when a ref stood elsewhere (receive-pack.c and refs.c of Git).
var movedWords = []string{"fetch first", "stale info", "non-fast-forward", "cannot lock ref", "failed to update ref", "failed to lock", "reference already exists", "incorrect old value", "remote ref does not match", "failed to write"}

func classOfRefusal(r *wire.RefusedError) fault.Class {
	text := strings.ToLower(r.Error())
	for _, w := range protectedWords {
		if strings.Contains(text, w) {
			return fault.Protected
		}
	}
	for _, w := range movedWords {
		if strings.Contains(text, w) {
			return fault.Conflict
		}
	}
	return fault.Forbidden
}

// KeyOf names a kept copy of a remote: a directory of its own per address.
func KeyOf(rawURL string) string {
	return hash.New("link/v1").Str(rawURL).Sum().Hex()[:32]
}

var _ io.Closer = (*Link)(nil)

// CheckName refuses names of entries that Git itself never checks out, such as
// .git in any spelling; prefix is the directory, for the error.
func CheckName(prefix, name string) error { return checkEntry(prefix, name) }
