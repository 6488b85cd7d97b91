package install

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Rival is a Deployment that would do the same work beside an installation.
type Rival struct {
	Ref object.Ref
	// Flux tells Flux's own controllers from Deployments of another layout of
	// Leat.
	Flux bool
}

// Rivals returns the Deployments that must not run beside the installation of
// these options.
func Rivals(ctx context.Context, w world.World, o Options) ([]Rival, error) {
	o = o.withDefaults()
	in := world.Selection{Labels: labels.SelectorFromSet(labels.Set{LabelPartOf: PartOf})}
	if o.OwnNamespaceOnly {
		in.Namespace = o.Namespace
	}
	found, err := w.List(ctx, deploymentKind, in)
	if err != nil {
		return nil, fmt.Errorf("look for other controllers: %w", err)
	}
	wanted := o.deploymentNames()
	var out []Rival
	for _, d := range found {
		leat := d.GetLabels()[LabelManagedBy] == ManagedBy
		ours := leat && d.GetNamespace() == o.Namespace && slices.Contains(wanted, d.GetName())
		if !ours && (leat || slices.Contains(ComponentNames(), d.GetName())) {
			out = append(out, Rival{object.RefOf(d), !leat})
		}
	}
	return out, nil
}

func (o Options) deploymentNames() []string {
	if o.Layout == OneDeployment {
		return []string{string(OneDeployment)}
	}
	return names(o.parts())
}

// Stop deletes Deployments and returns when none of their pods runs any more.
func Stop(ctx context.Context, w world.World, deployments []object.Ref, progress Progress) error {
	var awaited []object.Ref
	selectors := map[object.Key]labels.Selector{}
	for _, ref := range deployments {
		live, err := get(ctx, w, ref)
		if err != nil {
			return err
		}
		if live == nil {
			continue
		}
		selectors[ref.Key] = podsOf(live)
		awaited = append(awaited, ref)
		if err := remove(ctx, w, ref, progress); err != nil {
			return err
		}
	}
	for _, ref := range awaited {
		if err := awaitNoPods(ctx, w, ref, selectors[ref.Key]); err != nil {
			return err
		}
	}
	return nil
}

// podsOf returns what selects the pods of a Deployment, or nil where only a
// selector that we do not read would.
func podsOf(deployment *unstructured.Unstructured) labels.Selector {
	match, _, _ := unstructured.NestedStringMap(deployment.Object, "spec", "selector", "matchLabels")
	if len(match) == 0 {
		return nil
	}
	return labels.SelectorFromSet(match)
}

func awaitNoPods(ctx context.Context, w world.World, ref object.Ref, selector labels.Selector) error {
	if selector == nil {
		return nil
	}
	err := until(ctx, func() (bool, error) {
		pods, err := w.List(ctx, podKind, world.Selection{Namespace: ref.Namespace, Labels: selector})
		return len(pods) == 0, err
	})
	if err != nil {
		return fmt.Errorf("await the end of the pods of %s: %w", ref.Key, err)
	}
	return nil
}

// remove deletes an object; that it is gone already is fine.
func remove(ctx context.Context, w world.World, ref object.Ref, progress Progress) error {
	err := w.Delete(ctx, world.Delete{Ref: ref})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", ref.Key, err)
	}
	progress.say(Deleted, ref.Key, "")
	return nil
}
