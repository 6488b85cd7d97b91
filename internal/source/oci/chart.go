package oci

import (
	"context"
	"fmt"
	"time"

	"github.com/leat-dev/leat/internal/source/fault"
)

// Chart is a chart as a registry keeps it.
type Chart struct {
	Version     string // as its tag says, with + for _
	Revision    Revision
	Content     []byte // the packed chart, as it is stored; not to be changed
	Annotations map[string]string
}

// PullChart pulls the chart of a version: an exact one, a range, or "" for the
// newest that is no pre-release. See Repository.Resolve for since.
func PullChart(ctx context.Context, r Reader, version string, since time.Time) (Chart, error) {
	rev, err := r.Resolve(ctx, ChartRef(version), since)
	if err != nil {
		return Chart{}, err
	}
	man, err := r.Manifest(ctx, rev.Digest)
	if err != nil {
		return Chart{}, err
	}
	layer, err := man.Layer(ChartLayer)
	if err != nil {
		if layer, err = man.Layer(chartLayerLegacy); err != nil {
			return Chart{}, fail(fault.NotFound, "%s is no Helm chart: it has no layer of type %s", rev, ChartLayer)
		}
	}
	b, err := r.Blob(ctx, layer)
	if err != nil {
		return Chart{}, fmt.Errorf("pull chart %s: %w", rev, err)
	}
	return Chart{Version: ChartVersion(rev.Tag), Revision: rev, Content: b, Annotations: man.Annotations}, nil
}
