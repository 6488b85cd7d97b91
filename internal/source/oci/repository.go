package oci

import (
	"context"
	"errors"
	"io"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
)

// Reader reads a repository: a Repository does, and so does whatever stands for
// one on this machine.
type Reader interface {
	// Resolve returns what a Ref means now; see Repository.Resolve for since.
	Resolve(ctx context.Context, want Ref, since time.Time) (Revision, error)
	// Tags lists the tags as they are written.
	Tags(ctx context.Context, since time.Time) ([]string, error)
	// Manifest returns the manifest of a digest.
	Manifest(ctx context.Context, digest string) (Manifest, error)
	// Blob returns a layer as it is stored, not to be changed.
	Blob(ctx context.Context, l Layer) ([]byte, error)
	// Copy writes a layer as it is stored. What was written is of use only where there
	// is no error.
	Copy(ctx context.Context, l Layer, w io.Writer) error
	// Tree returns a layer unpacked; the notes name what was left out.
	Tree(ctx context.Context, l Layer) (t tree.Tree, notes []string, err error)
}

// Repository is a repository as one access sees it. It may be used by several
// goroutines.
type Repository struct {
	c      *client
	id     string // of the client: content is shared within it
	repo   name.Repository
	puller *remote.Puller

	resolves  flights[string]
	listings  flights[[]string]
	manifests flights[Manifest]
	blobs     flights[[]byte]
	trees     flights[unpacked]
}

// maxResolves bounds the tags of a repository whose digests are remembered.
const maxResolves = 256

func newRepository(c *client, repo name.Repository, id string) *Repository {
	now := c.pool.o.Now
	return &Repository{
		c: c, id: id, repo: repo, puller: c.puller,
		resolves: flights[string]{now: now, keep: maxResolves}, listings: flights[[]string]{now: now, keep: 1},
		manifests: flights[Manifest]{now: now}, blobs: flights[[]byte]{now: now}, trees: flights[unpacked]{now: now},
	}
}

// Name returns registry and path.
func (r *Repository) Name() string { return r.repo.Name() }

// Resolve returns what a Ref means now. An answer that was asked for at or
// after since will do; a digest needs none.
func (r *Repository) Resolve(ctx context.Context, want Ref, since time.Time) (Revision, error) {
	if want.Digest != "" {
		h, err := parseDigest(want.Digest)
		return Revision{Digest: h.String()}, err
	}
	tag := want.Tag
	if want.SemVer != "" {
		tags, err := r.Tags(ctx, since)
		if err != nil {
			return Revision{}, err
		}
		if tag, err = Choose(tags, want); err != nil {
			return Revision{}, err
		}
	}
	if tag == "" {
		tag = name.DefaultTag
	}
	ref, err := parseTag(r.repo, tag)
	if err != nil {
		return Revision{}, err
	}
	digest, err := r.resolves.get(ctx, question{tag, since}, func(ctx context.Context) (string, error) { return r.digest(ctx, ref) })
	if err != nil {
		return Revision{}, classify(err)
	}
	return Revision{Tag: tag, Digest: digest}, nil
}

// digest asks by HEAD, and by GET where that says too little.
func (r *Repository) digest(ctx context.Context, ref name.Tag) (string, error) {
	limit := int64(r.c.pool.o.Limits.Answer)
	desc, err := r.puller.Head(withBudget(ctx, limit), ref)
	if err == nil {
		return desc.Digest.String(), nil
	}
	var failed *url.Error
	if errors.As(err, &failed) || ctx.Err() != nil {
		return "", classify(err) // nobody answered
	}
	got, err := r.puller.Get(withBudget(ctx, limit), ref)
	if err != nil {
		return "", classify(err)
	}
	return got.Digest.String(), nil
}

// Tags lists the tags as they are written, in the registry's order. A listing
// that began at or after since will do.
func (r *Repository) Tags(ctx context.Context, since time.Time) ([]string, error) {
	tags, err := r.listings.get(ctx, question{"", since}, r.list)
	return tags, classify(err)
}

func (r *Repository) list(ctx context.Context) ([]string, error) {
	limits := r.c.pool.o.Limits
	lister, err := r.puller.Lister(withBudget(ctx, int64(limits.Answer)), r.repo)
	if err != nil {
		return nil, classify(err)
	}
	var out []string
	next := ""
	for pages := 0; lister.HasNext(); pages++ {
		page, err := lister.Next(withBudget(ctx, int64(limits.Answer)))
		if err != nil {
			return nil, classify(err)
		}
		out = append(out, page.Tags...)
		switch {
		case len(out) > limits.Tags:
			return nil, fail(fault.TooLarge, "%s has more than %d tags", r.repo, limits.Tags)
		case page.Next != "" && (page.Next == next || len(page.Tags) == 0):
			return nil, fail(fault.Unsafe, "%s lists its tags in a circle", r.repo)
		case pages > limits.Tags/10:
			return nil, fail(fault.Unsafe, "%s lists its tags on more than %d pages", r.repo, limits.Tags/10)
		}
		next = page.Next
	}
	return out, nil
}
