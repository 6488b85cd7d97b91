package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"

	"github.com/leat-dev/leat/internal/world"
)

const applyPatch = string(types.ApplyPatchType)

func list(ctx context.Context, w world.World, c call) (any, error) {
	in := world.Selection{Namespace: c.namespace}
	var err error
	if in.Labels, err = labels.Parse(c.labels); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	chosen, err := fields.ParseSelector(c.fields)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	all, err := w.List(ctx, c.kind.GVK, in)
	if err != nil {
		return nil, err
	}
	items := make([]any, 0, len(all))
	for _, u := range all {
		if chosen.Matches(fields.Set{"metadata.name": u.GetName(), "metadata.namespace": u.GetNamespace()}) {
			items = append(items, u.Object)
		}
	}
	return map[string]any{
		"apiVersion": c.gv.String(), "kind": c.kind.GVK.Kind + "List", "metadata": map[string]any{}, "items": items,
	}, nil
}

// decode reads the object of a request; what it leaves out of its names the path
// says.
func decode(c call) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(c.body, &u.Object); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if u.Object == nil {
		return nil, apierrors.NewBadRequest("the request has no object")
	}
	u.SetGroupVersionKind(c.kind.GVK)
	if u.GetNamespace() == "" && c.kind.Namespaced {
		u.SetNamespace(c.namespace)
	}
	if u.GetName() == "" && c.name != "" {
		u.SetName(c.name)
	}
	if c.kind.Namespaced && u.GetNamespace() != c.namespace {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the namespace of the provided object does not match the namespace sent on the request (%s)", c.namespace))
	}
	return u, nil
}

func create(ctx context.Context, w world.World, c call) (any, error) {
	u, err := decode(c)
	if err != nil {
		return nil, err
	}
	return w.Create(ctx, u, managerOf(c))
}

func apply(ctx context.Context, w world.World, c call, v verb) (any, error) {
	u, err := decode(c)
	if err != nil {
		return nil, err
	}
	a := world.Apply{Object: u, Manager: c.manager, Force: c.force}
	a.If = world.Precondition{UID: u.GetUID(), ResourceVersion: u.GetResourceVersion()}
	if v.dryRun {
		return w.Predict(ctx, a)
	}
	return w.Apply(ctx, a)
}

func patch(ctx context.Context, w world.World, c call) (any, error) {
	return w.Patch(ctx, world.Patch{Ref: c.ref(), Type: types.PatchType(c.contentType), Data: c.body, Manager: managerOf(c), Subresource: c.subresource})
}

// serverSet are fields of metadata that an update does not change by leaving
// them out.
var serverSet = []string{"uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink"}

// update puts an object in the place of another, by the patch that makes the one
// of the other: a World knows no update.
func update(ctx context.Context, w world.World, c call) (any, error) {
	next, err := decode(c)
	if err != nil {
		return nil, err
	}
	live, err := w.Get(ctx, c.ref())
	if err != nil {
		return nil, err
	}
	from, to := live.Object, next.Object
	if meta, ok := from["metadata"].(map[string]any); ok {
		for _, f := range append([]string{"resourceVersion"}, serverSet...) {
			delete(meta, f)
		}
	}
	if meta, ok := to["metadata"].(map[string]any); ok {
		for _, f := range serverSet[1:] {
			delete(meta, f)
		}
	}
	data, err := json.Marshal(difference(from, to))
	if err != nil {
		return nil, err
	}
	return w.Patch(ctx, world.Patch{Ref: c.ref(), Type: types.MergePatchType, Data: data, Manager: managerOf(c), Subresource: c.subresource})
}

// difference returns the merge patch (RFC 7396) that makes to of from.
func difference(from, to map[string]any) map[string]any {
	out := map[string]any{}
	for k := range from {
		if _, stays := to[k]; !stays {
			out[k] = nil
		}
	}
	for k, v := range to {
		a, isMap := from[k].(map[string]any)
		b, staysMap := v.(map[string]any)
		if isMap && staysMap {
			if d := difference(a, b); len(d) > 0 {
				out[k] = d
			}
			continue
		}
		out[k] = v
	}
	return out
}

func remove(ctx context.Context, w world.World, c call) (any, error) {
	var options metav1.DeleteOptions
	if len(c.body) > 0 {
		if err := json.Unmarshal(c.body, &options); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	}
	d := world.Delete{Ref: c.ref()}
	d.Orphan = options.PropagationPolicy != nil && *options.PropagationPolicy == metav1.DeletePropagationOrphan
	if p := options.Preconditions; p != nil {
		if p.UID != nil {
			d.If.UID = *p.UID
		}
		if p.ResourceVersion != nil {
			d.If.ResourceVersion = *p.ResourceVersion
		}
	}
	if err := w.Delete(ctx, d); err != nil {
		return nil, err
	}
	return &metav1.Status{TypeMeta: statusType, Status: metav1.StatusSuccess}, nil
}

// managerOf is the manager that a request names; an API server takes it from the
// client's name otherwise.
func managerOf(c call) string {
	if c.manager == "" {
		return "unknown"
	}
	return strings.TrimSpace(c.manager)
}
