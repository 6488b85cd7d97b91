package install

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Apply puts an installation into a cluster, or makes the one that is there
// like it: definitions first, and when their kinds are served, the namespace
// and then the rest. Fields that others set are taken over. Where it ends with
// an error it can simply be called again.
func Apply(ctx context.Context, w world.World, objs []*unstructured.Unstructured, progress Progress) error {
	definitions, namespaces, rest := stages(objs)
	for _, d := range definitions {
		if err := applyDefinition(ctx, w, d, progress); err != nil {
			return err
		}
	}
	for _, d := range definitions {
		if err := awaitServed(ctx, w, d); err != nil {
			return err
		}
	}
	for _, obj := range append(namespaces, rest...) {
		if err := apply(ctx, w, obj, progress, ""); err != nil {
			return err
		}
	}
	return nil
}

// stages parts objects by what has to be there before what.
func stages(objs []*unstructured.Unstructured) (definitions, namespaces, rest []*unstructured.Unstructured) {
	for _, obj := range objs {
		switch obj.GroupVersionKind() {
		case definitionKind:
			definitions = append(definitions, obj)
		case namespaceKind:
			namespaces = append(namespaces, obj)
		default:
			rest = append(rest, obj)
		}
	}
	return definitions, namespaces, rest
}

func apply(ctx context.Context, w world.World, obj *unstructured.Unstructured, progress Progress, note string) error {
	key := object.KeyOf(obj)
	before, err := get(ctx, w, object.RefOf(obj))
	if err != nil {
		return err
	}
	after, err := w.Apply(ctx, world.Apply{Object: obj, Manager: Manager, Force: true})
	if err != nil {
		return fmt.Errorf("apply %s: %w", key, err)
	}
	switch {
	case before == nil:
		progress.say(Created, key, note)
	case before.GetResourceVersion() == after.GetResourceVersion():
		progress.say(Unchanged, key, note)
	default:
		progress.say(Configured, key, note)
	}
	return nil
}

// get returns an object, or nil where there is none.
func get(ctx context.Context, w world.Reader, ref object.Ref) (*unstructured.Unstructured, error) {
	obj, err := w.Get(ctx, ref)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref.Key, err)
	}
	return obj, nil
}

// awaitServed waits until the kind of a definition can be used.
func awaitServed(ctx context.Context, w world.World, d *unstructured.Unstructured) error {
	group, _, _ := unstructured.NestedString(d.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(d.Object, "spec", "names", "kind")
	var last error
	err := until(ctx, func() (bool, error) {
		live, err := get(ctx, w, object.RefOf(d))
		if err != nil || live == nil {
			return false, err
		}
		if !established(live) {
			last = fmt.Errorf("it is not established")
			return false, nil
		}
		_, last = w.Kind(ctx, schema.GroupVersionKind{Group: group, Kind: kind})
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("await %s: %w (%v)", object.KeyOf(d), err, last)
	}
	return nil
}

func established(d *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(d.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Established" {
			return c["status"] == "True"
		}
	}
	return false
}

// Await waits until the Deployments among objs do what they should, and tells
// progress what each waits for.
func Await(ctx context.Context, w world.World, objs []*unstructured.Unstructured, progress Progress) error {
	for _, obj := range objs {
		if obj.GroupVersionKind() != deploymentKind {
			continue
		}
		if err := awaitHealth(ctx, w, object.RefOf(obj), progress); err != nil {
			return err
		}
	}
	return nil
}

func awaitHealth(ctx context.Context, w world.World, ref object.Ref, progress Progress) error {
	var last string
	err := until(ctx, func() (bool, error) {
		live, err := get(ctx, w, ref)
		if err != nil || live == nil {
			return false, err
		}
		r := health.Of(live, health.Rules{Now: time.Now()})
		if r.Status == health.Current {
			return true, nil
		}
		if r.Message != last {
			last = r.Message
			progress.say(Waiting, ref.Key, last)
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("await %s: %w: %s", ref.Key, err, last)
	}
	progress.say(Ready, ref.Key, "")
	return nil
}
