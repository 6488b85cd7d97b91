package app

import (
	"encoding/json"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/crd"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world/schema"
)

// expectation says which apply entry an object leaves, for the kinds whose
// schemas are linked in: those of Kubernetes and our own. Of other custom kinds
// nothing is claimed.
func expectation() func(*unstructured.Unstructured) (hash.ID, bool) {
	kinds := sync.OnceValue(ownKinds)
	return func(obj *unstructured.Unstructured) (hash.ID, bool) {
		kind, err := kinds().Find(obj.GroupVersionKind())
		if err != nil {
			return hash.ID{}, false
		}
		fields, err := kind.FieldsV1(obj)
		if err != nil {
			return hash.ID{}, false
		}
		return plan.EntryID([]metav1.ManagedFieldsEntry{{
			Manager: object.ManagerKustomize, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: &metav1.FieldsV1{Raw: fields},
		}}, object.ManagerKustomize), true
	}
}

func ownKinds() *schema.Kinds {
	kinds := schema.Builtin()
	for _, d := range crd.All() {
		text, err := json.Marshal(d)
		if err != nil {
			continue
		}
		obj := &unstructured.Unstructured{}
		if obj.UnmarshalJSON(text) != nil {
			continue
		}
		if compiled, err := schema.Compile(obj); err == nil {
			kinds = kinds.With(compiled)
		}
	}
	return kinds
}
