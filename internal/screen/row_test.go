package screen

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A row rests on simulated pods where the unit says so: a Kustomization in its
// condition Healthy, a HelmRelease in Ready.
func TestRowRestsOnSimulatedPods(t *testing.T) {
	condition := func(kind, message string) any {
		return map[string]any{"type": kind, "status": "True", "reason": "Succeeded", "message": message}
	}
	for _, c := range []struct {
		kind       string
		conditions []any
		want       bool
	}{
		{"Kustomization", []any{condition("Ready", "Applied"), condition("Healthy", "passed in 1s (on simulated pods)")}, true},
		{"Kustomization", []any{condition("Ready", "Applied (on simulated pods)"), condition("Healthy", "passed in 1s")}, false},
		{"Kustomization", []any{condition("Ready", "Applied")}, false},
		{"HelmRelease", []any{condition("Ready", "installed (on simulated pods)"), condition("Released", "installed")}, true},
		{"HelmRelease", []any{condition("Ready", "installed"), condition("Released", "installed")}, false},
	} {
		obj := &unstructured.Unstructured{Object: map[string]any{
			"kind": c.kind, "metadata": map[string]any{"name": "a"}, "status": map[string]any{"conditions": c.conditions},
		}}
		if got := row(obj, Run{}).Simulated; got != c.want {
			t.Errorf("%s %v: got %t, want %t", c.kind, c.conditions, got, c.want)
		}
	}
}
