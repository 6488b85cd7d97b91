package app

import (
	"context"

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
		for _, w := range v.written(u, rendered) {
			if engine.Provided(object.RefOf(w.Object), w.Object.GetLabels()) == "" {
				out = append(out, check.Flaws(ctx, w)...)
			}
		}
	}
	return out, check.Schemaless()
}

// written are the objects of a unit before a server has read them, where that is
// known.
func (v *Preview) written(u fleet.Unit, rendered fleet.Rendered) []validate.Written {
	var out []validate.Written
	origins := map[object.Key]fleet.Origin{}
	for _, o := range u.Objects {
		origins[o.Ref.Key] = o.Origin
	}
	if b, ok := v.from.at(rendered).Build(u.Key); ok {
		for _, o := range b.Outcome.Result.Objects {
			if obj, err := o.Decode(); err == nil {
				out = append(out, validate.Written{Unit: u.Key, Object: obj, Origin: origins[o.Ref.Key], Dropped: o.Dropped})
			}
		}
		return out
	}
	for _, o := range u.Objects {
		if !o.Provided {
			out = append(out, validate.Written{Unit: u.Key, Object: o.Value, Origin: o.Origin})
		}
	}
	return out
}
