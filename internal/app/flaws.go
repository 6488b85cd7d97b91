package app

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/validate"
	"github.com/leat-dev/leat/internal/world/schema"
)

// flaws holds what the units of a preview make to the schemas of its world:
// objects of Kustomizations as their build wrote them, those of releases as they
// were applied. The notes say of which kinds no schema was known.
func (v *Preview) flaws(ctx context.Context, rendered fleet.Rendered) ([]change.Flaw, []string) {
	check := validate.New(func(gvk gvks.GroupVersionKind) (*schema.Kind, error) { return v.World.Schema(ctx, gvk) })
	var out []change.Flaw
	for _, u := range rendered.Units {
		origins := map[object.Key]fleet.Origin{}
		for _, o := range u.Objects {
			origins[o.Ref.Key] = o.Origin
		}
		for _, obj := range v.written(u, rendered) {
			out = append(out, check.Flaws(ctx, u.Key, obj, origins[object.KeyOf(obj)])...)
		}
	}
	return out, check.Schemaless()
}

// written are the objects of a unit before a server has read them, where that is
// known.
func (v *Preview) written(u fleet.Unit, rendered fleet.Rendered) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	add := func(obj *unstructured.Unstructured) {
		if engine.Provided(object.RefOf(obj), obj.GetLabels()) == "" {
			out = append(out, obj)
		}
	}
	if b, ok := v.from.at(rendered).Build(u.Key); ok {
		for _, o := range b.Outcome.Result.Objects {
			if obj, err := o.Decode(); err == nil {
				add(obj)
			}
		}
		return out
	}
	for _, o := range u.Objects {
		if !o.Provided {
			add(o.Value)
		}
	}
	return out
}
