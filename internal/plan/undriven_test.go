package plan_test

import (
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/plan"
)

// What a controller alone wrote goes, with the map that it leaves empty; what
// somebody else owns too stays, and so do items of lists.
func TestUndriven(t *testing.T) {
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web", "annotations": map[string]any{"deployment.kubernetes.io/revision": "2"}},
		"spec": map[string]any{
			"replicas": int64(3), "paused": true,
			"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "web", "image": "web:1"}}}},
		},
	}}
	obj.SetManagedFields([]metav1.ManagedFieldsEntry{
		entry("kustomize-controller", `{"f:spec":{"f:paused":{}}}`),
		entry("controller", `{"f:metadata":{"f:annotations":{".":{},"f:deployment.kubernetes.io/revision":{}}},
			"f:spec":{"f:replicas":{},"f:paused":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}}}`),
	})
	before := obj.DeepCopy()
	got := plan.Undriven(obj, "controller")
	if !reflect.DeepEqual(obj, before) {
		t.Error("the object was changed")
	}
	spec, _, _ := unstructured.NestedMap(got.Object, "spec")
	want := map[string]any{"paused": true, "template": before.Object["spec"].(map[string]any)["template"]}
	if !reflect.DeepEqual(spec, want) {
		t.Errorf("got spec %v, want %v", spec, want)
	}
	if got.GetAnnotations() != nil {
		t.Errorf("got annotations %v, want none", got.GetAnnotations())
	}
	if again := plan.Undriven(obj, "nobody"); again != obj {
		t.Error("an object of which nobody wrote was copied")
	}
}

func entry(manager, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)}}
}
