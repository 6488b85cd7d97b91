package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// OCI opens repositories of registries.
type OCI interface {
	// Local tells whether the URL is read from this machine, so that it needs
	// neither credentials nor proxy nor verification.
	Local(url string) bool
	// Open returns the repository behind an oci:// address; nothing is asked
	// of it yet. Errors are Problems or have a class of package oci; see
	// registryProblem.
	Open(r OCIRequest) (oci.Reader, error)
}

// OCIRequest says which repository is meant and how it is reached.
type OCIRequest struct {
	URL       string
	Transport oci.Transport
	Secrets   oci.Secrets
	Proxy     map[string][]byte // of spec.proxySecretRef; nil for none
}

// pulling is one run of one OCIRepository.
type pulling struct {
	*Engine
	o    *unit.OCIRepository
	view view
	now  time.Time
	run  report.SourceRun
}

func (e *Engine) convergeOCI(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) report.Report {
	o, err := unit.DecodeOCIRepository(obj)
	if err != nil {
		return report.Broken(obj, report.Stall(report.ReasonInvalidSpec, err), now)
	}
	p := &pulling{Engine: e, o: o, view: view{world: w, rec: &record.Recorder{}}, now: now}
	switch {
	case o.DeletionTimestamp != nil:
		return e.removeSource(o.Key())
	case o.Spec.Suspend:
		return report.Report{Unit: o.Key()}
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout())
	defer cancel()
	p.run.Err = p.converge(ctx)
	p.run.Reads = p.view.rec.Set()
	p.run.Failures = e.failures(o.Key(), p.run.Err)
	return report.OCIRepository(o, p.run, now)
}

// converge is the story of an OCIRepository.
func (p *pulling) converge(ctx context.Context) error {
	repo, err := p.open(ctx)
	if err != nil {
		return err
	}
	rev, err := repo.Resolve(ctx, p.ref(), since(p.o, p.o.Status.LastHandledReconcileAt, p.o.Interval(), p.now))
	if err != nil {
		return p.unresolved(err)
	}
	p.collect(p.o.Key(), p.o.Status.Artifact)
	if p.keep(rev) {
		return nil
	}
	man, err := repo.Manifest(ctx, rev.Digest)
	if err != nil {
		return registryProblem(report.ReasonPullFailed, fmt.Errorf("failed to pull artifact from '%s': %w", p.o.Spec.URL, err))
	}
	layer, err := man.Layer(p.o.GetLayerMediaType())
	if err != nil {
		return registryProblem(report.ReasonLayerFailed, err)
	}
	art, err := p.take(ctx, repo, pulled{rev, layer})
	if err != nil {
		return err
	}
	art.Metadata = p.metadata(man.Annotations)
	p.stored(art)
	return nil
}

// maxMetadata bounds the annotations that go into the status, in bytes: what
// Kubernetes allows of its own.
const maxMetadata = 256 << 10

func (p *pulling) metadata(annotations map[string]string) map[string]string {
	size := 0
	for key, value := range annotations {
		size += len(key) + len(value)
	}
	if size > maxMetadata {
		p.run.Notes = append(p.run.Notes, fmt.Sprintf("the manifest's annotations have %d bytes, more than %d: none is kept", size, maxMetadata))
		return nil
	}
	return annotations
}

// open gathers what a registry wants to know; a local source needs no secrets.
func (p *pulling) open(ctx context.Context) (oci.Reader, error) {
	req, err := p.request(ctx)
	if err != nil {
		return nil, err
	}
	repo, err := p.OCI.Open(req)
	if fault.ClassOf(err) == fault.InvalidURL {
		return nil, registryProblem(report.ReasonURLInvalid, fmt.Errorf("URL validation failed for '%s': %w", p.o.Spec.URL, err))
	}
	if err != nil {
		return nil, registryProblem(report.ReasonAuthFailed, err)
	}
	return repo, nil
}

func (p *pulling) request(ctx context.Context) (OCIRequest, error) {
	s := p.o.Spec
	req := OCIRequest{URL: s.URL}
	if p.OCI.Local(s.URL) {
		p.run.Pushed = true
		if s.SecretRef != nil || s.ServiceAccountName != "" || s.CertSecretRef != nil || s.ProxySecretRef != nil || s.Verify != nil {
			p.run.Notes = append(p.run.Notes, "read from this machine: secretRef, serviceAccountName, certSecretRef, proxySecretRef and verify are not used")
		}
		return req, nil
	}
	if s.Verify != nil {
		return req, report.Stall(report.ReasonVerification, errors.New(
			"spec.verify: signatures cannot be verified yet, so nothing is taken from this repository"))
	}
	if s.Insecure {
		req.Transport = oci.Insecure
	}
	if err := p.secrets(ctx, &req); err != nil {
		return req, err
	}
	if name := p.o.Provider(); name != sourcev1.GenericOCIProvider && len(req.Secrets.Pull) == 0 {
		return req, report.Stall(report.ReasonUnsupported, fmt.Errorf("spec.provider %q is not supported yet; use generic with a secretRef", name))
	}
	return req, nil
}

func (p *pulling) secrets(ctx context.Context, req *OCIRequest) (err error) {
	s, ns := p.o.Spec, p.o.Namespace
	names, err := p.pullSecrets(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := p.view.credential(ctx, ns, name)
		if err != nil {
			return err
		}
		if !oci.HasLogin(data) {
			p.run.Notes = append(p.run.Notes, fmt.Sprintf("the secret %q holds no .dockerconfigjson and is not used", name))
		}
		req.Secrets.Pull = append(req.Secrets.Pull, data)
	}
	if s.CertSecretRef != nil {
		if req.Secrets.Cert, err = p.view.credential(ctx, ns, s.CertSecretRef.Name); err != nil {
			return err
		}
	}
	if s.ProxySecretRef != nil {
		req.Proxy, err = p.view.credential(ctx, ns, s.ProxySecretRef.Name)
	}
	return err
}

// pullSecrets names the Secrets with logins: that of the spec, and those of the
// ServiceAccount.
func (p *pulling) pullSecrets(ctx context.Context) ([]string, error) {
	var out []string
	if ref := p.o.Spec.SecretRef; ref != nil {
		out = append(out, ref.Name)
	}
	name := p.o.Spec.ServiceAccountName
	if name == "" {
		return out, nil
	}
	obj, err := p.view.get(ctx, object.Ref{Key: object.Key{Kind: "ServiceAccount", Namespace: p.o.Namespace, Name: name}, Version: "v1"})
	if err != nil {
		return nil, report.Retry(report.ReasonAuthFailed, err)
	}
	if obj == nil {
		return nil, report.Missing(report.ReasonAuthFailed, fmt.Errorf("failed to get credential: serviceaccount '%s/%s' not found", p.o.Namespace, name),
			"ServiceAccount/"+p.o.Namespace+"/"+name)
	}
	var sa corev1.ServiceAccount
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &sa); err != nil {
		return nil, report.Retry(report.ReasonAuthFailed, fmt.Errorf("read serviceaccount '%s/%s': %w", p.o.Namespace, name, err))
	}
	for _, ref := range sa.ImagePullSecrets {
		out = append(out, ref.Name)
	}
	return out, nil
}

func (p *pulling) ref() oci.Ref {
	r := p.o.Ref()
	return oci.Ref{Digest: r.Digest, SemVer: r.SemVer, Filter: r.SemverFilter, Tag: r.Tag, MediaType: p.o.GetLayerMediaType()}
}

// unresolved words why there is no revision, as Flux does.
func (p *pulling) unresolved(err error) error {
	if r := p.o.Ref(); r.Digest == "" && r.SemVer != "" {
		return registryProblem(report.ReasonReadFailed, fmt.Errorf("failed to determine the artifact tag for '%s': %w", p.o.Spec.URL, err))
	}
	return registryProblem(report.ReasonPullFailed, fmt.Errorf("failed to determine artifact digest: %w", err))
}

// registryProblem classes an error of package oci; reason is for those that
// Flux gives the reason of the step in which they happen.
func registryProblem(reason string, err error) error {
	var problem *report.Problem
	if errors.As(err, &problem) {
		return problem
	}
	switch fault.ClassOf(err) {
	case fault.Auth, fault.Trust:
		return report.Retry(report.ReasonAuthFailed, err)
	case fault.InvalidURL:
		return report.Stall(report.ReasonURLInvalid, err)
	case fault.Invalid:
		return report.Stall(reason, err)
	default:
		return report.RetryAfter(reason, err, fault.After(err))
	}
}

// keep stays with the artifact that is there, when it is what the spec makes of
// the revision and is stored whole. Its addresses may have changed.
func (p *pulling) keep(rev oci.Revision) bool {
	have := p.o.Status.Artifact
	if !p.o.Holds(rev.String()) || !p.Store.Has(have) {
		return false
	}
	art := have.DeepCopy()
	art.URL = p.Store.URL(art.Path)
	p.run.Artifact, p.run.URL = art, p.Store.URL(path.Join(path.Dir(art.Path), latestArtifact))
	return true
}

// latestArtifact is the steady name of the newest artifact.
const latestArtifact = "latest.tar.gz"

// pulled is what an artifact is made of.
type pulled struct {
	oci.Revision
	oci.Layer
}

// take stores the layer, as it is or unpacked and filtered.
func (p *pulling) take(ctx context.Context, repo oci.Reader, what pulled) (*meta.Artifact, error) {
	file := what.Revision.Digest + ".tar.gz"
	var art *meta.Artifact
	switch op := p.o.GetLayerOperation(); op {
	case sourcev1.OCILayerCopy:
		var broken, err error
		art, err = p.Store.PutFrom(p.o.Key(), what.Revision.String(), file, func(w io.Writer) error {
			broken = repo.Copy(ctx, what.Layer, w)
			return broken
		})
		switch {
		case fault.ClassOf(broken) != "":
			return nil, registryProblem(report.ReasonLayerFailed, fmt.Errorf("failed to copy layer from artifact: %w", broken))
		case err != nil:
			return nil, report.Retry(report.ReasonArchiveFailed, err)
		}
	case sourcev1.OCILayerExtract:
		t, err := p.extract(ctx, repo, what.Layer)
		if err != nil {
			return nil, err
		}
		if art, err = p.Store.Put(p.o.Key(), what.Revision.String(), file, t); err != nil {
			return nil, report.Retry(report.ReasonArchiveFailed, err)
		}
	default:
		return nil, report.Stall(report.ReasonLayerFailed, fmt.Errorf("unsupported layer operation: %s", op))
	}
	return art, nil
}

func (p *pulling) extract(ctx context.Context, repo oci.Reader, layer oci.Layer) (tree.Tree, error) {
	t, notes, err := repo.Tree(ctx, layer)
	if err != nil {
		return t, registryProblem(report.ReasonLayerFailed, err)
	}
	t, warnings, err := p.filtered.filter(t, p.o.Spec.Ignore)
	if err != nil {
		return t, report.Stall(report.ReasonIgnoreFailed, err)
	}
	p.run.Notes = append(append(p.run.Notes, notes...), warnings...)
	return t, nil
}

// stored makes an artifact the present one. Its steady name is not worth failing for.
func (p *pulling) stored(art *meta.Artifact) {
	if have := p.o.Status.Artifact; have != nil && have.Revision == art.Revision && have.Digest == art.Digest && have.Path == art.Path {
		art.LastUpdateTime = have.LastUpdateTime // the same, found again after a restart
	}
	p.run.Artifact = art
	var err error
	if p.run.URL, err = p.Store.Link(p.o.Key(), latestArtifact, art); err != nil {
		p.log().Warn("the artifact has no steady name", "unit", p.o.Key(), "error", err)
	}
}
