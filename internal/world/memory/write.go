package memory

import (
	"context"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// maxTries bounds how often a write starts over because another one came first.
const maxTries = 100

// change is one write on its way.
type change struct {
	kind        *schema.Kind
	ref         object.Ref
	subresource string
	dryRun      bool
	taken       bool // from a world that knows better: nothing is checked
	// next makes the new object from the one there is (nil: none), which it may
	// change. Owners of fields are tracked in it.
	next func(live *unstructured.Unstructured) (*unstructured.Unstructured, error)
}

// Predict returns what Apply would return.
func (w *World) Predict(ctx context.Context, a world.Apply) (*unstructured.Unstructured, error) {
	return w.apply(ctx, a, true)
}

// Apply applies on the server's side.
func (w *World) Apply(ctx context.Context, a world.Apply) (*unstructured.Unstructured, error) {
	return w.apply(ctx, a, false)
}

func (w *World) apply(ctx context.Context, a world.Apply, dryRun bool) (*unstructured.Unstructured, error) {
	kind, ref, err := w.target(ctx, object.RefOf(a.Object))
	if err != nil {
		return nil, err
	}
	if err := w.check(Request{Verb: "apply", Ref: ref, DryRun: dryRun}); err != nil {
		return nil, err
	}
	if a.Manager == "" {
		return nil, apierrors.NewBadRequest("apply needs a field manager")
	}
	applied := intent(a.Object, ref)
	return w.write(ctx, change{kind: kind, ref: ref, dryRun: dryRun,
		next: func(live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			if err := unmet(kind, ref, live, a.If); err != nil {
				return nil, err
			}
			return merge(kind, "", live, applied, a.Manager, a.Force)
		}})
}

// intent is what an apply request carries: uid, resource version and managed
// fields are no part of it.
func intent(obj *unstructured.Unstructured, ref object.Ref) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: plainMap(obj.Object)}
	for _, field := range []string{"managedFields", "uid", "resourceVersion"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	if ref.Namespace == "" {
		unstructured.RemoveNestedField(u.Object, "metadata", "namespace")
	}
	return u
}

// unmet is the Conflict of a precondition that does not hold.
func unmet(kind *schema.Kind, ref object.Ref, live *unstructured.Unstructured, p world.Precondition) error {
	var uid types.UID
	var version string
	if live != nil {
		uid, version = live.GetUID(), live.GetResourceVersion()
	}
	switch {
	case p.UID != "" && p.UID != uid:
		return conflict(kind, ref, "precondition failed: uid is %q, not %q", uid, p.UID)
	case p.ResourceVersion != "" && p.ResourceVersion != version:
		return conflict(kind, ref, "precondition failed: resourceVersion is %q, not %q", version, p.ResourceVersion)
	}
	return nil
}

func conflict(kind *schema.Kind, ref object.Ref, format string, args ...any) error {
	return apierrors.NewConflict(kind.GroupResource(), ref.Name, fmt.Errorf(format, args...))
}

// Create makes an object; with generateName and no name it gets one.
func (w *World) Create(ctx context.Context, obj *unstructured.Unstructured, manager string) (*unstructured.Unstructured, error) {
	return w.create(ctx, obj, manager)
}

func (w *World) create(ctx context.Context, obj *unstructured.Unstructured, manager string) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: plainMap(obj.Object)}
	ref := object.RefOf(u)
	generated := ref.Name == "" && u.GetGenerateName() != ""
	if generated {
		ref.Name = w.generateName(ref.GroupKind(), ref.Namespace, u.GetGenerateName())
		u.SetName(ref.Name)
	}
	kind, ref, err := w.target(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := w.check(Request{Verb: "create", Ref: ref}); err != nil {
		return nil, err
	}
	if u.GetResourceVersion() != "" {
		return nil, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	out, err := w.write(ctx, change{kind: kind, ref: ref,
		next: func(live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			if live != nil {
				return nil, apierrors.NewAlreadyExists(kind.GroupResource(), ref.Name)
			}
			return update(kind, "", nil, u.DeepCopy(), manager)
		}})
	if generated && apierrors.IsAlreadyExists(err) {
		return w.create(ctx, obj, manager) // the next name
	}
	return out, err
}

// Put takes over what another world said an object would become: only the
// world's own marks (uid, times, resource version) are set anew.
func (w *World) Put(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return w.put(ctx, u, false)
}

// WouldPut returns what Put would return, and changes nothing.
func (w *World) WouldPut(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return w.put(ctx, u, true)
}

func (w *World) put(ctx context.Context, u *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	kind, ref, err := w.target(ctx, object.RefOf(u))
	if err != nil {
		return nil, err
	}
	return w.write(ctx, change{kind: kind, ref: ref, dryRun: dryRun, taken: true,
		next: func(*unstructured.Unstructured) (*unstructured.Unstructured, error) { return u.DeepCopy(), nil }})
}

// write carries a change out: make the object, prepare and check it, put it in
// place. It starts over when another write came first.
func (w *World) write(ctx context.Context, c change) (*unstructured.Unstructured, error) {
	for range maxTries {
		from, err := w.store.Load(ctx, c.ref)
		if err != nil {
			return nil, err
		}
		live := view(c.kind, from)
		next, err := c.next(view(c.kind, from))
		if err != nil {
			return nil, err
		}
		prepare := w.prepare
		if c.taken {
			prepare = w.mark
		}
		if err := prepare(ctx, c, live, next); err != nil {
			return nil, err
		}
		if live != nil && equal(live, next) {
			return live, nil
		}
		if c.dryRun {
			return next.DeepCopy(), nil // next shares its sets of fields
		}
		out, done, err := w.place(ctx, c, from, next)
		if done || err != nil {
			return out, err
		}
	}
	return nil, apierrors.NewTooManyRequests(fmt.Sprintf("write %s: too many others write it", c.ref.Key), 1)
}

// place puts a prepared object in its place, or takes it away when nothing
// holds it any longer.
func (w *World) place(ctx context.Context, c change, from *Entry, next *unstructured.Unstructured) (*unstructured.Unstructured, bool, error) {
	if gone(next) && !isHeld(next) {
		if !w.commit(c.ref, from, nil) {
			return nil, false, nil
		}
		return next, true, w.removed(ctx, from.Object)
	}
	if !w.commit(c.ref, from, next) {
		return nil, false, nil
	}
	if err := w.written(next); err != nil {
		return nil, true, err
	}
	return view(c.kind, &Entry{Object: next}), true, nil
}

// gone tells whether an object's deletion has been asked for.
func gone(u *unstructured.Unstructured) bool { return u.GetDeletionTimestamp() != nil }

// equal tells whether a write changed nothing.
func equal(a, b *unstructured.Unstructured) bool { return reflect.DeepEqual(a.Object, b.Object) }
