package memory

import (
	"context"
	"maps"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/schema"
)

// prepare makes next what may be kept: what only the server sets is set, what
// the request may not touch is as it was, and the rest has been checked.
func (w *World) prepare(ctx context.Context, c change, live, next *unstructured.Unstructured) error {
	if err := w.identify(c, live, next); err != nil {
		return err
	}
	if live == nil {
		if err := w.inNamespace(ctx, c); err != nil {
			return err
		}
		w.prepareNew(c, next)
	} else if err := w.prepareChanged(c, live, next); err != nil {
		return err
	}
	w.settle(c, live, next)
	if err := w.validate(ctx, c, live, next); err != nil {
		return err
	}
	if err := w.stamp(next, live); err != nil {
		return err
	}
	return beside(next, c.kind.Store)
}

// mark gives an object that was taken over the marks of this world.
func (w *World) mark(_ context.Context, c change, live, next *unstructured.Unstructured) error {
	if live == nil {
		unstructured.RemoveNestedField(next.Object, "metadata", "resourceVersion")
		next.SetUID(w.newUID(c.ref.Key))
		next.SetCreationTimestamp(metav1.Time{Time: w.now()})
	} else {
		keep(metadata(live), metadata(next), "resourceVersion")
	}
	if c.ref.GroupKind() == schema.DefinitionKind {
		w.settleDefinition(live, next)
	}
	return w.stamp(next, live)
}

// identify holds next to the name and version that the request spoke of.
func (w *World) identify(c change, live, next *unstructured.Unstructured) error {
	if next.GetName() != c.ref.Name {
		return apierrors.NewBadRequest("the name of the object does not match the name of the request")
	}
	if ns := next.GetNamespace(); ns != c.ref.Namespace {
		if ns != "" {
			return apierrors.NewBadRequest("the namespace of the object does not match the namespace of the request")
		}
		next.SetNamespace(c.ref.Namespace)
	}
	version := next.GetResourceVersion()
	if live != nil && version != "" && version != live.GetResourceVersion() {
		return conflict(c.kind, c.ref, "the object has been modified; please apply your changes to the latest version and try again")
	}
	return nil
}

// prepareNew sets what an object is born with.
func (w *World) prepareNew(c change, next *unstructured.Unstructured) {
	for _, f := range []string{"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"} {
		unstructured.RemoveNestedField(next.Object, "metadata", f)
	}
	next.SetUID(w.newUID(c.ref.Key))
	next.SetCreationTimestamp(metav1.Time{Time: w.now()})
	if c.kind.Counted {
		next.SetGeneration(1)
	}
	if c.kind.Status {
		delete(next.Object, "status")
	}
}

// prepareChanged keeps what a change may not touch and counts generations.
func (w *World) prepareChanged(c change, live, next *unstructured.Unstructured) error {
	if uid := next.GetUID(); uid != "" && uid != live.GetUID() {
		path := field.NewPath("metadata", "uid")
		return apierrors.NewInvalid(c.kind.GVK.GroupKind(), c.ref.Name, field.ErrorList{field.Invalid(path, uid, "field is immutable")})
	}
	if c.subresource == "status" {
		keepAllBut(live, next, "status")
	} else if c.kind.Status {
		keep(live.Object, next.Object, "status")
	}
	from, to := metadata(live), metadata(next)
	for _, f := range []string{"uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink"} {
		keep(from, to, f)
	}
	if gone(live) && !within(next.GetFinalizers(), live.GetFinalizers()) {
		path := field.NewPath("metadata", "finalizers")
		return apierrors.NewInvalid(c.kind.GVK.GroupKind(), c.ref.Name, field.ErrorList{
			field.Forbidden(path, "no new finalizers can be added if the object is being deleted")})
	}
	if c.kind.Counted && !c.kind.Frozen && !reflect.DeepEqual(counted(c.kind, live), counted(c.kind, next)) {
		next.SetGeneration(live.GetGeneration() + 1)
	}
	return nil
}

// counted is the part of an object whose changes are counted.
func counted(kind *schema.Kind, u *unstructured.Unstructured) map[string]any {
	part := maps.Clone(u.Object)
	delete(part, "metadata")
	if kind.Status {
		delete(part, "status")
	}
	for _, f := range kind.CountedMeta {
		part["metadata."+f] = metadata(u)[f]
	}
	return part
}

// keepAllBut makes next live, but for one field and the owners.
func keepAllBut(live, next *unstructured.Unstructured, name string) {
	value, ok := next.Object[name]
	owners, tracked := metadata(next)["managedFields"]
	next.Object = live.DeepCopy().Object
	delete(next.Object, name)
	if ok {
		next.Object[name] = value
	}
	delete(metadata(next), "managedFields")
	if tracked {
		metadata(next)["managedFields"] = owners
	}
}

func keep(from, to map[string]any, name string) {
	if v, ok := from[name]; ok {
		to[name] = v
	} else {
		delete(to, name)
	}
}

func metadata(u *unstructured.Unstructured) map[string]any {
	m, ok := u.Object["metadata"].(map[string]any)
	if !ok {
		m = map[string]any{}
		u.Object["metadata"] = m
	}
	return m
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// inNamespace refuses to make an object in a namespace that is not there, or
// will not be for long.
func (w *World) inNamespace(ctx context.Context, c change) error {
	if !c.kind.Namespaced {
		return nil
	}
	e, err := w.store.Load(ctx, namespaceRef(c.ref.Namespace))
	if err != nil {
		return err
	}
	if e == nil {
		return apierrors.NewNotFound(namespaceResource, c.ref.Namespace)
	}
	if gone(e.Object) {
		return terminating(c)
	}
	return nil
}

func namespaceRef(name string) object.Ref {
	return object.Ref{Key: object.Key{Kind: "Namespace", Name: name}, Version: "v1"}
}
