package unit

import (
	"slices"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// HelmChart is the union of all versions of a HelmChart. The field accessFrom
// has never had an effect.
type HelmChart struct {
	sourcev1.HelmChart
	// Old holds the fields that only v1beta1 and v1beta2 have.
	Old OldHelmChart
}

// OldHelmChart are the fields that old versions had beyond v1.
type OldHelmChart struct {
	ValuesFile string `json:"valuesFile,omitempty"`
}

// DecodeHelmChart reads an object of any version.
func DecodeHelmChart(u *unstructured.Unstructured) (*HelmChart, error) {
	var c HelmChart
	if err := decode(u, &c.HelmChart); err != nil {
		return nil, err
	}
	var old struct {
		Spec OldHelmChart `json:"spec"`
	}
	if err := decode(u, &old); err != nil {
		return nil, err
	}
	c.Old = old.Spec
	return &c, nil
}

// Key returns the key of the unit.
func (c *HelmChart) Key() object.Key { return SourceKey(HelmChartKind, "", c.Name, c.Namespace) }

// Source returns the key of where the chart comes from, in the same namespace.
func (c *HelmChart) Source() object.Key {
	return SourceKey(c.Spec.SourceRef.Kind, "", c.Spec.SourceRef.Name, c.Namespace)
}

// Interval returns how often a registry is asked, within bounds; other sources
// tell of their changes.
func (c *HelmChart) Interval() time.Duration { return bound(c.Spec.Interval.Duration) }

// ValuesFiles returns all values files in order; the one of the old field goes
// first (source-controller api/v1beta2, GetValuesFiles).
func (c *HelmChart) ValuesFiles() []string {
	if c.Old.ValuesFile == "" {
		return c.Spec.ValuesFiles
	}
	return append([]string{c.Old.ValuesFile}, slices.Clone(c.Spec.ValuesFiles)...)
}
