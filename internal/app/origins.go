package app

import (
	"context"
	"maps"
	"sync"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/provenance"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

// origins remembers what the units of a preview were made from, for the question
// where something was written.
type origins struct {
	builds *provenance.Traced
	helm   *tracedHelm
}

// at answers for a fleet that was rendered; the zero value knows nothing.
func (o origins) at(rendered fleet.Rendered) provenance.Fleet {
	if o.builds == nil {
		return provenance.Trace(nil).At(rendered, nil)
	}
	return o.builds.At(rendered, o.helm.chart)
}

// frozen are the origins as they are now, whatever runs later.
func (o origins) frozen() origins {
	o.helm.mu.Lock()
	defer o.helm.mu.Unlock()
	helm := &tracedHelm{
		Helm: o.helm.Helm, cluster: o.helm.cluster, last: maps.Clone(o.helm.last), engine: o.helm.engine, before: o.helm.before, earlier: o.helm.earlier,
	}
	return origins{builds: o.builds.Copy(), helm: helm}
}

// tracedHelm is a Helm that remembers the last action on each release.
type tracedHelm struct {
	engine.Helm
	cluster *helm.Cluster

	mu   sync.Mutex
	last map[object.Key]tracedChart

	// What was done in an earlier process; see savedcharts.go.
	engine  *engine.Engine
	before  *memory.World
	earlier map[object.Key]bool
}

func traceHelm(c *helm.Cluster) *tracedHelm {
	return &tracedHelm{Helm: engine.Driving(c), cluster: c, last: make(map[object.Key]tracedChart)}
}

// As implements engine.Helm.
func (t *tracedHelm) As(id world.Identity) engine.Releases {
	return tracedReleases{t.Helm.As(id), t, id}
}

type tracedReleases struct {
	engine.Releases
	trace *tracedHelm
	as    world.Identity
}

// Install implements engine.Releases.
func (r tracedReleases) Install(ctx context.Context, job helm.Job) (helm.Outcome, error) {
	r.note(job)
	return r.Releases.Install(ctx, job)
}

// Upgrade implements engine.Releases.
func (r tracedReleases) Upgrade(ctx context.Context, job helm.Job) (helm.Outcome, error) {
	r.note(job)
	return r.Releases.Upgrade(ctx, job)
}

func (r tracedReleases) note(job helm.Job) {
	key := object.Key{Group: object.GroupHelm, Kind: "HelmRelease", Namespace: job.Object.Namespace, Name: job.Object.Name}
	r.trace.mu.Lock()
	defer r.trace.mu.Unlock()
	r.trace.last[key] = tracedChart{r.trace.cluster, r.as, job}
}

// chart renders the chart of a release as its last action did; nil where there
// was none.
func (t *tracedHelm) chart(unit object.Key) provenance.Chart {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.last[unit]; ok {
		return c
	}
	return t.again(unit)
}

// tracedChart is one action on a release.
type tracedChart struct {
	cluster *helm.Cluster
	as      world.Identity
	job     helm.Job
}

// Render implements provenance.Chart.
func (c tracedChart) Render(ctx context.Context, values map[string]any) ([]provenance.Templated, error) {
	c.job.Values = values
	found, err := c.cluster.As(c.as).Render(ctx, c.job)
	if err != nil {
		return nil, err
	}
	out := make([]provenance.Templated, len(found))
	for i, o := range found {
		out[i] = provenance.Templated(o)
	}
	return out, nil
}
