package engine

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/world/memory"
)

// A unit that is being deleted goes, whatever somebody wrote into its inventory.
func TestRemovalWithAnInventoryThatCannotBeRead(t *testing.T) {
	rep := new(Engine).Converge(t.Context(), memory.New(memory.Options{}), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{
			"namespace": "apps", "name": "web", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": []any{"finalizers.fluxcd.io"},
		},
		"spec":   map[string]any{"prune": true, "interval": "1h", "sourceRef": map[string]any{"kind": "GitRepository", "name": "fleet"}},
		"status": map[string]any{"inventory": map[string]any{"entries": []any{map[string]any{"id": "nonsense", "v": "v1"}}}},
	}}, time.Now())
	if !rep.Finalize {
		t.Errorf("got %+v, want the unit to be let go", rep.Summary)
	}
	if len(rep.Events) != 1 || !strings.Contains(rep.Events[0].Message, "nonsense") {
		t.Errorf("events: got %+v, want one that names the entry", rep.Events)
	}
}
