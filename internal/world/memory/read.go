package memory

import (
	"context"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// Get returns a copy of an object.
func (w *World) Get(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	kind, err := w.store.Look(ctx, ref.GVK())
	if err != nil {
		return nil, err
	}
	if ref, err = complete(kind, ref); err != nil {
		return nil, err
	}
	if err := w.check(Request{Verb: "get", Ref: ref}); err != nil {
		return nil, err
	}
	e, err := w.store.Load(ctx, ref)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, apierrors.NewNotFound(kind.GroupResource(), ref.Name)
	}
	return view(kind, e), nil
}

// List returns copies of the objects of a kind.
func (w *World) List(ctx context.Context, gvk gvks.GroupVersionKind, in world.Selection) ([]*unstructured.Unstructured, error) {
	kind, err := w.store.Look(ctx, gvk)
	if err != nil {
		return nil, err
	}
	key := object.Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: in.Namespace}
	if err := w.check(Request{Verb: "list", Ref: object.Ref{Key: key, Version: kind.GVK.Version}}); err != nil {
		return nil, err
	}
	if !kind.Namespaced {
		in.Namespace = ""
	}
	entries, err := w.store.List(ctx, kind.GVK, in)
	if err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, e := range entries {
		if in.Labels == nil || in.Labels.Matches(labels.Set(e.Object.GetLabels())) {
			all = append(all, view(kind, e))
		}
	}
	slices.SortFunc(all, byNamespaceAndName)
	return all, nil
}

func byNamespaceAndName(a, b *unstructured.Unstructured) int {
	if c := strings.Compare(a.GetNamespace(), b.GetNamespace()); c != 0 {
		return c
	}
	return strings.Compare(a.GetName(), b.GetName())
}

// Kind says how a kind is served.
func (w *World) Kind(ctx context.Context, gvk gvks.GroupVersionKind) (world.Mapping, error) {
	k, err := w.store.Look(ctx, gvk)
	if err != nil {
		return world.Mapping{}, err
	}
	return k.Mapping, nil
}

// Kinds returns every kind that is served.
func (w *World) Kinds(ctx context.Context) ([]world.Mapping, error) { return w.store.Kinds(ctx) }

// Schema returns what is known of a kind.
func (w *World) Schema(ctx context.Context, gvk gvks.GroupVersionKind) (*schema.Kind, error) {
	return w.store.Kind(ctx, gvk)
}

// target finds the kind of what is to be written.
func (w *World) target(ctx context.Context, ref object.Ref) (*schema.Kind, object.Ref, error) {
	kind, err := w.store.Kind(ctx, ref.GVK())
	if err != nil {
		return nil, ref, err
	}
	ref, err = complete(kind, ref)
	return kind, ref, err
}

// complete gives ref the preferred version, and no namespace where the kind has
// none.
func complete(kind *schema.Kind, ref object.Ref) (object.Ref, error) {
	ref.Version = kind.GVK.Version
	if !kind.Namespaced {
		ref.Namespace = ""
	}
	if ref.Name == "" {
		return ref, apierrors.NewBadRequest("name of " + ref.Kind + " is required")
	}
	if kind.Namespaced && ref.Namespace == "" {
		return ref, apierrors.NewBadRequest(ref.Kind + " " + ref.Name + " needs a namespace")
	}
	return ref, nil
}

// view is a copy of an entry as a version shows it.
func view(kind *schema.Kind, e *Entry) *unstructured.Unstructured {
	if e == nil {
		return nil
	}
	u := e.Object.DeepCopy()
	if u.GroupVersionKind().Version != kind.GVK.Version {
		u = schema.As(u, kind.GVK.Version)
	}
	kind.View(u)
	return u
}
