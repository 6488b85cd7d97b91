package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// crdGroup holds the definitions whose change makes and unmakes kinds.
const crdGroup = "apiextensions.k8s.io"

// Predict asks the server for a dry run of the apply.
func (w *World) Predict(ctx context.Context, a world.Apply) (*unstructured.Unstructured, error) {
	return w.apply(ctx, a, true)
}

// Apply applies on the server's side. What the object says of uid, resource
// version and managed fields is left out of the request; If speaks for them.
func (w *World) Apply(ctx context.Context, a world.Apply) (*unstructured.Unstructured, error) {
	u, err := w.apply(ctx, a, false)
	w.wrote(object.KeyOf(a.Object), a.Object)
	return u, err
}

func (w *World) apply(ctx context.Context, a world.Apply, dryRun bool) (*unstructured.Unstructured, error) {
	ref := object.RefOf(a.Object)
	m, err := w.target(ctx, ref)
	if err != nil {
		return nil, err
	}
	body, err := encodeApply(a.Object, a.If)
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", ref.Key, err)
	}
	c := call{
		verb: "apply", mapping: m, namespace: ref.Namespace, name: ref.Name,
		body: body, contentType: types.ApplyPatchType, dryRun: dryRun,
	}
	c = w.validated(c.with("fieldManager", a.Manager).with("force", strconv.FormatBool(a.Force)))
	u, err := w.object(ctx, c)
	return u, unmetPrecondition(err, a, m)
}

// Patch sends a patch as it is. An apply patch takes over the fields of other
// managers.
func (w *World) Patch(ctx context.Context, p world.Patch) (*unstructured.Unstructured, error) {
	m, err := w.target(ctx, p.Ref)
	if err != nil {
		return nil, err
	}
	c := call{
		verb: "patch", mapping: m, namespace: p.Ref.Namespace, name: p.Ref.Name, subresource: p.Subresource,
		body: p.Data, contentType: p.Type,
	}
	if p.Type == types.ApplyPatchType {
		c = c.with("force", "true")
	}
	u, err := w.object(ctx, w.validated(c.with("fieldManager", p.Manager)))
	w.wrote(p.Ref.Key, u)
	return u, err
}

// Create makes an object. With generateName the server names it.
func (w *World) Create(ctx context.Context, obj *unstructured.Unstructured, manager string) (*unstructured.Unstructured, error) {
	ref := object.RefOf(obj)
	named := ref
	if ref.Name == "" {
		named.Name = obj.GetGenerateName() + "x"
	}
	m, err := w.target(ctx, named)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", ref.Key, err)
	}
	c := call{verb: "create", mapping: m, namespace: ref.Namespace, body: body}
	u, err := w.object(ctx, w.validated(c.with("fieldManager", manager)))
	w.wrote(ref.Key, obj)
	return u, err
}

// Delete asks for a deletion; the object may live on until its finalizers are
// gone.
func (w *World) Delete(ctx context.Context, d world.Delete) error {
	m, err := w.target(ctx, d.Ref)
	if err != nil {
		return err
	}
	body, err := json.Marshal(deleteOptions(d))
	if err != nil {
		return fmt.Errorf("delete %s: %w", d.Ref.Key, err)
	}
	_, err = w.do(ctx, call{verb: "delete", mapping: m, namespace: d.Ref.Namespace, name: d.Ref.Name, body: body})
	w.wrote(d.Ref.Key, nil)
	return err
}

func deleteOptions(d world.Delete) *metav1.DeleteOptions {
	policy := metav1.DeletePropagationBackground
	if d.Orphan {
		policy = metav1.DeletePropagationOrphan
	}
	o := &metav1.DeleteOptions{PropagationPolicy: &policy}
	o.Kind, o.APIVersion = "DeleteOptions", "v1"
	if d.If != (world.Precondition{}) {
		o.Preconditions = &metav1.Preconditions{}
		if d.If.UID != "" {
			o.Preconditions.UID = &d.If.UID
		}
		if d.If.ResourceVersion != "" {
			o.Preconditions.ResourceVersion = &d.If.ResourceVersion
		}
	}
	return o
}

func (w *World) validated(c call) call {
	return c.with("fieldValidation", w.conn.options.FieldValidation)
}

// wrote notes a write that may change which kinds there are. Without the
// object, nothing says which group it was: all are asked again.
func (w *World) wrote(k object.Key, obj *unstructured.Unstructured) {
	if k.Group != crdGroup || k.Kind != "CustomResourceDefinition" {
		return
	}
	if obj == nil {
		w.conn.kinds.forgetAll()
		return
	}
	group, _, _ := unstructured.NestedString(obj.Object, "spec", "group")
	w.conn.kinds.forget(group)
}
