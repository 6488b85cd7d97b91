package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

func widget(version, ready string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget",
		"metadata": map[string]any{"namespace": "apps", "name": "web", "resourceVersion": version, "uid": "1"},
		"status":   map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": ready}}},
	}}
}

// What was healthy and is not any more has all of the timeout to become so again, and
// says how long that took, not how long ago it was healthy first.
func TestEachWaitForHealthHasItsOwnTime(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	table := live.NewTold(live.Config{Moved: func(live.Move) {}})
	eng, m := &Engine{}, &memo{}
	look := func(obj *unstructured.Unstructured, at time.Time) (report.KustomizationRun, error) {
		table.Changed(obj)
		k := &unit.Kustomization{}
		k.Name, k.Namespace = "web", "apps"
		k.Spec.Timeout = &metav1.Duration{Duration: 5 * time.Minute}
		k.Spec.HealthChecks = []meta.NamespacedObjectKindReference{{APIVersion: "example.com/v1", Kind: "Widget", Namespace: "apps", Name: "web"}}
		c := &kustomizing{Engine: eng, k: k, memo: m, now: at, site: &Site{Live: table}, view: view{rec: &record.Recorder{}}}
		c.that = c.view
		err := c.health(t.Context())
		return c.run, err
	}
	class := func(err error) report.Class {
		var p *report.Problem
		errors.As(err, &p)
		return p.Class
	}
	if _, err := look(widget("1", "False"), began); class(err) != report.Progressing {
		t.Fatalf("not ready at first: got %v, want progress", err)
	}
	run, err := look(widget("2", "True"), began.Add(time.Minute))
	if err != nil || run.HealthText != "Health check passed in 1m0s" {
		t.Fatalf("ready: got %q, %v", run.HealthText, err)
	}
	run, err = look(widget("2", "True"), began.Add(time.Hour))
	if err != nil || !run.HealthSince.Equal(began.Add(time.Hour)) {
		t.Errorf("another revision of the same objects: waits since %v, %v; want since now", run.HealthSince, err)
	}
	if _, err := look(widget("3", "False"), began.Add(2*time.Hour)); class(err) != report.Progressing {
		t.Errorf("not ready any more: got %v, want progress", err)
	}
	if _, err := look(widget("3", "False"), began.Add(2*time.Hour+5*time.Minute)); class(err) != report.Retrying {
		t.Errorf("not ready for as long as the timeout: got %v, want a failure", err)
	}
}
