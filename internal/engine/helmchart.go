package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// charting is one run of one HelmChart.
type charting struct {
	*Engine
	c    *unit.HelmChart
	w    world.World
	view view
	now  time.Time
	run  report.ChartRun
}

func (e *Engine) convergeHelmChart(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) report.Report {
	c, err := unit.DecodeHelmChart(obj)
	if err != nil {
		return report.Broken(obj, report.Stall(report.ReasonInvalidSpec, err), now)
	}
	switch {
	case c.DeletionTimestamp != nil:
		return e.removeSource(c.Key())
	case c.Spec.Suspend:
		return report.Report{Unit: c.Key()}
	}
	r := &charting{Engine: e, c: c, w: w, view: view{world: w, rec: &record.Recorder{}}, now: now}
	r.run.Err = r.converge(ctx)
	r.run.Reads = r.view.rec.Set()
	r.run.Failures = e.failures(c.Key(), r.run.Err)
	return report.HelmChart(c, r.run, now)
}

// converge is the story of a HelmChart.
func (r *charting) converge(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	source, err := r.source(ctx)
	if err != nil {
		return err
	}
	var built chart.Built
	if r.c.Spec.SourceRef.Kind == unit.HelmRepositoryKind {
		built, err = r.fromRepository(ctx, source)
	} else {
		built, err = r.fromTree(ctx, source)
	}
	if err != nil {
		return err
	}
	return r.store(built)
}

// check refuses what the spec alone makes impossible.
func (r *charting) check() error {
	switch r.c.Spec.SourceRef.Kind {
	case unit.HelmRepositoryKind, unit.GitRepositoryKind, unit.BucketKind:
	default:
		return report.Stall(report.ReasonSourceKind, fmt.Errorf("failed to get source: unsupported source kind '%s', must be one of: HelmRepository, GitRepository, Bucket",
			r.c.Spec.SourceRef.Kind))
	}
	return nil
}

// verifiable refuses a chart whose signature is to be verified; one that is read
// from this machine needs none.
func (r *charting) verifiable(repo *unit.HelmRepository) error {
	switch {
	case r.c.Spec.Verify == nil:
	case repo.OCI() && r.OCI.Local(registryAddress(repo, r.c.Spec.Chart)), !repo.OCI() && r.Charts.Local(repo.Spec.URL):
		r.run.Notes = append(r.run.Notes, "read from this machine: verify is not used")
	default:
		return report.Stall(report.ReasonVerification, errors.New(
			"chart verification error: spec.verify: signatures cannot be verified yet, so no chart is taken from this repository"))
	}
	return nil
}

// source returns where the chart comes from, with an artifact where it has any.
// Every change of it brings the next run.
func (r *charting) source(ctx context.Context) (*unstructured.Unstructured, error) {
	key := r.c.Source()
	obj, err := r.view.get(ctx, unit.Ref(key))
	switch {
	case err != nil:
		return nil, report.Retry(report.ReasonSourceMissing, fmt.Errorf("failed to get source: %w", err))
	case obj == nil:
		return nil, report.Missing(report.ReasonSourceMissing, fmt.Errorf("failed to get source: %s '%s' not found", key.Kind, key.Name), key.String())
	case unit.Static(obj):
		return obj, nil
	}
	status, err := unit.StatusOf(obj)
	if err != nil {
		return nil, report.Wait(report.ReasonSourceMissing, err, key.String())
	}
	if status.Artifact == nil {
		return nil, report.Wait(report.ReasonNoSource, fmt.Errorf("no artifact available for %s source '%s'%s", key.Kind, key.Name, why(status)), key.String())
	}
	r.run.Source = status.Artifact.Revision
	return obj, nil
}

// values are the values files with the rules of the spec.
func (r *charting) values() chart.ValuesFiles {
	return chart.ValuesFiles{Files: r.c.ValuesFiles(), IgnoreMissing: r.c.Spec.IgnoreMissingValuesFiles}
}

// kept tells whether the stored artifact is that chart in that version, made
// for the present spec: a spec that was stalled was observed too, and nothing
// was made for it.
func (r *charting) kept(name, version string) bool {
	have, s := r.c.Status.Artifact, r.c.Status
	return have != nil && s.ObservedGeneration == r.c.Generation && s.ObservedChartName == name &&
		have.Revision == version && unit.Condition(s.Conditions, report.StalledCondition) == nil && r.Store.Has(have)
}

// merged are the values files of a chart that is kept.
func (r *charting) merged() []string {
	if s := r.c.Status.ObservedValuesFiles; s != nil {
		return s
	}
	return r.values().Custom()
}

// fromRepository takes a chart from a HelmRepository, as it is unless values
// files are to be merged into it.
func (r *charting) fromRepository(ctx context.Context, obj *unstructured.Unstructured) (chart.Built, error) {
	repo, err := unit.DecodeHelmRepository(obj)
	if err != nil {
		return chart.Built{}, report.Wait(report.ReasonSourceMissing, err, r.c.Source().String())
	}
	if err := chart.CheckName(r.c.Spec.Chart); err != nil {
		return chart.Built{}, report.Stall(report.ReasonChartReference, fmt.Errorf("invalid chart reference: %w", err))
	}
	if err := r.verifiable(repo); err != nil {
		return chart.Built{}, err
	}
	metadata := ""
	if len(r.values().Custom()) > 0 {
		metadata = strconv.FormatInt(r.c.Generation, 10)
	}
	reader := repositoryReader{r.Engine, repo, r.view, since(r.c, r.c.Status.LastHandledReconcileAt, r.c.Interval(), r.now)}
	if repo.OCI() {
		r.run.Again = r.c.Interval()
	}
	ctx, cancel := context.WithTimeout(ctx, repo.Timeout())
	defer cancel()
	built := chart.Built{Packaged: metadata != ""}
	got, err := reader.fetch(ctx, chartQuestion{r.c.Spec.Chart, r.c.Spec.Version, func(f fetched) bool {
		version, err := chart.WithMetadata(f.version, metadata)
		return err != nil || !r.kept(f.name, version)
	}})
	if err != nil {
		return built, err
	}
	built.Name = got.name
	if built.Version, err = chart.WithMetadata(got.version, metadata); err != nil {
		return built, report.Stall(report.ReasonMetadataPatch, fmt.Errorf("chart metadata patch error: %w", err))
	}
	if r.kept(built.Name, built.Version) {
		built.ValuesFiles = r.merged()
		return built, nil
	}
	return r.finish(built, got.data)
}

// finish makes what is to be stored of a downloaded chart.
func (r *charting) finish(built chart.Built, data []byte) (chart.Built, error) {
	if !built.Packaged {
		if _, err := chart.Inspect(data, r.chartLimits()); err != nil {
			return built, report.Retry(report.ReasonChartPull, fmt.Errorf("chart pull error: %w", err))
		}
		built.Data = data
		return built, nil
	}
	c, err := chart.Load(data, r.chartLimits())
	if err != nil {
		return built, report.Retry(report.ReasonChartPackage, fmt.Errorf("chart package error: failed to load downloaded chart: %w", err))
	}
	c.Metadata.Version = built.Version
	if built.ValuesFiles, err = r.values().FromChart(c); err != nil {
		return built, report.Stall(report.ReasonValuesFiles, fmt.Errorf("values files merge error: failed to merge chart values: %w", err))
	}
	if built.Data, err = chart.Package(c); err != nil {
		return built, report.Retry(report.ReasonChartPackage, fmt.Errorf("chart package error: %w", err))
	}
	return built, nil
}

// store keeps what was built as the artifact, unless it is the one that is kept.
func (r *charting) store(built chart.Built) error {
	have := r.c.Status.Artifact
	r.collect(r.c.Key(), have)
	r.run.Chart, r.run.ValuesFiles = built.Name, built.ValuesFiles
	r.run.Reason, r.run.Message = report.ReasonChartPulled, chart.Summary(built)
	if built.Packaged {
		r.run.Reason = report.ReasonChartPackaged
	}
	if built.Data == nil {
		r.stored(have.DeepCopy())
		return nil
	}
	art, err := r.Store.PutFile(r.c.Key(), built.Version, chart.FileName(built.Name, built.Version), built.Data)
	if err != nil {
		return report.Retry(report.ReasonArchiveFailed, fmt.Errorf("unable to copy Helm chart to storage: %w", err))
	}
	if have != nil && have.Revision == art.Revision && have.Digest == art.Digest && have.Path == art.Path {
		art.LastUpdateTime = have.LastUpdateTime // the same, found again after a restart
	}
	r.stored(art)
	if _, err := r.Store.Link(r.c.Key(), latestArtifact, art); err != nil {
		return report.Retry(report.ReasonArchiveFailed, err)
	}
	return nil
}

// stored makes an artifact the present one. Its addresses may have changed.
func (r *charting) stored(art *meta.Artifact) {
	art.URL = r.Store.URL(art.Path)
	r.run.Artifact, r.run.URL = art, r.Store.URL(path.Join(path.Dir(art.Path), latestArtifact))
}

// repositoryAt returns the HelmRepository of the chart's namespace that names a
// URL, or one without credentials that nobody made. It is the way in which a
// chart's dependencies get credentials.
func (r *charting) repositoryAt(ctx context.Context, address string) *unit.HelmRepository {
	out := &unit.HelmRepository{}
	out.Namespace, out.Spec.URL = r.c.Namespace, address
	r.view.repositories(r.c.Namespace)
	var found []*unit.HelmRepository
	for _, obj := range r.repositories(ctx) {
		if obj.GetKind() != unit.HelmRepositoryKind || obj.GetNamespace() != r.c.Namespace || obj.GetDeletionTimestamp() != nil {
			continue
		}
		repo, err := unit.DecodeHelmRepository(obj)
		if err != nil {
			continue
		}
		if have, err := chart.Normalize(repo.Spec.URL); err == nil && have == address {
			found = append(found, repo)
		}
	}
	if len(found) > 0 {
		out = slices.MinFunc(found, func(a, b *unit.HelmRepository) int { return strings.Compare(a.Name, b.Name) })
		r.view.note(out.Key(), hash.OfString(out.ResourceVersion)) // its index matters too
	}
	return out
}

func (r *charting) repositories(ctx context.Context) []*unstructured.Unstructured {
	if r.Units != nil {
		return r.Units()
	}
	kind := unit.Ref(unit.SourceKey(unit.HelmRepositoryKind, "", "", r.c.Namespace)).GVK()
	all, err := r.w.List(ctx, kind, world.Selection{Namespace: r.c.Namespace})
	if err != nil {
		r.log().Warn("the HelmRepositories are not known; dependencies are fetched without credentials", "unit", r.c.Key(), "error", err)
	}
	return all
}

// revisionMetadata is what the version of a chart from a tree gets behind its +.
func (r *charting) revisionMetadata(art *meta.Artifact) string {
	out := ""
	if r.c.Spec.ReconcileStrategy == sourcev1.ReconcileStrategyRevision {
		out = chart.RevisionMetadata(art.Revision)
	}
	if len(r.values().Custom()) == 0 {
		return out
	}
	if out != "" {
		out += "."
	}
	return out + strconv.FormatInt(r.c.Generation, 10)
}
