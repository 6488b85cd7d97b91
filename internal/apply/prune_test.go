package apply_test

import (
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
  - {name: v1beta1, served: %t, storage: false, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

// An object goes, also where the version that it was applied in is not served any more.
func TestPruneOfAVersionThatIsNotServedAnyMore(t *testing.T) {
	w := memory.New(memory.Options{})
	put := func(text string) {
		u := &unstructured.Unstructured{}
		err := yaml.Unmarshal([]byte(text), &u.Object)
		if err == nil {
			_, err = w.Apply(t.Context(), world.Apply{Object: u, Manager: object.ManagerKustomize, Force: true})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(fmt.Sprintf(definition, true))
	put(`{apiVersion: example.com/v1beta1, kind: Widget, metadata: {name: web, namespace: default, labels: {kustomize.toolkit.fluxcd.io/name: web, kustomize.toolkit.fluxcd.io/namespace: apps}}}`)
	put(fmt.Sprintf(definition, false))
	ref := object.Ref{Key: object.Key{Group: "example.com", Kind: "Widget", Namespace: "default", Name: "web"}, Version: "v1beta1"}
	res, err := apply.Prune(t.Context(), apply.PruneInput{World: w, Old: inventory.Of(ref), Owner: plan.Owner{Name: "web", Namespace: "apps"}})
	if err != nil || len(res.Changed()) != 1 || len(res.Survivors) != 0 {
		t.Errorf("changed %v, survivors %v, error %v; want the object to be deleted", res.Changed(), res.Survivors, err)
	}
	ref.Version = "v1"
	if _, err := w.Get(t.Context(), ref); !apierrors.IsNotFound(err) {
		t.Errorf("the object afterwards: %v, want it gone", err)
	}
}
