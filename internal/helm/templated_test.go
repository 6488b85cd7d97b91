package helm_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/world/memory"
)

// Rendering says which template made an object, and changes nothing, before and
// after an install.
func TestRenderSaysTheTemplate(t *testing.T) {
	w := memory.New(memory.Options{})
	for _, installed := range []bool{false, true} {
		if installed {
			install(t, w, "red")
		}
		got, err := driver(t, w).Render(t.Context(), job("green"))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Template != "demo/templates/a.yaml" {
			t.Fatalf("got %+v, want one object of demo/templates/a.yaml", got)
		}
		if k, _, _ := unstructured.NestedString(got[0].Object.Object, "data", "k"); k != "green" || got[0].Object.GetNamespace() != "default" {
			t.Errorf("got %v, want it in default with the values it was given", got[0].Object)
		}
	}
	if got := value(t, w); got != "red" {
		t.Errorf("the world holds %q, want what was installed", got)
	}
}
