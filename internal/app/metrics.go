package app

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// metrics are what is counted of the engine; docs/metrics.md lists them.
type metrics struct {
	duration *prometheus.HistogramVec
	runs     *prometheus.CounterVec
	requests *prometheus.CounterVec
}

// newMetrics registers the metrics; those that Flux has keep their names and
// labels (fluxcd/pkg/runtime metrics/recorder.go).
func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gotk_reconcile_duration_seconds", Help: "The duration in seconds of a run of a unit.",
			Buckets: prometheus.ExponentialBucketsRange(10e-3, 1800, 10),
		}, []string{"kind", "name", "namespace"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_runs_total", Help: "Runs of units by kind and outcome (the Ready condition's status).",
		}, []string{"kind", "ready"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_api_requests_total", Help: "Requests of the engine to the API server; watches are not counted.",
		}, []string{"verb", "group", "resource", "dry_run"}),
	}
	for _, c := range []prometheus.Collector{m.duration, m.runs, m.requests} {
		if err := registry.Register(c); err != nil {
			panic(err) // unreachable: a registry is given these once
		}
	}
	return m
}

func (m *metrics) finished(r controller.Run) {
	if r.Report.Summary.Ready == "" {
		return
	}
	m.duration.WithLabelValues(r.Unit.Kind, r.Unit.Name, r.Unit.Namespace).Observe(r.Took.Seconds())
	m.runs.WithLabelValues(r.Unit.Kind, strings.ToLower(r.Report.Summary.Ready)).Inc()
}

func (m *metrics) removed(key object.Key) {
	m.duration.DeleteLabelValues(key.Kind, key.Name, key.Namespace)
}

func (m *metrics) request(r cluster.Request) {
	dry := "false"
	if r.DryRun {
		dry = "true"
	}
	m.requests.WithLabelValues(r.Verb, r.Group, r.Resource, dry).Inc()
}

// Metrics is what the engine counts.
func (a *App) Metrics() prometheus.Gatherer { return a.registry }
