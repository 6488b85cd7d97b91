package controller

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

func viewed(version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"namespace": "apps", "name": "web", "resourceVersion": version},
	}}
}

// The watch may tell of an object's end before the write is answered that brought it:
// the removal of its last finalizer.
func TestWhatIsGoneStaysGone(t *testing.T) {
	var told []string
	v := newViews(nil, Scope{}, func(old, now *unstructured.Unstructured) {
		switch {
		case old == nil:
			told = append(told, "new "+now.GetResourceVersion())
		case now == nil:
			told = append(told, "gone")
		default:
			told = append(told, "now "+now.GetResourceVersion())
		}
	})
	key := object.KeyOf(viewed("1"))
	v.put(viewed("10"))
	v.wrote(viewed("12"))
	v.remove(key, 13)
	v.wrote(viewed("12"))
	if v.get(key) != nil {
		t.Error("an object came back by the answer to a write from before its end")
	}
	v.put(viewed("15"))
	v.wrote(viewed("14"))
	if got := v.get(key).GetResourceVersion(); got != "15" {
		t.Errorf("the object is at version %s, want the newer 15", got)
	}
	if want := []string{"new 10", "now 12", "gone", "new 15"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
