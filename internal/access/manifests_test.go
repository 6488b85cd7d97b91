package access

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestManifestsParse(t *testing.T) {
	names := map[string]bool{}
	for _, objs := range [][]*unstructured.Unstructured{Definitions(), Guards("flux-system"), Rights()} {
		for _, obj := range objs {
			id := obj.GetKind() + "/" + obj.GetName()
			if names[id] {
				t.Errorf("%s stands there twice", id)
			}
			names[id] = true
			text, err := json.Marshal(obj.Object)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "$") && obj.GetKind() != "CustomResourceDefinition" {
				t.Errorf("%s has a word that was not put in: %s", id, text)
			}
		}
	}
	if len(names) != 3+2*9+4 {
		t.Errorf("got %d objects: %v", len(names), names)
	}
}

func TestInForce(t *testing.T) {
	for _, want := range Guards("flux-system") {
		if err := InForce(want, want.DeepCopy()); err != nil {
			t.Error(err)
		}
		if err := InForce(want, nil); err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("%s: got %v", want.GetName(), err)
		}
		changed := want.DeepCopy()
		_ = unstructured.SetNestedField(changed.Object, "Ignore", "spec", "failurePolicy")
		if err := InForce(want, changed); err == nil || !strings.Contains(err.Error(), "was changed") {
			text, _ := yaml.Marshal(changed.Object)
			t.Errorf("%s: got %v of\n%s", want.GetName(), err, text)
		}
	}
}

// Every manifest has the fields of its kind and no others.
func TestManifestsAreStrict(t *testing.T) {
	for _, obj := range slices.Concat(Definitions(), Guards("flux-system"), Rights()) {
		var into any
		switch obj.GetKind() {
		case "CustomResourceDefinition":
			into = &apiextensionsv1.CustomResourceDefinition{}
		case "ValidatingAdmissionPolicy":
			into = &admissionv1.ValidatingAdmissionPolicy{}
		case "ValidatingAdmissionPolicyBinding":
			into = &admissionv1.ValidatingAdmissionPolicyBinding{}
		default:
			continue
		}
		text, err := json.Marshal(obj.Object)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			t.Errorf("%s %s: %v", obj.GetKind(), obj.GetName(), err)
		}
	}
}
