package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/commit"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// artifact returns the artifact that holds the chart: of the HelmChart made for
// spec.chart, or of what spec.chartRef names. Made is what template has just written.
func (r *releasing) artifact(ctx context.Context, made *unstructured.Unstructured) (*meta.Artifact, error) {
	key := r.h.ChartSource()
	obj, err := r.view.get(ctx, unit.Ref(key))
	if made != nil && err == nil {
		obj = made // what was read may be from before
	}
	switch {
	case err != nil:
		return nil, report.Retry(report.ReasonArtifactFailed, fmt.Errorf("could not get Source object: %w", err))
	case obj == nil:
		return nil, report.Missing(report.ReasonArtifactFailed, fmt.Errorf("could not get Source object: %s not found", key), key.String())
	}
	r.source = obj
	status, err := unit.StatusOf(obj)
	if err != nil {
		return nil, report.Wait(report.ReasonSourceNotReady, err, key.String())
	}
	if why := notReady(obj, status); why != "" {
		r.run.Fresh = r.h.Spec.Chart != nil && why == unseen
		return nil, report.Wait(report.ReasonSourceNotReady, fmt.Errorf("%s '%s/%s' is not ready: %s", key.Kind, key.Namespace, key.Name, why), key.String())
	}
	return status.Artifact, nil
}

// unseen is said of a source whose newest generation nobody has looked at.
const unseen = "latest generation of object has not been reconciled"

// notReady says why nothing can be made of a source; empty where it can, also
// while its next artifact fails.
func notReady(obj *unstructured.Unstructured, s unit.Status) string {
	const none = "does not have an artifact"
	ready := s.Ready()
	switch {
	case obj.GetKind() == unit.ExternalArtifactKind:
		if s.Artifact == nil {
			return none
		}
	case !s.Observed(obj):
		if ready != nil && ready.Status == metav1.ConditionFalse {
			return ready.Message
		}
		return unseen
	case unit.Condition(s.Conditions, meta.StalledCondition) != nil:
		return unit.Condition(s.Conditions, meta.StalledCondition).Message
	case s.Artifact == nil && ready != nil && ready.Status == metav1.ConditionFalse && ready.Message != "":
		return ready.Message
	case s.Artifact == nil:
		return none
	}
	return ""
}

// template sees to the HelmChart of spec.chart, and takes one away that is no
// longer meant. It returns what it wrote, nil where that was not needed.
func (r *releasing) template(ctx context.Context) (*unstructured.Unstructured, error) {
	want := ""
	if r.h.Spec.Chart != nil {
		key := r.h.OwnChart()
		want = key.Namespace + "/" + key.Name
	}
	if had := r.h.Status.HelmChart; had != "" && had != want {
		if err := r.deleteChart(ctx); err != nil {
			return nil, report.Retry(report.ReasonArtifactFailed, err)
		}
	}
	r.run.Status.HelmChart = want
	if want == "" {
		return nil, nil
	}
	desired, err := r.helmChart()
	if err != nil {
		return nil, report.Stall(report.ReasonInvalidSpec, err)
	}
	live, err := r.view.get(ctx, unit.Ref(r.h.OwnChart()))
	if err != nil {
		return nil, report.Retry(report.ReasonArtifactFailed, err)
	}
	if err := r.chartOfAnother(ctx, live); err != nil {
		return nil, err
	}
	if live != nil && isAs(live, desired) {
		return nil, nil
	}
	if live == nil || slices.Contains(live.GetFinalizers(), object.Finalizer) {
		// It gets it in any case, from who reconciles it: here it costs no request.
		desired.SetFinalizers([]string{object.Finalizer})
	}
	made, err := r.own.Apply(ctx, world.Apply{Object: desired, Manager: object.ManagerHelm, Force: true})
	if err != nil {
		return nil, report.Retry(report.ReasonArtifactFailed, fmt.Errorf("apply %s: %w", object.KeyOf(desired), err))
	}
	return made, nil
}

// chartOfAnother refuses a HelmChart that another release has made, and needs: releases
// of two namespaces can have one of the same name (team/a-web and team-a/web), and in Flux
// the one that wrote last says which chart both install.
func (r *releasing) chartOfAnother(ctx context.Context, live *unstructured.Unstructured) error {
	if live == nil {
		return nil
	}
	owner := r.h.Key()
	labels := live.GetLabels()
	if owner.Namespace, owner.Name = labels[object.HelmOwnerNamespace], labels[object.HelmOwnerName]; owner == r.h.Key() || owner.Name == "" {
		return nil
	}
	raw, err := r.view.get(ctx, unit.Ref(owner))
	if err != nil {
		return report.Retry(report.ReasonArtifactFailed, fmt.Errorf("read the owner of %s: %w", object.KeyOf(live), err))
	}
	if raw == nil {
		return nil
	}
	other, err := unit.DecodeHelmRelease(raw)
	if err != nil || other.Spec.Chart == nil || other.OwnChart() != r.h.OwnChart() {
		return nil
	}
	return report.Wait(report.ReasonArtifactFailed, fmt.Errorf("%s belongs to %s, whose chart it holds; rename one of the two, or keep the source in the release's own namespace",
		object.KeyOf(live), owner), owner.String())
}

// isAs tells whether live says what desired asks for.
func isAs(live, desired *unstructured.Unstructured) bool {
	have, _, _ := unstructured.NestedMap(live.Object, "spec")
	want, _, _ := unstructured.NestedMap(desired.Object, "spec")
	return live.GetDeletionTimestamp() == nil && len(commit.Diff(have, want)) == 0 &&
		contains(live.GetLabels(), desired.GetLabels()) && contains(live.GetAnnotations(), desired.GetAnnotations())
}

func contains(have, want map[string]string) bool {
	for key, value := range want {
		if got, there := have[key]; !there || got != value {
			return false
		}
	}
	return true
}

// helmChart is the HelmChart that spec.chart describes (helm-controller v1.6.4
// internal/reconcile/helmchart_template.go).
func (r *releasing) helmChart() (*unstructured.Unstructured, error) {
	t := r.h.Spec.Chart
	spec := sourcev1.HelmChartSpec{
		Chart: t.Spec.Chart, Version: cmp.Or(t.Spec.Version, "*"), Interval: t.GetInterval(r.h.Spec.Interval),
		SourceRef:         sourcev1.LocalHelmChartSourceReference{Kind: t.Spec.SourceRef.Kind, Name: t.Spec.SourceRef.Name},
		ReconcileStrategy: cmp.Or(t.Spec.ReconcileStrategy, sourcev1.ReconcileStrategyChartVersion),
		ValuesFiles:       t.Spec.ValuesFiles, IgnoreMissingValuesFiles: t.Spec.IgnoreMissingValuesFiles,
	}
	if v := t.Spec.Verify; v != nil {
		spec.Verify = &sourcev1.HelmChartVerification{Provider: v.Provider, SecretRef: v.SecretRef}
	}
	encoded, err := unit.Encode(&spec)
	if err != nil {
		return nil, err
	}
	if old := r.h.Old.Chart.Spec.ValuesFile; old != "" {
		encoded["valuesFile"] = old
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": encoded}}
	ref := unit.Ref(r.h.OwnChart())
	u.SetGroupVersionKind(ref.GVK())
	u.SetNamespace(ref.Namespace)
	u.SetName(ref.Name)
	labels := map[string]string{}
	if m := t.ObjectMeta; m != nil {
		u.SetAnnotations(m.Annotations)
		for key, value := range m.Labels {
			labels[key] = value
		}
	}
	labels[object.HelmOwnerName], labels[object.HelmOwnerNamespace] = r.h.Name, r.h.Namespace
	u.SetLabels(labels)
	return u, nil
}

// deleteChart deletes the HelmChart that status.helmChart names, if it was made
// for this release.
func (r *releasing) deleteChart(ctx context.Context) error {
	namespace, name := r.h.Status.GetHelmChart()
	if name == "" {
		return nil
	}
	key := unit.SourceKey(unit.HelmChartKind, namespace, name, r.h.Namespace)
	live, err := r.own.Get(ctx, unit.Ref(key))
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("delete %s: %w", key, err)
	case live.GetDeletionTimestamp() != nil || live.GetLabels()[object.HelmOwnerName] != r.h.Name || live.GetLabels()[object.HelmOwnerNamespace] != r.h.Namespace:
		return nil
	}
	err = r.own.Delete(ctx, world.Delete{Ref: unit.Ref(key), If: world.Precondition{UID: live.GetUID()}})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// load reads the chart from its artifact, and names it by its revision.
func (r *releasing) load(ctx context.Context, art *meta.Artifact) error {
	c, err := r.charts.load(art.Digest, func() (*helmchart.Chart, error) { return r.read(ctx, art) })
	if err != nil {
		r.view.stored(object.KeyOf(r.source))
		return report.Retry(report.ReasonArtifactFailed, fmt.Errorf("Could not load chart: %w", err))
	}
	made := release.Chart{Name: c.Name(), Version: c.Metadata.Version}
	if marked(r.source, art) {
		version, digest, err := release.AtRevision(made.Version, art.Revision)
		if err != nil {
			return report.Wait(report.ReasonChartMutate, err, object.KeyOf(r.source).String())
		}
		made.OCIDigest = digest
		if !r.Options.DisableChartDigestTracking {
			made.Version = version
			c = renamed(c, version)
		}
	}
	r.chart, r.req.Chart, r.packed = c, made, art.Digest
	return nil
}

// marked tells whether the revision of a source holds a digest that belongs
// into the chart's version.
func marked(source *unstructured.Unstructured, art *meta.Artifact) bool {
	switch source.GetKind() {
	case unit.OCIRepositoryKind:
		return true
	case unit.ExternalArtifactKind:
		_, _, err := release.AtRevision("1.0.0", art.Revision)
		return err == nil || hasColon(art.Revision)
	}
	return false
}

func hasColon(s string) bool {
	for _, c := range s {
		if c == ':' {
			return true
		}
	}
	return false
}

// renamed is a chart under another version; charts are shared, so it is a copy.
func renamed(c *helmchart.Chart, version string) *helmchart.Chart {
	md := *c.Metadata
	md.Version = version
	out := *c
	out.Metadata = &md
	out.SetDependencies(c.Dependencies()...)
	return &out
}

// read loads a chart from an artifact: a packaged chart, or a tree with one at
// its root or in its only directory.
func (r *releasing) read(ctx context.Context, art *meta.Artifact) (*helmchart.Chart, error) {
	data, err := r.Trees.Read(ctx, art, chart.MaxPacked)
	if err != nil && fault.ClassOf(err) != fault.TooLarge {
		return nil, err
	}
	var c *helmchart.Chart
	if err == nil {
		c, err = chart.Load(data, chart.Limits{})
	}
	if err == nil {
		return c, nil
	}
	t, treeErr := r.Trees.Open(ctx, art)
	if treeErr != nil {
		return nil, err
	}
	if _, missing := t.ReadFile("Chart.yaml"); missing != nil {
		return nil, err
	}
	c, treeErr = chart.LoadTree(t, ".", chart.Limits{})
	if treeErr != nil {
		return nil, errors.Join(err, treeErr)
	}
	return c, nil
}
