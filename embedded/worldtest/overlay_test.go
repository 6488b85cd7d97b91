package worldtest_test

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/overlay"
)

func service(namespace, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service",
		"metadata": map[string]any{"name": name, "namespace": namespace},
		"spec":     map[string]any{"ports": []any{map[string]any{"port": int64(80)}}},
	}}
}

// The API server fills in what no schema knows (here a cluster IP), as long as
// nothing in the overlay stands in the way of asking it.
func TestOverlayAsksTheServer(t *testing.T) {
	var counter cluster.Counter
	below := connect(t, cluster.Options{Observe: counter.Observe})
	w := overlay.New(below, overlay.Options{})
	a := world.Apply{Object: service(kubetest.Namespace(t), "web"), Manager: "test"}
	u, err := w.Apply(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if kind, _, _ := unstructured.NestedString(u.Object, "spec", "type"); kind != "ClusterIP" {
		t.Errorf("type: got %q, want the server's default", kind)
	}
	if w.Trust(object.KeyOf(u)) != world.Exact || w.Fidelity() != world.Exact {
		t.Errorf("got %s, want exact", w.Fidelity())
	}
	if _, err := below.Get(t.Context(), object.RefOf(u)); !apierrors.IsNotFound(err) {
		t.Errorf("below: got %v, want not found", err)
	}
	a.Object = service(a.Object.GetNamespace(), "web") // it stands in the layer now
	if _, err := w.Predict(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if w.Trust(object.KeyOf(u)) != world.OfSchema {
		t.Errorf("got %s, want schema", w.Trust(object.KeyOf(u)))
	}
	for _, c := range counter.Counts() {
		if c.Verb == "apply" && !c.DryRun || c.Verb == "create" || c.Verb == "delete" || c.Verb == "patch" {
			t.Errorf("the overlay wrote below: %+v", c)
		}
	}
}

// A tenant who may not apply is told so by the server; that the world itself may
// not is no reason to stop predicting.
func TestOverlayTellsRefusalsApart(t *testing.T) {
	w := overlay.New(connect(t, cluster.Options{}), overlay.Options{})
	namespace := kubetest.Namespace(t)
	a := world.Apply{Object: service(namespace, "web"), Manager: "test"}
	if _, err := w.As(world.ServiceAccount(namespace, "nobody")).Apply(t.Context(), a); !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want forbidden", err)
	}
	restricted := overlay.New(connect(t, cluster.Options{}).As(world.Identity{User: "nobody"}), overlay.Options{})
	_, err := restricted.Predict(t.Context(), a)
	if !apierrors.IsForbidden(err) {
		t.Errorf("got %v, want forbidden: nobody may not read either", err)
	}
}
