package helm

import (
	"encoding/json"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// An item of a list whose key somebody changed (the port of a Service) is to a
// server-side apply an item of theirs, and ours comes beside it: then the API may
// refuse the two together (two ports of one name). Flux stays there with a
// StateError until somebody edits the object again (helm-controller v1.6.4
// internal/reconcile/state.go). Here the lists that the API names are put back
// whole, and then applied.

// relist is the merge patch that puts lists of an object back to what the
// manifest says; nil where the refusal names no list of it.
func relist(intent *unstructured.Unstructured, refused error) []byte {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(refused) || !errors.As(refused, &status) || status.Status().Details == nil {
		return nil
	}
	patch := map[string]any{}
	for _, cause := range status.Status().Details.Causes {
		path, _, inList := strings.Cut(cause.Field, "[")
		if !inList {
			return nil // something else is wrong, too
		}
		fields := strings.Split(path, ".")
		list, found, err := unstructured.NestedSlice(intent.Object, fields...)
		if err != nil || !found || unstructured.SetNestedSlice(patch, list, fields...) != nil {
			return nil
		}
	}
	if len(patch) == 0 {
		return nil
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return nil // unreachable: it came as JSON
	}
	return data
}

// predict returns what applying the object would make of it, and the patch that
// must go before it, if any. The helper must be for dry runs.
func (c *comparison) predict(helper *resource.Helper) (*unstructured.Unstructured, []byte, error) {
	predicted, refused := apply(helper, c.obj)
	if refused == nil {
		return predicted, nil, nil
	}
	first := relist(c.obj, refused)
	if first == nil {
		return nil, nil, refused
	}
	now, err := helper.Patch(c.obj.GetNamespace(), c.obj.GetName(), types.MergePatchType, first, nil)
	if err != nil {
		return nil, nil, refused
	}
	return now.(*unstructured.Unstructured), first, nil
}

// do puts the object right.
func (f *fix) do(helper *resource.Helper) error {
	if f.first != nil {
		if err := f.relist(helper); err != nil {
			return err
		}
	}
	_, err := apply(helper, f.intent)
	return err
}

// relist puts lists back, and makes them ours as if we had applied them: else
// they would stay when the manifest drops them.
func (f *fix) relist(helper *resource.Helper) error {
	namespace, name := f.intent.GetNamespace(), f.intent.GetName()
	now, err := helper.Patch(namespace, name, types.MergePatchType, f.first, nil)
	if err != nil {
		return err
	}
	written := plan.Managers{Own: object.ManagerHelm, Overrides: []string{object.ManagerHelm}, Only: true}
	t, err := plan.TakeoverOf(now.(*unstructured.Unstructured), written)
	if err != nil || t.IsZero() {
		return err
	}
	_, err = helper.Patch(namespace, name, types.JSONPatchType, t.Patch, nil)
	return err
}
