package schema

import (
	"encoding/base64"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// defaultBuiltin sets the defaults of a built-in kind: those of the table, and
// the few that are more than a value.
func defaultBuiltin(obj *unstructured.Unstructured) {
	gvk := obj.GroupVersionKind()
	switch {
	case gvk.GroupKind() == DefinitionKind:
		defaultDefinition(obj)
	case gvk.Group == "" && gvk.Kind == "Namespace":
		labelNamespace(obj)
	case gvk.Group == "" && gvk.Kind == "Secret":
		encodeStrings(obj)
		if kind, _ := obj.Object["type"].(string); kind == "" {
			obj.Object["type"] = "Opaque"
		}
	}
}

// labelNamespace sets the label that selects a namespace by its name.
func labelNamespace(obj *unstructured.Unstructured) {
	if obj.GetName() == "" {
		return
	}
	labels := obj.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["kubernetes.io/metadata.name"] = obj.GetName()
	obj.SetLabels(labels)
}

// encodeStrings moves stringData of a Secret to data, where it wins.
func encodeStrings(obj *unstructured.Unstructured) {
	for k, v := range nested(obj.Object, "stringData") {
		if s, ok := v.(string); ok {
			_ = unstructured.SetNestedField(obj.Object, base64.StdEncoding.EncodeToString([]byte(s)), "data", k)
		}
	}
	delete(obj.Object, "stringData")
}

func defaultDefinition(obj *unstructured.Unstructured) {
	crd := &apiextensions.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, crd); err != nil {
		return // what cannot be read is refused elsewhere
	}
	apiextensions.SetDefaults_CustomResourceDefinition(crd)
	apiextensions.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	gvk := obj.GroupVersionKind()
	if out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(crd); err == nil {
		obj.Object = out
		obj.SetGroupVersionKind(gvk)
	}
}

func nested(m map[string]any, at ...string) map[string]any {
	for _, step := range at {
		m, _ = m[step].(map[string]any)
	}
	return m
}

func validateBuiltin(obj, old *unstructured.Unstructured) field.ErrorList { return nil }
