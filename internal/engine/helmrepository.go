package engine

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// indexing is one run of one HelmRepository.
type indexing struct {
	*Engine
	r    *unit.HelmRepository
	view view
	now  time.Time
	run  report.ChartRun
}

func (e *Engine) convergeHelmRepository(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) report.Report {
	if obj.GetDeletionTimestamp() == nil && unit.Static(obj) {
		return e.static(obj, now)
	}
	r, err := unit.DecodeHelmRepository(obj)
	if err != nil {
		return report.Broken(obj, report.Stall(report.ReasonInvalidSpec, err), now)
	}
	switch {
	case r.DeletionTimestamp != nil:
		return e.removeSource(r.Key())
	case r.Spec.Suspend:
		return report.Report{Unit: r.Key()}
	}
	x := &indexing{Engine: e, r: r, view: view{world: w, rec: &record.Recorder{}}, now: now}
	x.run.Again = r.Interval()
	ctx, cancel := context.WithTimeout(ctx, r.Timeout())
	defer cancel()
	x.run.Err = x.converge(ctx)
	x.run.Reads = x.view.rec.Set()
	x.run.Failures = e.failures(r.Key(), x.run.Err)
	return report.HelmRepository(r, x.run, now)
}

// static takes everything from a repository that needs no status, and does
// nothing with one that has none.
func (e *Engine) static(obj *unstructured.Unstructured, now time.Time) report.Report {
	if on, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); on {
		return report.Report{Unit: object.KeyOf(obj)}
	}
	rep := e.removeSource(object.KeyOf(obj))
	if status, _, _ := unstructured.NestedMap(obj.Object, "status"); len(status) > 0 {
		rep.Finalize, rep.Status, rep.Next = false, map[string]any{}, now // the finalizer goes with the next run
	}
	return rep
}

// converge is the story of a HelmRepository.
func (x *indexing) converge(ctx context.Context) error {
	if strings.HasPrefix(x.r.Spec.URL, "oci://") {
		return report.Stall(report.ReasonURLInvalid, fmt.Errorf(
			"invalid Helm repository URL: 'oci' URL scheme cannot be used with 'default' HelmRepository type"))
	}
	if _, err := chart.Normalize(x.r.Spec.URL); err != nil {
		return report.Stall(report.ReasonURLInvalid, fmt.Errorf("invalid Helm repository URL: %w", err))
	}
	reader := repositoryReader{x.Engine, x.r, x.view, since(x.r, x.r.Status.LastHandledReconcileAt, x.r.Interval(), x.now)}
	req, err := reader.request(ctx)
	if err != nil {
		return err
	}
	have := x.r.Status.Artifact
	whole := have != nil && x.Store.Has(have)
	if whole {
		req.Have = have.Revision
	}
	got, err := x.Charts.Index(ctx, req)
	if err != nil {
		return err
	}
	x.collect(x.r.Key(), have)
	x.run.Notes = got.Notes
	if auth, cert := x.r.SecretNames(); auth+cert != "" && x.Charts.Local(x.r.Spec.URL) {
		x.run.Notes = append(x.run.Notes, "read from this machine: secretRef and certSecretRef are not used")
	}
	if got.Pushed {
		x.run.Again = 0
	}
	if whole && got.Digest == have.Revision {
		x.stored(have.DeepCopy())
		return nil
	}
	return x.store(ctx, reader, got)
}

func (x *indexing) store(ctx context.Context, reader repositoryReader, got ChartIndex) error {
	p, data, err := reader.parse(ctx, got)
	if err != nil {
		return report.Retry(report.ReasonIndexation, fmt.Errorf("failed to load Helm repository from index YAML: %w", err))
	}
	file := "index-" + strings.TrimPrefix(got.Digest, "sha256:") + ".yaml"
	art, err := x.Store.PutFile(x.r.Key(), got.Digest, file, data)
	if err != nil {
		return report.Retry(report.ReasonArchiveFailed, fmt.Errorf("unable to save artifact to storage: %w", err))
	}
	x.indexes.keep(p, art)
	if have := x.r.Status.Artifact; have != nil && have.Revision == art.Revision && have.Digest == art.Digest && have.Path == art.Path {
		art.LastUpdateTime = have.LastUpdateTime // the same, found again after a restart
	}
	x.stored(art)
	if _, err := x.Store.Link(x.r.Key(), latestIndex, art); err != nil {
		return report.Retry(report.ReasonArchiveFailed, err)
	}
	return nil
}

// latestIndex is the steady name of the newest index.
const latestIndex = "index.yaml"

// stored makes an artifact the present one. Its addresses may have changed.
func (x *indexing) stored(art *meta.Artifact) {
	art.URL = x.Store.URL(art.Path)
	x.run.Artifact, x.run.URL = art, x.Store.URL(path.Join(path.Dir(art.Path), latestIndex))
	x.run.Reason = report.ReasonSucceeded
	x.run.Message = fmt.Sprintf("stored artifact: revision '%s'", art.Revision)
}
