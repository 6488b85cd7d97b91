package memory_test

import (
	"fmt"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

func configMap(name string, value any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name, "namespace": "default"},
		"data":     map[string]any{"value": value},
	}}
}

func TestSubscribersSeeChangesInOrder(t *testing.T) {
	w := memory.New(memory.Options{})
	var got []string
	cancel := w.Subscribe(func(e memory.Event) {
		got = append(got, fmt.Sprintf("%s %s %s", e.Type, e.Object.GetName(), e.Object.GetResourceVersion()))
	})
	a := world.Apply{Object: configMap("a", "1"), Manager: "test"}
	for _, value := range []string{"1", "1", "2"} { // the second changes nothing
		a.Object = configMap("a", value)
		if _, err := w.Apply(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Delete(t.Context(), world.Delete{Ref: object.RefOf(a.Object)}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := w.Apply(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	want := "[ADDED a 5 MODIFIED a 6 DELETED a 7]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestCheckSeesWhoAsksAndMayRefuse(t *testing.T) {
	var got []string
	w := memory.New(memory.Options{Check: func(r memory.Request) error {
		if r.As.User == "" {
			return nil
		}
		got = append(got, r.As.User+" "+r.Verb+" "+r.Ref.String())
		if r.Verb == "apply" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, r.Ref.Name, fmt.Errorf("no"))
		}
		return nil
	}})
	tenant := w.As(world.ServiceAccount("apps", "deployer"))
	_, err := tenant.Apply(t.Context(), world.Apply{Object: configMap("a", "1"), Manager: "test"})
	if !apierrors.IsForbidden(err) {
		t.Errorf("apply: got %v, want forbidden", err)
	}
	if _, err := tenant.Get(t.Context(), object.RefOf(configMap("a", "1"))); !apierrors.IsNotFound(err) {
		t.Errorf("get: got %v, want not found", err)
	}
	want := "[system:serviceaccount:apps:deployer apply ConfigMap/default/a system:serviceaccount:apps:deployer get ConfigMap/default/a]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestEqualHistoriesYieldEqualObjects(t *testing.T) {
	run := func(seed string) string {
		w := memory.New(memory.Options{Seed: seed})
		u, err := w.Apply(t.Context(), world.Apply{Object: configMap("a", "1"), Manager: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(u.Object)
	}
	if a, b := run(""), run(""); a != b {
		t.Errorf("got\n%s\nand\n%s", a, b)
	}
	if run("") == run("other") {
		t.Error("another seed gave the same uid")
	}
}

func TestWritersAtOnceLoseNothing(t *testing.T) {
	w := memory.New(memory.Options{})
	const writers = 8
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			u := configMap("a", nil)
			u.Object["data"] = map[string]any{fmt.Sprint("k", i): "v"}
			if _, err := w.Apply(t.Context(), world.Apply{Object: u, Manager: fmt.Sprint("m", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	u, err := w.Get(t.Context(), object.RefOf(configMap("a", nil)))
	if err != nil {
		t.Fatal(err)
	}
	data, _, _ := unstructured.NestedMap(u.Object, "data")
	if len(data) != writers || len(u.GetManagedFields()) != writers {
		t.Errorf("got %d values of %d managers, want %d", len(data), len(u.GetManagedFields()), writers)
	}
}

func TestNumbersOfCallersAreTaken(t *testing.T) {
	w := memory.New(memory.Options{})
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "a", "namespace": "default"},
		"spec": map[string]any{"ports": []any{map[string]any{"port": 80}}}, // an int, as Go code writes it
	}}
	if _, err := w.Apply(t.Context(), world.Apply{Object: u, Manager: "test"}); err != nil {
		t.Error(err)
	}
}
