package helm

import (
	"slices"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/leat-dev/leat/internal/release"
)

// chart returns a copy of the job's chart of what Helm changes in one: it drops
// subcharts that are switched off, renames them, and merges values into it.
func (r *run) chart() *chart.Chart { return copyChart(r.job.Chart) }

// rendering returns a copy to be rendered, until it is stored: one whose loops are
// counted, or one that is rendered in a child or found rendered.
func (r *run) rendering() *chart.Chart {
	r.rendered = r.chart()
	if r.isolated() || r.cluster.renders != nil {
		return r.guard.replace(r.rendered)
	}
	return r.guard.protect(r.rendered)
}

// shared returns the job's chart in place of the copy of it that was rendered,
// where Helm changes nothing but by dependencies: what is stored can be packed
// once for all releases of the chart.
func (r *run) shared(c *chart.Chart) *chart.Chart {
	if c != r.rendered || c == nil || c.Metadata == nil || len(c.Metadata.Dependencies)+len(c.Dependencies()) > 0 {
		return c
	}
	return r.job.Chart
}

func copyChart(c *chart.Chart) *chart.Chart {
	out := *c
	out.Values = release.CopyValues(c.Values)
	if c.Metadata != nil {
		m := *c.Metadata
		m.Dependencies = slices.Clone(m.Dependencies)
		for i, dep := range m.Dependencies {
			if dep != nil {
				d := *dep
				d.ImportValues = slices.Clone(d.ImportValues)
				m.Dependencies[i] = &d
			}
		}
		out.Metadata = &m
	}
	subcharts := make([]*chart.Chart, len(c.Dependencies()))
	for i, sub := range c.Dependencies() {
		subcharts[i] = copyChart(sub)
	}
	out.SetDependencies(subcharts...)
	return &out
}
