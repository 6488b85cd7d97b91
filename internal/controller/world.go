package controller

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// cachedWorld answers Get from the watches where they know, and lets the rest
// through. Acting as somebody else it knows nothing: whether that one may read
// is the API server's to say.
type cachedWorld struct {
	world.World
	views *views
	named *named
}

// Get implements world.Reader.
func (w *cachedWorld) Get(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	if k, ours := unit.KindOf(ref.GroupKind()); ours && w.sees(ref, k) {
		return orNotFound(w.views.get(ref.Key), ref, k.Plural)
	}
	if obj, known := w.named.get(ref.Key); known {
		return orNotFound(obj, ref, ref.Kind)
	}
	return w.World.Get(ctx, ref)
}

// sees tells whether the views would hold the object if it existed.
func (w *cachedWorld) sees(ref object.Ref, k unit.Kind) bool {
	s := w.views.scope
	return (s.Namespace == "" || s.Namespace == ref.Namespace) && (s.Selector == "" || !k.Run)
}

func orNotFound(obj *unstructured.Unstructured, ref object.Ref, resource string) (*unstructured.Unstructured, error) {
	if obj == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Group: ref.Group, Resource: resource}, ref.Name)
	}
	return obj.DeepCopy(), nil
}
