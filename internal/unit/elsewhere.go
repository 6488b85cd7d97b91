package unit

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// Elsewhere names what leads to the other cluster that a unit works in, such as
// Secret/flux-system/edge; it is empty for a unit of the engine's own cluster.
func Elsewhere(obj *unstructured.Unstructured) string {
	for field, kind := range map[string]string{"secretRef": "Secret", "configMapRef": "ConfigMap"} {
		if name, _, _ := unstructured.NestedString(obj.Object, "spec", "kubeConfig", field, "name"); name != "" {
			return object.Key{Kind: kind, Namespace: obj.GetNamespace(), Name: name}.String()
		}
	}
	return ""
}
