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
	read   *provenance.Memory // of files; nil begins anew
}

// places are where things stand in a fleet, by reading.
func (o origins) places(side provenance.Fleet) *provenance.Places {
	if o.read == nil {
		return provenance.Read(side)
	}
	return o.read.Read(side)
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
		Helm: o.helm.Helm, cluster: o.helm.cluster, others: maps.Clone(o.helm.others), last: maps.Clone(o.helm.last), engine: o.helm.engine, before: o.helm.before, earlier: o.helm.earlier,
	}
	return origins{builds: o.builds.Copy(), helm: helm, read: o.read}
}

// tracedHelm is a Helm that remembers the last action on each release.
type tracedHelm struct {
	engine.Helm
	cluster *helm.Cluster
	others  map[string]*helm.Cluster // other clusters, by name

	mu   sync.Mutex
	last map[object.Key]tracedChart

	// What was done in an earlier process; see savedcharts.go.
	engine  *engine.Engine
	before  *memory.World
	earlier map[object.Key]bool
}

func traceHelm(c *helm.Cluster) *tracedHelm {
	return &tracedHelm{Helm: engine.Driving(c), cluster: c, last: make(map[object.Key]tracedChart), others: map[string]*helm.Cluster{}}
}

// As implements engine.Helm.
func (t *tracedHelm) As(id world.Identity) engine.Releases {
	return tracedReleases{t.Helm.As(id), t, t.cluster, id}
}

// in is Helm in another cluster, by its name.
func (t *tracedHelm) in(name string, c *helm.Cluster) engine.Helm {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.others[name] = c
	return tracedElsewhere{engine.Driving(c), t, c}
}

// tracedElsewhere is a tracedHelm of another cluster.
type tracedElsewhere struct {
	engine.Helm
	trace   *tracedHelm
	cluster *helm.Cluster
}

// As implements engine.Helm.
func (t tracedElsewhere) As(id world.Identity) engine.Releases {
	return tracedReleases{t.Helm.As(id), t.trace, t.cluster, id}
}

type tracedReleases struct {
	engine.Releases
	trace   *tracedHelm
	cluster *helm.Cluster
	as      world.Identity
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
	r.trace.last[key] = tracedChart{r.cluster, r.as, job}
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
