package engine

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// What another unit wants is what its owner wrote, and owners of other namespaces are
// other people. Within a namespace units trust each other: whoever may write one may
// name any account there.

// holdsBefore tells whether an object is this unit's although it carries the label of
// another one, of another namespace: labels are anybody's to write who may write the
// object. It is so where this unit holds it and that one does not, or is younger.
func (c *kustomizing) holdsBefore(raw *unstructured.Unstructured, key object.Key) bool {
	if raw.GetNamespace() == c.k.Namespace || !c.recorded.Holds(key) {
		return false
	}
	if !heldIn(raw).Holds(key) {
		return true
	}
	mine, theirs := c.k.CreationTimestamp.Time, raw.GetCreationTimestamp().Time
	if mine.Equal(theirs) {
		return object.Compare(c.k.Key(), object.KeyOf(raw)) < 0
	}
	return mine.Before(theirs)
}

// heldIn is the inventory of a unit, as far as it can be read.
func heldIn(raw *unstructured.Unstructured) inventory.Inventory {
	k, err := unit.DecodeKustomization(raw)
	if err != nil {
		return nil
	}
	in, _ := recorded(k)
	return in
}

// mayHave tells whether a unit that wants an object may have it. A unit of another
// namespace that its account does not let write the object keeps it from nobody.
func (c *kustomizing) mayHave(ctx context.Context, raw *unstructured.Unstructured, key object.Key) bool {
	if raw.GetNamespace() == c.k.Namespace {
		return true
	}
	k, err := unit.DecodeKustomization(raw)
	if err != nil {
		return true
	}
	name := k.ServiceAccount(c.Options.DefaultServiceAccount)
	if name == "" {
		return true // it acts as the engine does
	}
	m, err := c.own.Kind(ctx, key.GroupKind().WithVersion(""))
	if err != nil {
		return true
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(m.GVK)
	obj.SetNamespace(key.Namespace)
	obj.SetName(key.Name)
	_, err = c.own.As(world.ServiceAccount(k.Namespace, name)).Predict(ctx, world.Apply{Object: obj, Manager: managerAsking})
	return !apierrors.IsForbidden(err)
}

// managerAsking owns nothing: what it applies changes no field.
const managerAsking = "leat-asks"
