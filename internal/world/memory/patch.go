package memory

import (
	"context"
	"encoding/json"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"

	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// maxOperations bounds a JSON patch, as a server does
// (apiserver pkg/endpoints/handlers/patch.go).
const maxOperations = 10000

// Patch changes an object, or its status. An apply patch takes over the fields
// of other managers, and is the only one that may make an object.
func (w *World) Patch(ctx context.Context, p world.Patch) (*unstructured.Unstructured, error) {
	kind, ref, err := w.target(ctx, p.Ref)
	if err != nil {
		return nil, err
	}
	if err := w.check(Request{Verb: "patch", Ref: ref, Subresource: p.Subresource}); err != nil {
		return nil, err
	}
	if p.Subresource != "" && (p.Subresource != "status" || !kind.Status) {
		return nil, apierrors.NewNotFound(kind.GroupResource(), ref.Name)
	}
	return w.write(ctx, change{kind: kind, ref: ref, subresource: p.Subresource,
		next: func(live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			if live == nil && (p.Type != types.ApplyPatchType || p.Subresource != "") {
				return nil, apierrors.NewNotFound(kind.GroupResource(), ref.Name)
			}
			return patched(kind, p, live)
		}})
}

// patched applies a patch and tracks its owner.
func patched(kind *schema.Kind, p world.Patch, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if p.Type == types.ApplyPatchType {
		applied := &unstructured.Unstructured{}
		if err := read(p.Data, &applied.Object); err != nil {
			return nil, err
		}
		return merge(kind, p.Subresource, live, applied, p.Manager, true)
	}
	change, ok := patchers[p.Type]
	if !ok || p.Type == types.StrategicMergePatchType && !kind.Builtin() {
		return nil, unsupported(p.Type)
	}
	next := live.DeepCopy()
	if err := change(kind, next, p.Data); err != nil {
		return nil, err
	}
	return update(kind, p.Subresource, live, next, p.Manager)
}

var patchers = map[types.PatchType]func(*schema.Kind, *unstructured.Unstructured, []byte) error{
	types.JSONPatchType:           jsonPatch,
	types.MergePatchType:          mergePatch,
	types.StrategicMergePatchType: strategicPatch,
}

func jsonPatch(_ *schema.Kind, u *unstructured.Unstructured, data []byte) error {
	operations, err := jsonpatch.DecodePatch(data)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if len(operations) > maxOperations {
		return apierrors.NewRequestEntityTooLargeError("the JSON patch has too many operations")
	}
	body, err := json.Marshal(u.Object)
	if err != nil {
		return err
	}
	if body, err = operations.Apply(body); err != nil {
		return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", gvks.GroupResource{}, "", err.Error(), 0, false)
	}
	u.Object = nil
	return read(body, &u.Object)
}

func mergePatch(_ *schema.Kind, u *unstructured.Unstructured, data []byte) error {
	var patch map[string]any
	if err := read(data, &patch); err != nil {
		return err
	}
	mergeInto(u.Object, patch)
	return nil
}

// mergeInto is RFC 7396.
func mergeInto(target, patch map[string]any) {
	for k, v := range patch {
		if v == nil {
			delete(target, k)
			continue
		}
		sub, ok := v.(map[string]any)
		if !ok {
			target[k] = v
			continue
		}
		into, ok := target[k].(map[string]any)
		if !ok {
			into = map[string]any{}
			target[k] = into
		}
		mergeInto(into, sub)
	}
}

func strategicPatch(kind *schema.Kind, u *unstructured.Unstructured, data []byte) error {
	var patch map[string]any
	if err := read(data, &patch); err != nil {
		return err
	}
	out, err := kind.StrategicMerge(u.Object, patch)
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	u.Object = out
	return nil
}

func read(data []byte, into *map[string]any) error {
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, into); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	return nil
}

func unsupported(t types.PatchType) error {
	return apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "patch", gvks.GroupResource{}, "", string(t)+" is not supported", 0, false)
}
