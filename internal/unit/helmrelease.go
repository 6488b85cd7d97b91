package unit

import (
	"cmp"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// HelmRelease is the union of all versions of a HelmRelease.
type HelmRelease struct {
	v2.HelmRelease
	// Old holds the fields that only older versions have and that still act.
	Old   OldHelmRelease
	kinds []DependencyKind
}

// OldHelmRelease are the fields that v2beta1 and v2beta2 had beyond v2.
type OldHelmRelease struct {
	Chart struct {
		Spec struct {
			ValuesFile string `json:"valuesFile,omitempty"`
		} `json:"spec"`
	} `json:"chart"`
	PostRenderers []OldPostRenderer `json:"postRenderers,omitempty"`
}

// OldPostRenderer is an entry of spec.postRenderers as it was.
type OldPostRenderer struct {
	Kustomize struct {
		PatchesStrategicMerge []apiextensionsv1.JSON    `json:"patchesStrategicMerge,omitempty"`
		PatchesJSON6902       []kustomize.JSON6902Patch `json:"patchesJson6902,omitempty"`
	} `json:"kustomize"`
}

// DecodeHelmRelease reads an object of any version.
func DecodeHelmRelease(u *unstructured.Unstructured) (*HelmRelease, error) {
	var h HelmRelease
	if err := decode(u, &h.HelmRelease); err != nil {
		return nil, err
	}
	var old struct {
		Spec OldHelmRelease `json:"spec"`
	}
	if err := decode(u, &old); err != nil {
		return nil, err
	}
	h.Old = old.Spec
	var err error
	h.kinds, err = dependencyKinds(u)
	return &h, err
}

// Key returns the key of the unit.
func (h *HelmRelease) Key() object.Key {
	return object.Key{Group: object.GroupHelm, Kind: HelmReleaseKind, Namespace: h.Namespace, Name: h.Name}
}

// ChartSource returns the key of what carries the chart's artifact: what
// spec.chartRef names, else the HelmChart that is made for spec.chart.
func (h *HelmRelease) ChartSource() object.Key {
	if ref := h.Spec.ChartRef; ref != nil {
		return SourceKey(ref.Kind, ref.Namespace, ref.Name, h.Namespace)
	}
	return h.OwnChart()
}

// OwnChart returns the key of the HelmChart that is made for spec.chart.
func (h *HelmRelease) OwnChart() object.Key {
	namespace := h.Namespace
	if h.Spec.Chart != nil {
		namespace = cmp.Or(h.Spec.Chart.Spec.SourceRef.Namespace, namespace)
	}
	return SourceKey(HelmChartKind, namespace, h.Namespace+"-"+h.Name, h.Namespace)
}

// Dependencies returns what must be ready first.
func (h *HelmRelease) Dependencies() []Dependency {
	return dependencies(h.Key(), h.Spec.DependsOn, h.kinds)
}

// Interval returns spec.interval within bounds.
func (h *HelmRelease) Interval() time.Duration { return bound(h.Spec.Interval.Duration) }

// ServiceAccount returns whom the unit acts as; empty for the engine itself.
func (h *HelmRelease) ServiceAccount(byDefault string) string {
	return cmp.Or(h.Spec.ServiceAccountName, byDefault)
}
