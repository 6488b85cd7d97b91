package access

import (
	"encoding/json"
	"strings"
	"testing"

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
	if len(names) != 3+2*8+3 {
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
