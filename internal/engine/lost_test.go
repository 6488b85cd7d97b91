package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/live"
	"github.com/leat-dev/leat/internal/world/memory"
)

// After a start a unit looks for what a process applied that ended before it wrote it
// down. What was let go, with prune off or by an earlier unit of the same name, carries
// the same marks, and stays.
func TestOnlyWhatWasNotWrittenDownIsLost(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := memory.New(memory.Options{Now: func() time.Time { return now }})
	table := live.NewTold(live.Config{
		Moved: func(live.Move) {}, Managers: plan.Managers{Own: object.ManagerKustomize}, Kind: func(_ context.Context, gvk schema.GroupVersionKind) (world.Mapping, error) {
			return world.Mapping{GVK: gvk}, nil
		},
	})
	apply := func(name string, at time.Duration) {
		now = now.Add(at)
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"key": "1"}}}
		o.SetName(name)
		o.SetNamespace("default")
		o.SetLabels(map[string]string{object.OwnerName: "web", object.OwnerNamespace: "apps"})
		after, err := w.Apply(t.Context(), world.Apply{Object: o, Manager: object.ManagerKustomize, Force: true})
		if err != nil {
			t.Fatal(err)
		}
		table.Changed(after)
	}
	k := &unit.Kustomization{}
	k.Name, k.Namespace = "web", "apps"
	apply("of-an-earlier-unit", 0)
	k.CreationTimestamp = metav1.NewTime(now.Add(time.Minute))
	apply("let-go", time.Hour)
	k.Status = kustomizev1.KustomizationStatus{History: meta.History{{LastReconciled: metav1.NewTime(now.Add(time.Minute))}}}
	apply("lost", time.Hour)
	apply("kept", 0)
	kept := object.Ref{Key: object.Key{Kind: "ConfigMap", Namespace: "default", Name: "kept"}, Version: "v1"}
	c := &kustomizing{
		Engine: &Engine{}, k: k, memo: &memo{}, w: w, direct: w, site: &Site{World: w, Live: table}, view: view{world: w, rec: &record.Recorder{}},
		recorded: inventory.Of(kept), raw: &unstructured.Unstructured{},
	}
	found, err := c.lost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ref := range found {
		names = append(names, ref.Name)
	}
	if want := []string{"lost"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q: nothing else may be pruned", names, want)
	}
}
