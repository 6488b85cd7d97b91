package app

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leat-dev/leat/internal/controller"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// Every metric is documented, and a unit's own go with it.
func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	key := object.Key{Kind: "Kustomization", Namespace: "apps", Name: "web"}
	m.finished(controller.Run{Unit: key, Report: report.Report{Summary: report.Summary{Ready: "True"}}})
	m.request(cluster.Request{Verb: "apply", Resource: "services"})
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 3 {
		t.Fatalf("got %d families, %v; want 3", len(families), err)
	}
	for _, f := range families {
		if !strings.Contains(string(docs), "`"+f.GetName()+"`") {
			t.Errorf("%s is not in docs/metrics.md", f.GetName())
		}
	}
	m.removed(key)
	families, err = registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "gotk_reconcile_duration_seconds" {
			t.Error("the metric of a removed unit is still there")
		}
	}
}
