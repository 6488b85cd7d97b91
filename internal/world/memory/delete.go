package memory

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// immortal are the namespaces that cannot be deleted.
var immortal = map[string]bool{"default": true, "kube-system": true, "kube-public": true}

// Delete removes an object, or marks it while finalizers hold it. What it owned
// is collected before Delete returns.
func (w *World) Delete(ctx context.Context, d world.Delete) error {
	kind, ref, err := w.target(ctx, d.Ref)
	if err != nil {
		return err
	}
	if err := w.check(Request{Verb: "delete", Ref: ref}); err != nil {
		return err
	}
	if isNamespace(ref) && immortal[ref.Name] {
		return apierrors.NewForbidden(kind.GroupResource(), ref.Name, fmt.Errorf("this namespace may not be deleted"))
	}
	for range maxTries {
		from, err := w.store.Load(ctx, ref)
		if err != nil {
			return err
		}
		if from == nil {
			return apierrors.NewNotFound(kind.GroupResource(), ref.Name)
		}
		if err := unmet(kind, ref, from.Object, d.If); err != nil {
			return err
		}
		if d.Orphan {
			if err := w.release(ctx, from.Object); err != nil {
				return err
			}
		}
		if done, err := w.delete(ctx, kind, ref, from); done || err != nil {
			return err
		}
	}
	return apierrors.NewTooManyRequests(fmt.Sprintf("delete %s: too many others write it", ref.Key), 1)
}

// delete takes one step towards the end of an object. False when another write
// came first.
func (w *World) delete(ctx context.Context, kind *schema.Kind, ref object.Ref, from *Entry) (bool, error) {
	if gone(from.Object) {
		return true, nil
	}
	if !isHeld(from.Object) && !isContainer(ref) {
		if !w.commit(ref, from, nil) {
			return false, nil
		}
		return true, w.removed(ctx, from.Object)
	}
	w.startDraining(ref)
	if !w.commit(ref, from, w.marked(from.Object)) {
		return false, nil
	}
	return true, w.drain(ctx, ref)
}

// isHeld tells whether an object outlives the request to delete it.
func isHeld(u *unstructured.Unstructured) bool {
	if len(u.GetFinalizers()) > 0 {
		return true
	}
	finalizers, _, _ := unstructured.NestedSlice(u.Object, "spec", "finalizers")
	return isNamespace(object.RefOf(u)) && len(finalizers) > 0
}

// marked is an object whose deletion has been asked for.
func (w *World) marked(u *unstructured.Unstructured) *unstructured.Unstructured {
	u = u.DeepCopy()
	u.SetDeletionTimestamp(&metav1.Time{Time: w.now()})
	ref := object.RefOf(u)
	switch {
	case isNamespace(ref):
		_ = unstructured.SetNestedField(u.Object, "Terminating", "status", "phase")
		return u
	case isDefinition(ref):
		u.SetFinalizers(append(u.GetFinalizers(), definitionFinalizer))
	}
	none := int64(0)
	u.SetDeletionGracePeriodSeconds(&none)
	if g := u.GetGeneration(); g > 0 {
		u.SetGeneration(g + 1)
	}
	return u
}
