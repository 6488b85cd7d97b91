package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/artifact"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

// gitPort lets the engine fetch through a pool of remotes.
type gitPort struct {
	pool    *git.Pool
	commits *checkouts
}

// Local implements engine.Git: a pool's remotes are elsewhere.
func (*gitPort) Local(string) bool { return false }

// Fetch implements engine.Git.
func (p *gitPort) Fetch(ctx context.Context, r engine.GitRequest) (engine.GitResult, error) {
	cred, err := git.FromSecret(r.URL, r.Secret)
	if err != nil {
		return engine.GitResult{}, classify(err)
	}
	if r.Proxy != nil {
		if cred.Proxy, err = git.ProxyFromSecret(r.Proxy); err != nil {
			return engine.GitResult{}, classify(err)
		}
	}
	remote, err := p.pool.Remote(r.URL, cred)
	if err != nil {
		return engine.GitResult{}, classify(err)
	}
	return fetch(ctx, remote, r, p.commits)
}

// fetch resolves a request at a remote, wherever that is; seen may be nil.
func fetch(ctx context.Context, remote *git.Remote, r engine.GitRequest, seen *checkouts) (engine.GitResult, error) {
	commit, err := remote.Resolve(ctx, gitRef(r.Ref), r.Since)
	if err != nil {
		return engine.GitResult{}, classify(err)
	}
	checkout, err := seen.tree(ctx, remote, commit, git.TreeOptions{Sparse: r.Sparse, Submodules: r.Submodules})
	if err != nil {
		return engine.GitResult{}, classify(err)
	}
	return engine.GitResult{
		Revision: commit.Revision(), Commit: commit.Hash.String(), Tree: checkout.Tree, Notes: checkout.Notes,
	}, nil
}

func gitRef(r *sourcev1.GitRepositoryRef) git.Ref {
	if r == nil {
		return git.Ref{}
	}
	return git.Ref{Branch: r.Branch, Tag: r.Tag, SemVer: r.SemVer, Name: r.Name, Commit: r.Commit}
}

// classify says of an error of the git port what ends the state it describes.
func classify(err error) error {
	switch fault.ClassOf(err) {
	case fault.Auth, fault.Trust:
		return report.Retry(report.ReasonAuthFailed, err)
	case fault.Empty:
		return report.Retry(report.ReasonEmptyRepository, err)
	case fault.Invalid:
		return report.Stall(report.ReasonURLInvalid, err)
	case fault.Unsafe:
		return report.Retry(report.ReasonGitFailed, err)
	default:
		return report.Retry(report.ReasonGitFailed, err)
	}
}

// storePort is the artifact store in the types of the API.
type storePort struct{ store *artifact.Store }

// Put implements engine.Artifacts.
func (p storePort) Put(key object.Key, revision, file string, t tree.Tree) (*meta.Artifact, error) {
	a, err := p.store.Put(keyOf(key), revision, file, t)
	if err != nil {
		return nil, err
	}
	return fromStore(a), nil
}

// PutFile implements engine.Artifacts.
func (p storePort) PutFile(key object.Key, revision, file string, content []byte) (*meta.Artifact, error) {
	a, err := p.store.PutFile(keyOf(key), revision, file, content)
	if err != nil {
		return nil, err
	}
	return fromStore(a), nil
}

// PutFrom implements engine.Artifacts.
func (p storePort) PutFrom(key object.Key, revision, file string, fill func(io.Writer) error) (*meta.Artifact, error) {
	a, err := p.store.PutFrom(keyOf(key), revision, file, fill)
	if err != nil {
		return nil, err
	}
	return fromStore(a), nil
}

// Link implements engine.Artifacts.
func (p storePort) Link(key object.Key, name string, a *meta.Artifact) (string, error) {
	return p.store.Link(keyOf(key), name, toStore(a))
}

// Has implements engine.Artifacts.
func (p storePort) Has(a *meta.Artifact) bool { return p.store.Verify(toStore(a)) == nil }

// URL implements engine.Artifacts.
func (p storePort) URL(path string) string { return p.store.URL(path) }

// Collect implements engine.Artifacts.
func (p storePort) Collect(key object.Key, current *meta.Artifact) error {
	_, err := p.store.Collect(keyOf(key), toStore(current))
	return err
}

// RemoveAll implements engine.Artifacts.
func (p storePort) RemoveAll(key object.Key) error { return p.store.RemoveAll(keyOf(key)) }

// Open implements engine.Trees.
func (p storePort) Open(ctx context.Context, a *meta.Artifact) (tree.Tree, error) {
	if a == nil {
		return tree.Tree{}, errors.New("there is no artifact")
	}
	t, err := p.store.Open(ctx, toStore(a))
	if err != nil {
		return t, fmt.Errorf("artifact %s: %w", a.Revision, err)
	}
	return t, nil
}

// Read implements engine.Trees.
func (p storePort) Read(ctx context.Context, a *meta.Artifact, limit int64) ([]byte, error) {
	if a == nil {
		return nil, errors.New("there is no artifact")
	}
	b, err := p.store.Read(ctx, toStore(a), limit)
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", a.Revision, err)
	}
	return b, nil
}

func keyOf(key object.Key) artifact.Key {
	return artifact.Key{Kind: key.Kind, Namespace: key.Namespace, Name: key.Name}
}

func fromStore(a artifact.Artifact) *meta.Artifact {
	size := a.Size
	return &meta.Artifact{
		Path: a.Path, URL: a.URL, Revision: a.Revision, Digest: a.Digest,
		LastUpdateTime: metav1.NewTime(a.LastUpdateTime), Size: &size, Metadata: a.Metadata,
	}
}

func toStore(a *meta.Artifact) artifact.Artifact {
	out := artifact.Artifact{
		Path: a.Path, URL: a.URL, Revision: a.Revision, Digest: a.Digest,
		LastUpdateTime: a.LastUpdateTime.Time, Metadata: a.Metadata,
	}
	if a.Size != nil {
		out.Size = *a.Size
	}
	return out
}
