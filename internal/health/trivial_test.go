package health

import (
	"reflect"
	"testing"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

func unstructuredEqual(a, b *unstructured.Unstructured) bool {
	return apiequality.Semantic.DeepEqual(a.Object, b.Object)
}

// TestTrivialHaveNothingToAsk checks the list against the types of Kubernetes:
// a trivial kind has no status that kstatus would look at.
func TestTrivialHaveNothingToAsk(t *testing.T) {
	seen := map[schema.GroupKind]bool{}
	for gvk, goType := range scheme.Scheme.AllKnownTypes() {
		gk := gvk.GroupKind()
		if !Trivial(gk) {
			continue
		}
		seen[gk] = true
		status, ok := goType.FieldByName("Status")
		if !ok {
			continue
		}
		for _, field := range []string{"Conditions", "ObservedGeneration"} {
			if _, has := status.Type.FieldByName(field); has {
				t.Errorf("%s has status.%s", gvk, field)
			}
		}
	}
	for gk := range trivial {
		if !seen[gk] {
			t.Errorf("%s is no kind of Kubernetes", gk)
		}
	}
}

// TestTrivialIsAboutMetadata: what an object of a trivial kind says beside its
// metadata does not matter.
func TestTrivialIsAboutMetadata(t *testing.T) {
	for gk := range trivial {
		obj := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "x"}}}
		obj.SetGroupVersionKind(gk.WithVersion("v1"))
		bare := Of(obj, Rules{})
		obj.Object["spec"] = map[string]any{"replicas": int64(3), "type": "LoadBalancer", "suspend": true}
		obj.Object["status"] = map[string]any{"phase": "Pending", "replicas": int64(1)}
		if full := Of(obj, Rules{}); !reflect.DeepEqual(bare, full) || bare.Status != Current {
			t.Errorf("%s: got %+v and %+v", gk, bare, full)
		}
	}
}
