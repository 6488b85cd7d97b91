package memory

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// definitionFinalizer holds a definition until the objects of its kind are gone.
const definitionFinalizer = "customresourcecleanup.apiextensions.k8s.io"

func isNamespace(ref object.Ref) bool  { return ref.Group == "" && ref.Kind == "Namespace" }
func isDefinition(ref object.Ref) bool { return ref.GroupKind() == schema.DefinitionKind }

// isContainer tells whether other objects live and die with this one.
func isContainer(ref object.Ref) bool { return isNamespace(ref) || isDefinition(ref) }

// startDraining notes that a container must go when its last object does.
func (s *state) startDraining(ref object.Ref) {
	if !isContainer(ref) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining[ref.Key] = ref
}

func (s *state) drained(k object.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.draining, k)
}

// containers returns what is being drained and may hold the object.
func (s *state) containers(of *unstructured.Unstructured) []object.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []object.Ref
	for _, ref := range s.draining {
		if isDefinition(ref) || ref.Name == of.GetNamespace() {
			found = append(found, ref)
		}
	}
	return sortedRefs(slices.Values(found))
}

// written does what follows from a write.
func (w *World) written(u *unstructured.Unstructured) error {
	if !isDefinition(object.RefOf(u)) || gone(u) {
		return nil
	}
	d, err := schema.Compile(u)
	if err != nil {
		return err // it was compiled when it was validated
	}
	w.store.Define(d)
	return nil
}

// removed does what follows from the end of an object: what it owned is
// collected, and what held it may go as well.
func (w *World) removed(ctx context.Context, u *unstructured.Unstructured) error {
	ref := object.RefOf(u)
	w.drained(ref.Key)
	if isDefinition(ref) {
		w.store.Undefine(defines(u))
	}
	for _, dependent := range w.store.Dependents(u.GetUID()) {
		if err := w.collect(ctx, dependent, u.GetUID()); err != nil {
			return err
		}
	}
	for _, container := range w.containers(u) {
		if err := w.finish(ctx, container); err != nil {
			return err
		}
	}
	return nil
}

// defines returns the kind that a definition makes.
func defines(u *unstructured.Unstructured) gvks.GroupKind {
	group, _, _ := unstructured.NestedString(u.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(u.Object, "spec", "names", "kind")
	return gvks.GroupKind{Group: group, Kind: kind}
}

// collect deletes an object whose owner is gone, unless it has others: then it
// only forgets this one.
func (w *World) collect(ctx context.Context, ref object.Ref, owner types.UID) error {
	e, err := w.store.Load(ctx, ref)
	if err != nil || e == nil {
		return err
	}
	isOwner := func(o metav1.OwnerReference) bool { return o.UID == owner }
	if slices.ContainsFunc(e.Object.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return !isOwner(o) }) {
		return w.disown(ctx, ref, owner)
	}
	return w.deleteAll(ctx, []object.Ref{ref})
}

// release makes everything that an object owns forget it.
func (w *World) release(ctx context.Context, u *unstructured.Unstructured) error {
	w.store.Orphan(u.GetUID())
	for _, ref := range w.store.Dependents(u.GetUID()) {
		if err := w.disown(ctx, ref, u.GetUID()); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) disown(ctx context.Context, ref object.Ref, owner types.UID) error {
	return w.amend(ctx, ref, func(u *unstructured.Unstructured) {
		u.SetOwnerReferences(slices.DeleteFunc(u.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == owner }))
	})
}

// amend is a write of the world's own controllers: nothing is checked, and an
// object that is no longer there is left alone.
func (w *World) amend(ctx context.Context, ref object.Ref, f func(*unstructured.Unstructured)) error {
	for range maxTries {
		from, err := w.store.Load(ctx, ref)
		if err != nil || from == nil {
			return err
		}
		u := from.Object.DeepCopy()
		f(u)
		if gone(u) && !isHeld(u) {
			if w.commit(ref, from, nil) {
				return w.removed(ctx, from.Object)
			}
			continue
		}
		if equal(u, from.Object) || w.commit(ref, from, u) {
			return nil
		}
	}
	return fmt.Errorf("amend %s: too many others write it", ref.Key)
}

// drain deletes what a container holds and lets it go when nothing is left.
func (w *World) drain(ctx context.Context, ref object.Ref) error {
	if !isContainer(ref) {
		return nil
	}
	content, err := w.content(ctx, ref)
	if err != nil {
		return err
	}
	if err := w.deleteAll(ctx, content); err != nil {
		return err
	}
	return w.finish(ctx, ref)
}

func (w *World) deleteAll(ctx context.Context, refs []object.Ref) error {
	controller := &World{state: w.state, trusted: true}
	for _, ref := range refs {
		if err := controller.Delete(ctx, world.Delete{Ref: ref}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("collect %s: %w", ref.Key, err)
		}
	}
	return nil
}

// finish takes away what holds an empty container.
func (w *World) finish(ctx context.Context, ref object.Ref) error {
	content, err := w.content(ctx, ref)
	if err != nil || len(content) > 0 {
		return err
	}
	return w.amend(ctx, ref, func(u *unstructured.Unstructured) {
		if !gone(u) {
			return
		}
		if isNamespace(ref) {
			unstructured.RemoveNestedField(u.Object, "spec", "finalizers")
			return
		}
		u.SetFinalizers(slices.DeleteFunc(u.GetFinalizers(), func(f string) bool { return f == definitionFinalizer }))
	})
}

// content returns what a container holds.
func (w *World) content(ctx context.Context, ref object.Ref) ([]object.Ref, error) {
	if isNamespace(ref) {
		return w.store.Content(ref.Name), nil
	}
	e, err := w.store.Load(ctx, ref)
	if err != nil || e == nil {
		return nil, err
	}
	gk := defines(e.Object)
	kind, err := w.store.Kind(ctx, gk.WithVersion(""))
	if err != nil {
		return nil, nil // it was never served
	}
	entries, err := w.store.List(ctx, kind.GVK, world.Selection{})
	if err != nil {
		return nil, err
	}
	refs := make([]object.Ref, len(entries))
	for i, e := range entries {
		refs[i] = object.RefOf(e.Object)
	}
	return sortedRefs(slices.Values(refs)), nil
}
