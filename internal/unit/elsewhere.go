package unit

import (
	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// Elsewhere names what leads to the other cluster that a unit works in, such as
// Secret/flux-system/edge, or Secret/flux-system/clusters/edge where the unit names a
// key of it; it is empty for a unit of the engine's own cluster. Units of which it is
// the same work in one cluster.
func Elsewhere(obj *unstructured.Unstructured) string {
	field := func(path ...string) string {
		v, _, _ := unstructured.NestedString(obj.Object, append([]string{"spec", "kubeConfig"}, path...)...)
		return v
	}
	if name := field("secretRef", "name"); name != "" {
		return abode("Secret", obj.GetNamespace(), name, field("secretRef", "key"))
	}
	if name := field("configMapRef", "name"); name != "" {
		return abode("ConfigMap", obj.GetNamespace(), name, "")
	}
	return ""
}

// AbodeOf is Elsewhere of a decoded unit.
func AbodeOf(namespace string, spec *meta.KubeConfigReference) string {
	switch {
	case spec == nil:
	case spec.SecretRef != nil:
		return abode("Secret", namespace, spec.SecretRef.Name, spec.SecretRef.Key)
	case spec.ConfigMapRef != nil:
		return abode("ConfigMap", namespace, spec.ConfigMapRef.Name, "")
	}
	return ""
}

func abode(kind, namespace, name, key string) string {
	text := object.Key{Kind: kind, Namespace: namespace, Name: name}.String()
	if key != "" {
		text += "/" + key
	}
	return text
}
