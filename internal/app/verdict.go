package app

import (
	"bytes"
	"context"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/provenance"
	"github.com/leat-dev/leat/internal/validate"
	"github.com/leat-dev/leat/internal/world/schema"
)

// verdict is what schemas say against what a unit makes.
type verdict struct {
	built   *build.Result // nil where there is none
	objects []fleet.Object
	whole   bool // each of them was judged
	parts   []part
}

// part is the verdict on one object.
type part struct {
	subject
	kinds []askedKind
	check *validate.Check // which notes kinds without a schema
	flaws []change.Flaw
}

// subject is an object that is judged: as it was built, or as the world holds it.
type subject struct {
	ref    object.Ref
	built  build.Object
	value  *unstructured.Unstructured
	origin fleet.Origin
}

// askedKind is how a kind was served; nil: not at all.
type askedKind struct {
	gvk  gvks.GroupVersionKind
	kind *schema.Kind
}

// unjudged is what is to be judged of a unit.
func unjudged(u *fleet.Unit, made provenance.Fleet) verdict {
	out := verdict{objects: u.Objects}
	if b, ok := made.Build(u.Key); ok {
		out.built = &b.Outcome.Result
	}
	return out
}

// of tells whether a verdict is about the same objects as another: of the same
// build, where there is one.
func (w verdict) of(o verdict) bool {
	if (w.built == nil) != (o.built == nil) || w.built != nil && !fleet.Shared(w.built.Objects, o.built.Objects) {
		return false
	}
	return fleet.Shared(w.objects, o.objects) || reflect.DeepEqual(w.objects, o.objects)
}

// same tells whether a part is about the same text, or the same value, as another.
func (p part) same(s subject) bool {
	return p.value == s.value && bytes.Equal(p.built.JSON, s.built.JSON) && slices.Equal(p.built.Dropped, s.built.Dropped) &&
		p.origin.At() == s.origin.At()
}

// allServed tells whether the kinds of a verdict are served as they were.
func (v *Preview) allServed(ctx context.Context, u *fleet.Unit, w verdict) bool {
	for i := range w.parts {
		if !v.served(ctx, u, w.parts[i].kinds) {
			return false
		}
	}
	return true
}

// served tells whether kinds are served as they were.
func (v *Preview) served(ctx context.Context, u *fleet.Unit, kinds []askedKind) bool {
	w := v.worldOf(u)
	for _, was := range kinds {
		if is, err := w.Schema(ctx, was.gvk); err != nil && was.kind != nil || err == nil && is != was.kind {
			return false
		}
	}
	return true
}

// judged takes what an earlier process found against a fleet that stands as it did
// then. Objects of kinds without a schema are left to be judged anew, since they are
// counted.
func (v *Preview) judged(ctx context.Context, rendered fleet.Rendered, flaws []change.Flaw) {
	type of struct{ unit, object object.Key }
	found := map[of][]change.Flaw{}
	for _, f := range flaws {
		at := of{f.Unit, f.Object.Key}
		found[at] = append(found[at], f)
	}
	v.verdicts = make(map[object.Key]verdict, len(rendered.Units))
	made, none := v.from.at(rendered), validate.New(nil)
	for i := range rendered.Units {
		u := &rendered.Units[i]
		now := unjudged(u, made)
		now.whole = true
		for _, s := range subjects(u, now.built) {
			kind, err := v.worldOf(u).Schema(ctx, s.ref.GVK())
			if now.whole = now.whole && err == nil && kind.Known(); err != nil || !kind.Known() {
				continue
			}
			now.parts = append(now.parts, part{s, []askedKind{{s.ref.GVK(), kind}}, none, found[of{u.Key, s.ref.Key.In(u.Cluster)}]})
		}
		v.verdicts[u.Key] = now
	}
}
