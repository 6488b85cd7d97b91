package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/include"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Git reads remotes.
type Git interface {
	// Local tells whether the URL is read from this machine, so that it needs
	// neither credentials nor proxy nor verification.
	Local(url string) bool
	// Fetch resolves the reference and returns its tree. Errors are Problems
	// where the port knows their class.
	Fetch(ctx context.Context, r GitRequest) (GitResult, error)
}

// GitRequest is one fetch.
type GitRequest struct {
	Unit       object.Key
	URL        string
	Ref        *sourcev1.GitRepositoryRef
	Sparse     []string
	Submodules bool
	Secret     map[string][]byte // of spec.secretRef; nil for none
	Proxy      map[string][]byte // of spec.proxySecretRef; nil for none
	// Since is how old an answer of the remote may be: a listing of refs that
	// began at or after it will do, whoever asked for it.
	Since time.Time
}

// GitResult is what a fetch brought.
type GitResult struct {
	Revision string // "main@sha1:…"
	Commit   string // 40 hexadecimal digits
	Tree     tree.Tree
	Notes    []string // for people: what was left out and why
	// Pushed says that changes are announced, so that nobody need ask again.
	Pushed bool
}

// Artifacts stores what sources yield.
type Artifacts interface {
	// Put stores a tree as the artifact file of an object.
	Put(key object.Key, revision, file string, t tree.Tree) (*meta.Artifact, error)
	// PutFile stores bytes as they come as the artifact file of an object.
	PutFile(key object.Key, revision, file string, content []byte) (*meta.Artifact, error)
	// PutFrom stores what fill writes, unless that fails, without holding it in memory.
	PutFrom(key object.Key, revision, file string, fill func(io.Writer) error) (*meta.Artifact, error)
	// Link names the file of an artifact of the object a second time, such as
	// latest.tar.gz or index.yaml, and returns the address of that name.
	Link(key object.Key, name string, a *meta.Artifact) (url string, err error)
	// Has tells whether the artifact is stored, whole.
	Has(a *meta.Artifact) bool
	// URL is the present address of a stored path.
	URL(path string) string
	// Collect removes what retention no longer covers.
	Collect(key object.Key, current *meta.Artifact) error
	// RemoveAll drops everything of an object that is gone.
	RemoveAll(key object.Key) error
}

// fetching is one run of one GitRepository.
type fetching struct {
	*Engine
	g    *unit.GitRepository
	view view
	now  time.Time
	run  report.SourceRun
}

func (e *Engine) convergeGit(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) report.Report {
	g, err := unit.DecodeGitRepository(obj)
	if err != nil {
		return report.Broken(obj, report.Stall(report.ReasonInvalidSpec, err), now)
	}
	f := &fetching{Engine: e, g: g, view: view{world: w, rec: &record.Recorder{}}, now: now}
	switch {
	case g.DeletionTimestamp != nil:
		return e.removeSource(g.Key())
	case g.Spec.Suspend:
		return report.Report{Unit: g.Key()}
	}
	ctx, cancel := context.WithTimeout(ctx, g.Timeout())
	defer cancel()
	f.run.Err = f.converge(ctx)
	f.run.Reads = f.view.rec.Set()
	f.run.Failures = e.failures(g.Key(), f.run.Err)
	return report.GitRepository(g, f.run, now)
}

// failures counts the runs of a unit that failed one after the other.
func (e *Engine) failures(key object.Key, err error) int {
	m := e.memo(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.failures++; err == nil {
		m.failures = 0
	}
	return m.failures
}

// converge is the story of a GitRepository.
func (f *fetching) converge(ctx context.Context) error {
	req, err := f.request(ctx)
	if err != nil {
		return err
	}
	res, err := f.Git.Fetch(ctx, req)
	if err != nil {
		return classed(err, report.ReasonGitFailed)
	}
	f.run.Pushed, f.run.Notes = res.Pushed, append(f.run.Notes, res.Notes...)
	t, warnings, err := f.filtered.filter(res.Tree, f.g.Spec.Ignore)
	if err != nil {
		return report.Stall(report.ReasonIgnoreFailed, err)
	}
	f.run.Notes = append(f.run.Notes, warnings...)
	t, err = f.include(ctx, t)
	if err != nil {
		return err
	}
	return f.store(res, t)
}

func classed(err error, reason string) error {
	var p *report.Problem
	if errors.As(err, &p) {
		return err
	}
	return report.Retry(reason, err)
}

// request gathers what a fetch needs; a local source needs no secrets.
func (f *fetching) request(ctx context.Context) (GitRequest, error) {
	s := f.g.Spec
	req := GitRequest{
		Unit: f.g.Key(), URL: s.URL, Ref: s.Reference, Sparse: s.SparseCheckout, Submodules: s.RecurseSubmodules,
		Since: since(f.g, f.g.Status.LastHandledReconcileAt, f.g.Interval(), f.now),
	}
	if f.Git.Local(s.URL) {
		if s.SecretRef != nil || s.ProxySecretRef != nil || s.Verification != nil {
			f.run.Notes = append(f.run.Notes, "read from this machine: secretRef, proxySecretRef and verify are not used")
		}
		return req, nil
	}
	if s.Verification != nil {
		return req, report.Stall(report.ReasonVerification, errors.New(
			"spec.verify: signatures cannot be verified yet, so nothing is taken from this repository"))
	}
	if p := s.Provider; p != "" && p != sourcev1.GitProviderGeneric {
		return req, report.Stall(report.ReasonUnsupported, fmt.Errorf("spec.provider %q is not supported yet; use generic with a secretRef", p))
	}
	var err error
	if s.SecretRef != nil {
		if req.Secret, err = f.view.credential(ctx, f.g.Namespace, s.SecretRef.Name); err != nil {
			return req, err
		}
	}
	if s.ProxySecretRef != nil {
		if req.Proxy, err = f.view.credential(ctx, f.g.Namespace, s.ProxySecretRef.Name); err != nil {
			return req, err
		}
	}
	return req, nil
}

// include lays parts of other repositories' artifacts into the tree.
func (f *fetching) include(ctx context.Context, t tree.Tree) (tree.Tree, error) {
	if circle := f.circle(ctx); circle != nil {
		return t, report.Stall("CopyFailure", fmt.Errorf("spec.include leads back to this repository, which would grow without end: %s", join(circle)))
	}
	var parts []include.Part
	for i, key := range f.g.Includes() {
		art, err := f.artifactOf(ctx, key)
		if err != nil {
			return t, err
		}
		from, err := f.Trees.Open(ctx, art)
		if err != nil {
			return t, report.Retry("CopyFailure", fmt.Errorf("include %s: %w", key, err))
		}
		spec := f.g.Spec.Include[i]
		parts = append(parts, include.Part{Name: key.Name, Tree: from, From: spec.FromPath, To: spec.ToPath})
		f.run.Included = append(f.run.Included, art)
	}
	t, err := include.Into(t, parts)
	if err != nil {
		return t, report.Wait("CopyFailure", err)
	}
	return t, nil
}

// maxIncluded bounds the repositories that are looked at for a circle of includes.
const maxIncluded = 100

// circle returns the way by which the includes of a repository lead back to it; nil where
// they do not.
func (f *fetching) circle(ctx context.Context) []string {
	type step struct {
		key object.Key
		way []string
	}
	seen := map[object.Key]bool{}
	var open []step
	reach := func(keys []object.Key, way []string) {
		for _, key := range keys {
			if !seen[key] && len(seen) < maxIncluded {
				seen[key] = true
				open = append(open, step{key, append(way[:len(way):len(way)], key.String())})
			}
		}
	}
	for reach(f.g.Includes(), []string{f.g.Key().String()}); len(open) > 0; open = open[1:] {
		at := open[0]
		if at.key == f.g.Key() {
			return at.way
		}
		if obj, err := f.view.get(ctx, unit.Ref(at.key)); err == nil && obj != nil {
			if next, err := unit.DecodeGitRepository(obj); err == nil {
				reach(next.Includes(), at.way)
			}
		}
	}
	return nil
}

func (f *fetching) artifactOf(ctx context.Context, key object.Key) (*meta.Artifact, error) {
	obj, err := f.view.get(ctx, unit.Ref(key))
	if err != nil {
		return nil, report.Retry(report.ReasonIncludeMissing, err)
	}
	if obj == nil {
		return nil, report.Wait(report.ReasonIncludeMissing, fmt.Errorf("could not get resource for include: %s not found", key), key.String())
	}
	status, err := unit.StatusOf(obj)
	if err != nil || status.Artifact == nil {
		return nil, report.Wait("NoArtifact", fmt.Errorf("no artifact available for include %s", key), key.String())
	}
	return status.Artifact, nil
}

// store keeps the tree as the artifact, unless it is the one that is kept.
func (f *fetching) store(res GitResult, t tree.Tree) error {
	have := f.g.Status.Artifact
	f.collect(f.g.Key(), have)
	m := f.memo(f.g.Key())
	if have != nil && have.Revision == res.Revision && m.stored == t.Hash() && f.Store.Has(have) {
		f.run.Artifact = have
		return nil
	}
	art, err := f.Store.Put(f.g.Key(), res.Revision, res.Commit+".tar.gz", t)
	if err != nil {
		return report.Retry(report.ReasonArchiveFailed, err)
	}
	m.stored = t.Hash()
	if have != nil && have.Revision == art.Revision && have.Digest == art.Digest && have.Path == art.Path {
		art.LastUpdateTime = have.LastUpdateTime // the same, found again after a restart
	}
	f.run.Artifact = art
	return nil
}
