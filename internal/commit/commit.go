// Package commit is the only writer of the statuses, finalizers and events of
// our own kinds. It writes what a report says, when it differs from what is
// there, under the version that the run read.
//
//	obj, err = c.Finalizer(ctx, obj, object.Finalizer)
//	obj, err = c.Status(ctx, obj, rep)
//
// A Conflict means that the object moved while the run worked: the caller drops
// the report and runs again.
package commit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Patcher is what the committer needs of a world.
type Patcher interface {
	Patch(ctx context.Context, p world.Patch) (*unstructured.Unstructured, error)
}

// Committer writes through a world.
type Committer struct{ World Patcher }

// Status writes a whole new status. It returns the object as it is afterwards,
// and whether anything was written.
func (c Committer) Status(ctx context.Context, obj *unstructured.Unstructured, status map[string]any) (*unstructured.Unstructured, bool, error) {
	old, _ := obj.Object["status"].(map[string]any)
	diff := Diff(old, status)
	if len(diff) == 0 {
		return obj, false, nil
	}
	next, err := c.patch(ctx, obj, map[string]any{"status": diff}, "status")
	if err != nil {
		return obj, false, fmt.Errorf("write status of %s: %w", object.KeyOf(obj), err)
	}
	return next, true, nil
}

// Finalizer adds a finalizer where it is missing.
func (c Committer) Finalizer(ctx context.Context, obj *unstructured.Unstructured, name string) (*unstructured.Unstructured, error) {
	have := obj.GetFinalizers()
	if slices.Contains(have, name) {
		return obj, nil
	}
	return c.finalizers(ctx, obj, append(slices.Clone(have), name))
}

// Release removes a finalizer, so that the API server can delete the object.
func (c Committer) Release(ctx context.Context, obj *unstructured.Unstructured, name string) (*unstructured.Unstructured, error) {
	have := obj.GetFinalizers()
	if !slices.Contains(have, name) {
		return obj, nil
	}
	left := slices.DeleteFunc(slices.Clone(have), func(f string) bool { return f == name })
	return c.finalizers(ctx, obj, left)
}

func (c Committer) finalizers(ctx context.Context, obj *unstructured.Unstructured, names []string) (*unstructured.Unstructured, error) {
	next, err := c.patch(ctx, obj, map[string]any{"metadata": map[string]any{"finalizers": names}}, "")
	if err != nil {
		return obj, fmt.Errorf("write finalizers of %s: %w", object.KeyOf(obj), err)
	}
	return next, nil
}

func (c Committer) patch(ctx context.Context, obj *unstructured.Unstructured, diff map[string]any, sub string) (*unstructured.Unstructured, error) {
	meta, _ := diff["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["uid"], meta["resourceVersion"] = obj.GetUID(), obj.GetResourceVersion()
	diff["metadata"] = meta
	data, err := json.Marshal(diff)
	if err != nil {
		return nil, err
	}
	return c.World.Patch(ctx, world.Patch{
		Ref: object.RefOf(obj), Type: types.MergePatchType, Data: data, Subresource: sub, Manager: manager(obj),
	})
}

// manager returns the field manager under which Flux writes objects of a kind.
func manager(obj *unstructured.Unstructured) string {
	if obj.GetKind() == unit.ExternalArtifactKind {
		return object.ManagerSourceWatcher
	}
	switch obj.GroupVersionKind().Group {
	case object.GroupKustomize:
		return object.ManagerKustomizeStatus
	case object.GroupHelm:
		return object.ManagerHelm
	case object.GroupSourceExtensions:
		return object.ManagerSourceWatcher
	case access.Group:
		return "leat"
	default:
		return object.ManagerSource
	}
}

// Diff returns the JSON merge patch (RFC 7396) that turns old into next; empty
// when they are equal.
func Diff(old, next map[string]any) map[string]any {
	out := map[string]any{}
	for key := range old {
		if _, stays := next[key]; !stays {
			out[key] = nil
		}
	}
	for key, want := range next {
		have, there := old[key]
		if there && reflect.DeepEqual(have, want) {
			continue
		}
		haveMap, ok1 := have.(map[string]any)
		wantMap, ok2 := want.(map[string]any)
		if ok1 && ok2 {
			if sub := Diff(haveMap, wantMap); len(sub) > 0 {
				out[key] = sub
			}
			continue
		}
		out[key] = want
	}
	return out
}
