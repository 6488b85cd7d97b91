package app

import (
	"context"
	"reflect"

	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/validate"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/schema"
)

// flaws holds what the units of a preview make to the schemas of its world:
// objects of Kustomizations as their build wrote them, those of releases as they
// were applied. The notes say of which kinds no schema was known. What was held to
// the same schemas before is not again.
func (v *Preview) flaws(ctx context.Context, rendered fleet.Rendered) ([]change.Flaw, []string) {
	all := validate.New(nil)
	var out []change.Flaw
	verdicts := make(map[object.Key]verdict, len(rendered.Units))
	for _, u := range rendered.Units {
		now, made := verdict{objects: u.Objects}, v.from.at(rendered)
		if b, ok := made.Build(u.Key); ok {
			now.built = &b.Outcome.Result
		}
		if was, ok := v.verdicts[u.Key]; ok && was.of(now) && v.served(ctx, u, was.kinds) {
			now = was
		} else {
			v.judge(ctx, u, &now)
		}
		verdicts[u.Key] = now
		all.Add(now.check)
		out = append(out, now.flaws...)
	}
	v.verdicts = verdicts
	return out, all.Schemaless()
}

// verdict is what schemas say against what a unit makes.
type verdict struct {
	built   *build.Result // nil where there is none
	objects []fleet.Object
	kinds   map[gvks.GroupVersionKind]*schema.Kind // that were asked for; nil: not served
	check   *validate.Check
	flaws   []change.Flaw
}

// of tells whether a verdict is about the same objects as another: of the same
// build, where there is one.
func (w verdict) of(o verdict) bool {
	if (w.built == nil) != (o.built == nil) || w.built != nil && !same(w.built.Objects, o.built.Objects) {
		return false
	}
	return alias(w.objects, o.objects) || reflect.DeepEqual(w.objects, o.objects)
}

// same tells whether two results are one, from memory.
func same(a, b []build.Object) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// served tells whether kinds are served as they were.
func (v *Preview) served(ctx context.Context, u fleet.Unit, kinds map[gvks.GroupVersionKind]*schema.Kind) bool {
	w := v.worldOf(u)
	for gvk, was := range kinds {
		if is, err := w.Schema(ctx, gvk); err != nil && was != nil || err == nil && is != was {
			return false
		}
	}
	return true
}

// worldOf is where a unit works.
func (v *Preview) worldOf(u fleet.Unit) *memory.World {
	if w := v.others.worlds[u.Cluster]; w != nil {
		return w
	}
	return v.World
}

// judge holds what a unit makes to the schemas.
func (v *Preview) judge(ctx context.Context, u fleet.Unit, out *verdict) {
	out.kinds = map[gvks.GroupVersionKind]*schema.Kind{}
	out.check = validate.New(func(gvk gvks.GroupVersionKind) (*schema.Kind, error) {
		kind, err := v.worldOf(u).Schema(ctx, gvk)
		out.kinds[gvk] = kind
		return kind, err
	})
	for _, w := range written(u, out.built) {
		if u.Cluster != "" || engine.Provided(object.RefOf(w.Object), w.Object.GetLabels()) == "" {
			for _, flaw := range out.check.Flaws(ctx, w) {
				flaw.Object = flaw.Object.In(u.Cluster)
				out.flaws = append(out.flaws, flaw)
			}
		}
	}
}

// written are the objects of a unit before a server has read them, where that is
// known: as they were built.
func written(u fleet.Unit, built *build.Result) []validate.Written {
	var out []validate.Written
	origins := map[object.Key]fleet.Origin{}
	for _, o := range u.Objects {
		origins[o.Ref.In("").Key] = o.Origin
	}
	if built != nil {
		for _, o := range built.Objects {
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
