package memory

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

func TestCopyIsAWorldOfItsOwn(t *testing.T) {
	obj := func(value string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "namespace": "default"},
			"data": map[string]any{"key": value},
		}}
	}
	w := New(Options{})
	made, err := w.Apply(t.Context(), world.Apply{Object: obj("first"), Manager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Copy()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(t.Context(), world.Apply{Object: obj("second"), Manager: "test"}); err != nil {
		t.Fatal(err)
	}
	for of, want := range map[*World]string{w: "first", c: "second"} {
		got, err := of.Get(t.Context(), object.RefOf(made))
		if err != nil {
			t.Fatal(err)
		}
		if value, _, _ := unstructured.NestedString(got.Object, "data", "key"); value != want || got.GetUID() != made.GetUID() {
			t.Errorf("got %q of %s, want %q of %s", value, got.GetUID(), want, made.GetUID())
		}
	}
	if _, err := Over(NewMap(w.store.(*Map).kinds), Options{}).Copy(); err != nil {
		t.Error(err)
	}
}
