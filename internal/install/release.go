package install

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// suspendable are the kinds that own what they applied.
var suspendable = []string{"Kustomization", "HelmRelease"}

// release lets all objects of a Flux kind go without their workloads: they are
// suspended, which makes any controller keep what they applied, and lose the
// finalizers that nobody will take off any more. Finalizers of others stay.
func (u *uninstalling) release(ctx context.Context, definition *unstructured.Unstructured) error {
	if !ofFlux(definition) {
		return nil
	}
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	m, err := u.w.Kind(ctx, schema.GroupVersionKind{Group: group, Kind: kind})
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	objs, err := u.w.List(ctx, m.GVK, world.Selection{})
	if err != nil {
		return fmt.Errorf("list %s: %w", kind, err)
	}
	for _, obj := range objs {
		if err := u.releaseOne(ctx, obj); err != nil {
			return err
		}
	}
	return nil
}

func (u *uninstalling) releaseOne(ctx context.Context, obj *unstructured.Unstructured) error {
	key := object.KeyOf(obj)
	err := until(ctx, func() (bool, error) {
		patch := releasing(obj)
		if patch == nil {
			return true, nil
		}
		if u.DryRun {
			u.progress.say(Released, key, "")
			return true, nil
		}
		err := u.patch(ctx, obj, patch)
		switch {
		case apierrors.IsConflict(err):
			obj, err = get(ctx, u.w, object.RefOf(obj))
			return obj == nil && err == nil, err
		case apierrors.IsNotFound(err):
			return true, nil
		case err == nil:
			u.progress.say(Released, key, "")
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("release %s: %w", key, err)
	}
	return nil
}

func (u *uninstalling) patch(ctx context.Context, obj *unstructured.Unstructured, content map[string]any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	_, err = u.w.Patch(ctx, world.Patch{Ref: object.RefOf(obj), Type: types.MergePatchType, Data: data, Manager: Manager})
	return err
}

// releasing returns the merge patch that releases an object, or nil where
// nothing holds it.
func releasing(obj *unstructured.Unstructured) map[string]any {
	patch := map[string]any{}
	finalizers := slices.DeleteFunc(obj.GetFinalizers(), func(f string) bool {
		return f == object.Finalizer || f == object.FinalizerGenerator || f == access.Finalizer
	})
	metadata := map[string]any{"resourceVersion": obj.GetResourceVersion()}
	if len(finalizers) != len(obj.GetFinalizers()) {
		metadata["finalizers"] = finalizers
		patch["metadata"] = metadata
	}
	suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
	if slices.Contains(suspendable, obj.GetKind()) && !suspended && obj.GetDeletionTimestamp() == nil {
		patch["spec"] = map[string]any{"suspend": true}
		patch["metadata"] = metadata
	}
	if len(patch) == 0 {
		return nil
	}
	return patch
}
