package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/unit"
)

// Charts reads chart repositories over HTTP.
type Charts interface {
	// Local tells whether the URL is read from this machine, so that it needs no
	// credentials.
	Local(url string) bool
	// Index returns a repository's index. Errors are Problems.
	Index(ctx context.Context, r ChartRequest) (ChartIndex, error)
	// Chart returns the packaged chart of a version that the index names. Errors
	// are Problems.
	Chart(ctx context.Context, r ChartRequest, v chart.Version) ([]byte, error)
}

// ChartRequest says which repository is meant and how it is reached.
type ChartRequest struct {
	URL             string
	Secret, Cert    map[string][]byte // of secretRef and certSecretRef; nil for none
	PassCredentials bool
	Since           time.Time // how old an index may be
	Have            string    // digest of the index that need not be sent again
}

// ChartIndex is what a repository offers.
type ChartIndex struct {
	Digest string   // sha256:… of the index as it was sent
	Data   []byte   // YAML or JSON; nil where it is the one that the caller has
	Notes  []string // for people
	// Pushed says that changes are announced, so that nobody need ask again.
	Pushed bool
}

// chartLimits are those of the flags.
func (e *Engine) chartLimits() chart.Limits { return e.Options.ChartLimits }

// packed is how many bytes a packaged chart may have.
func (e *Engine) packed() int64 { return cmp.Or(e.Options.ChartLimits.Packed, chart.MaxPacked) }

// repositoryReader reads what a HelmRepository names, with its credentials.
type repositoryReader struct {
	*Engine
	r     *unit.HelmRepository
	view  view
	since time.Time
}

// request gathers what a repository wants to know; a local one needs no secrets.
func (s repositoryReader) request(ctx context.Context) (ChartRequest, error) {
	req := ChartRequest{URL: s.r.Spec.URL, PassCredentials: s.r.Spec.PassCredentials, Since: s.since}
	if s.Charts.Local(s.r.Spec.URL) {
		return req, nil
	}
	var err error
	req.Secret, req.Cert, err = s.secrets(ctx)
	return req, err
}

func (s repositoryReader) secrets(ctx context.Context) (auth, cert map[string][]byte, err error) {
	authName, certName := s.r.SecretNames()
	if authName != "" {
		if auth, err = s.view.credential(ctx, s.r.Namespace, authName); err != nil {
			return nil, nil, err
		}
	}
	if certName != "" {
		cert, err = s.view.credential(ctx, s.r.Namespace, certName)
	}
	return auth, cert, err
}

// registryAddress is where a chart of a repository in a registry lies.
func registryAddress(r *unit.HelmRepository, name string) string {
	return strings.TrimRight(r.Spec.URL, "/") + "/" + name
}

// registry opens the repository of a chart in a registry.
func (s repositoryReader) registry(ctx context.Context, name string) (oci.Reader, error) {
	address := registryAddress(s.r, name)
	req := OCIRequest{URL: address}
	if !s.OCI.Local(address) {
		if p := s.r.Spec.Provider; p != "" && p != sourcev1.GenericOCIProvider && s.r.Spec.SecretRef == nil {
			return nil, report.Stall(report.ReasonUnsupported, fmt.Errorf("spec.provider %q of %s is not supported yet; use generic with a secretRef", p, s.r.Key()))
		}
		auth, cert, err := s.secrets(ctx)
		if err != nil {
			return nil, err
		}
		if auth != nil {
			req.Secrets.Pull = append(req.Secrets.Pull, auth)
		}
		if req.Secrets.Cert = cert; cert == nil && oci.HasCertificates(auth) {
			req.Secrets.Cert = auth // an old way that still works
		}
		if s.r.Spec.Insecure {
			req.Transport = oci.Insecure
		}
	}
	repo, err := s.OCI.Open(req)
	if err != nil {
		return nil, registryProblem(report.ReasonAuthFailed, err)
	}
	return repo, nil
}

// index returns the parsed index: that of the stored artifact, or, where the
// repository has none, one that is asked for now.
func (s repositoryReader) index(ctx context.Context) (*chart.Index, error) {
	if art := s.r.Status.Artifact; art != nil {
		p, err := s.indexes.get(art.Digest, func(p *parsedIndex) error {
			data, err := s.Trees.Read(ctx, art, maxStoredIndex)
			if err == nil {
				p.index, err = chart.ReadIndex(data, chart.IndexOptions{Max: maxStoredIndex})
			}
			return err
		})
		if err != nil {
			s.view.stored(s.r.Key())
			return nil, report.Retry(report.ReasonChartPull, fmt.Errorf("failed to load index of %s: %w", s.r.Key(), err))
		}
		return p.index, nil
	}
	req, err := s.request(ctx)
	if err != nil {
		return nil, err
	}
	got, err := s.Charts.Index(ctx, req)
	if err != nil {
		return nil, err
	}
	p, err := s.indexes.get(got.Digest, func(p *parsedIndex) (err error) {
		p.index, err = chart.ReadIndex(got.Data, chart.IndexOptions{Max: s.Options.MaxIndex})
		return err
	})
	if err != nil {
		return nil, report.Retry(report.ReasonIndexation, err)
	}
	return p.index, nil
}

// maxStoredIndex bounds an index that this process, or the one before, has
// checked and stored as JSON.
const maxStoredIndex = 1 << 30

// fetched is a chart that came from a repository.
type fetched struct {
	name, version string
	data          []byte // nil where it was not wanted
}

// fetch brings a chart in a range of versions. wanted says of the version that
// was found whether it must be downloaded at all.
func (s repositoryReader) fetch(ctx context.Context, ask chartQuestion) (fetched, error) {
	if s.r.OCI() || strings.HasPrefix(s.r.Spec.URL, "oci://") {
		return s.pull(ctx, ask)
	}
	x, err := s.index(ctx)
	if err != nil {
		return fetched{}, err
	}
	v, err := x.Find(ask.name, ask.versions)
	if err != nil {
		return fetched{}, report.Stall(report.ReasonChartReference, fmt.Errorf("invalid chart reference: failed to get chart version for remote reference: %w", err))
	}
	out := fetched{name: v.Name, version: v.Version}
	if !ask.wanted(out) {
		return out, nil
	}
	req, err := s.request(ctx)
	if err != nil {
		return out, err
	}
	out.data, err = s.Charts.Chart(ctx, req, v)
	return out, pullError(err)
}

// chartQuestion asks for a chart by name.
type chartQuestion struct {
	name     string
	versions string // a range, or "" for the newest
	wanted   func(fetched) bool
}

func (s repositoryReader) pull(ctx context.Context, ask chartQuestion) (fetched, error) {
	repo, err := s.registry(ctx, ask.name)
	if err != nil {
		return fetched{}, pullError(err)
	}
	kept, out, err := s.keeps(ctx, repo, ask)
	if kept {
		return out, nil
	}
	var c oci.Chart
	if err == nil {
		c, err = oci.PullChart(ctx, repo, oci.ChartWanted{Version: ask.versions, Since: s.since, Max: s.packed()})
	}
	if fault.ClassOf(err) == fault.Invalid {
		return fetched{}, report.Stall(report.ReasonChartReference, fmt.Errorf("invalid chart reference: '%s' from %s: %w", ask.name, s.r.Spec.URL, err))
	}
	if err != nil { // what is not there may come, and a registry tells nobody
		return fetched{}, pullError(registryProblem(report.ReasonChartPull, fmt.Errorf("failed to get chart '%s' from '%s': %w", ask.name, s.r.Spec.URL, err)))
	}
	return fetched{out.name, c.Version, c.Content}, nil
}

// keeps tells whether the version that is asked for is one that need not be pulled.
// For an exact version the registry is not asked at all, as in Flux.
func (s repositoryReader) keeps(ctx context.Context, repo oci.Reader, ask chartQuestion) (bool, fetched, error) {
	out := fetched{name: ask.name}
	ref := oci.ChartRef(ask.versions)
	if out.version = oci.ChartVersion(ref.Tag); ref.Tag != "" {
		return !ask.wanted(out), out, nil
	}
	rev, err := repo.Resolve(ctx, ref, s.since)
	if err != nil {
		return false, out, err
	}
	out.version = oci.ChartVersion(rev.Tag)
	return !ask.wanted(out), out, nil
}

// pullError words a failed download as Flux does.
func pullError(err error) error {
	var p *report.Problem
	if err == nil || !errors.As(err, &p) || p.Reason != report.ReasonChartPull && p.Reason != report.ReasonPullFailed {
		return err
	}
	named := *p
	named.Reason = report.ReasonChartPull
	named.Err = fmt.Errorf("chart pull error: %w", p.Err)
	return &named
}

// parse reads an index that was just sent, unless another repository brought the
// same, and returns it as JSON.
func (s repositoryReader) parse(ctx context.Context, x ChartIndex) (*parsedIndex, []byte, error) {
	var text []byte
	o := chart.IndexOptions{Max: s.Options.MaxIndex}
	p, err := s.indexes.get(x.Digest, func(p *parsedIndex) (err error) {
		p.index, text, err = chart.IndexJSON(x.Data, o)
		return err
	})
	if err != nil || text != nil {
		return p, text, err
	}
	if art := p.artifact(); art != nil {
		if text, err = s.Trees.Read(ctx, art, maxStoredIndex); err == nil {
			return p, text, nil
		}
	}
	_, text, err = chart.IndexJSON(x.Data, o)
	return p, text, err
}
