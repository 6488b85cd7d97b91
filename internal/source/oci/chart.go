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

// ChartWanted says which chart of a repository is wanted.
type ChartWanted struct {
	Version string    // an exact one, a range, or "" for the newest that is no pre-release
	Since   time.Time // see Repository.Resolve
	Max     int64     // bytes it may have, packed
}

// PullChart pulls a chart into memory.
func PullChart(ctx context.Context, r Reader, want ChartWanted) (Chart, error) {
	rev, err := r.Resolve(ctx, ChartRef(want.Version), want.Since)
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
	if layer.Size > want.Max {
		return Chart{}, fail(fault.TooLarge, "the chart %s has %d bytes, more than the limit of %d; raise --helm-chart-max-size", rev, layer.Size, want.Max)
	}
	b, err := r.Blob(ctx, layer)
	if err != nil {
		return Chart{}, fmt.Errorf("pull chart %s: %w", rev, err)
	}
	return Chart{Version: ChartVersion(rev.Tag), Revision: rev, Content: b, Annotations: man.Annotations}, nil
}
