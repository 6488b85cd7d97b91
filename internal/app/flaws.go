package app

import (
	"context"

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
// the same schemas before is not again: of a unit that changed, each object that is
// as it was.
func (v *Preview) flaws(ctx context.Context, rendered fleet.Rendered) ([]change.Flaw, []string) {
	all := validate.New(nil)
	var out []change.Flaw
	verdicts, made := make(map[object.Key]verdict, len(rendered.Units)), v.from.at(rendered)
	for i := range rendered.Units {
		u := &rendered.Units[i]
		now, was := unjudged(u, made), v.verdicts[u.Key]
		if was.whole && was.of(now) && v.allServed(ctx, u, was) {
			now = was
		} else {
			v.judge(ctx, u, &now, was)
		}
		verdicts[u.Key] = now
		for _, p := range now.parts {
			all.Add(p.check)
			out = append(out, p.flaws...)
		}
	}
	v.verdicts = verdicts
	return out, all.Schemaless()
}

// worldOf is where a unit works.
func (v *Preview) worldOf(u *fleet.Unit) *memory.World {
	if w := v.others.worlds[u.Cluster]; w != nil {
		return w
	}
	return v.World
}

// judge holds what a unit makes to the schemas, as far as it was not before.
func (v *Preview) judge(ctx context.Context, u *fleet.Unit, now *verdict, was verdict) {
	before := make(map[object.Ref]part, len(was.parts))
	for _, p := range was.parts {
		before[p.ref] = p
	}
	now.whole = true
	for _, s := range subjects(u, now.built) {
		if p, known := before[s.ref]; known && p.same(s) && v.served(ctx, u, p.kinds) {
			now.parts = append(now.parts, p)
		} else {
			now.parts = append(now.parts, v.hold(ctx, u, s))
		}
	}
}

// hold holds one object to the schemas.
func (v *Preview) hold(ctx context.Context, u *fleet.Unit, s subject) part {
	out := part{subject: s}
	out.check = validate.New(func(gvk gvks.GroupVersionKind) (*schema.Kind, error) {
		kind, err := v.worldOf(u).Schema(ctx, gvk)
		out.kinds = append(out.kinds, askedKind{gvk, kind})
		return kind, err
	})
	obj := s.value
	if obj == nil {
		var err error
		if obj, err = s.built.Decode(); err != nil {
			return out
		}
	}
	if u.Cluster != "" || engine.Provided(object.RefOf(obj), obj.GetLabels()) == "" {
		out.flaws = out.check.Flaws(ctx, validate.Written{Unit: u.Key, Object: obj, Origin: s.origin, Dropped: s.built.Dropped})
	}
	for i := range out.flaws {
		out.flaws[i].Object = out.flaws[i].Object.In(u.Cluster)
	}
	return out
}

// subjects are the objects of a unit before a server has read them, where that is
// known: as they were built.
func subjects(u *fleet.Unit, built *build.Result) []subject {
	var out []subject
	if built != nil {
		origins := map[object.Key]fleet.Origin{}
		for _, o := range u.Objects {
			origins[o.Ref.In("").Key] = o.Origin
		}
		for _, o := range built.Objects {
			out = append(out, subject{ref: o.Ref, built: o, origin: origins[o.Ref.Key]})
		}
		return out
	}
	for _, o := range u.Objects {
		if !o.Provided {
			out = append(out, subject{ref: object.RefOf(o.Value), value: o.Value, origin: o.Origin})
		}
	}
	return out
}
