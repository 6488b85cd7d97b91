package app

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// sides renders base, and then head in the world that base left, as a cluster goes
// from one to the other: only what the change touches runs again, and what base
// leaves behind stands. Where that would not be what a fleet that begins with head
// comes to, head is rendered in a world of its own too (preview.Passed says when).
func (p *Previews) sides(ctx context.Context, o entry.Options, base, head Revision) [2]rendering {
	out, v := p.passOn(ctx, o, base, head)
	if v != nil {
		v.Close()
	}
	return out
}

// passOn is sides, with the preview in which head stands as it is told; nil where
// there is none. Who gets one closes it.
func (p *Previews) passOn(ctx context.Context, o entry.Options, base, head Revision) ([2]rendering, *Preview) {
	v, from, err := p.stand(ctx, o, base)
	if err != nil {
		to, v := p.fresh(ctx, o, head, nil)
		return [2]rendering{unrendered(base, err), to}, v
	}
	v.Fleet.Follows(from.fleet)
	to, passage := v.pass(ctx, from, head)
	if passage == preview.Whole {
		return [2]rendering{from, to}, v
	}
	v.Close()
	fresh, v := p.fresh(ctx, o, head, &from.fleet)
	if passage == preview.Refused && v != nil {
		fresh.fleet = preview.Merge(from.fleet, to.fleet, fresh.fleet)
		v.Close()
		return [2]rendering{from, fresh}, nil
	}
	return [2]rendering{from, fresh}, v
}

// pass takes a preview on from where it stands, and tells whether what it came to
// can be taken for the rendering of the revision. A cluster whose directory is gone
// from it keeps its entry, which finds nothing to apply any more and prunes nothing.
// One that begins otherwise at head is told so by what it applies, if it is at all.
func (v *Preview) pass(ctx context.Context, from rendering, to Revision) (rendering, preview.Passage) {
	began := time.Now()
	if from.fleet.Unit(object.KeyOf(v.Entry.Kustomization)) == nil {
		return rendering{}, preview.Apart // it deleted itself; nothing comes to that world any more
	}
	abandoned := to.Tree.Lookup(v.Entry.Path).Kind != tree.Dir
	e, err := entry.Find(to.Tree, v.options)
	other := err != nil || !reflect.DeepEqual(e, v.Entry)
	if err := v.Update(ctx, to.Snapshot); err != nil {
		return rendering{}, preview.Apart
	}
	out := v.rendering(ctx, began)
	if abandoned {
		out.notes = append(out.notes, v.left())
		return out, preview.Whole
	}
	switch own := object.KeyOf(v.Entry.Kustomization); {
	case other && out.fleet.Unit(own) == nil:
		out.notes = append(out.notes, v.ended())
		return out, preview.Whole
	case other && !makes(from.fleet.Unit(own), own):
		return rendering{}, preview.Apart
	}
	if v.unpacked(ctx, from.fleet, out.fleet) {
		return out, preview.Apart
	}
	return out, preview.Passed(from.fleet, out.fleet)
}

// makes tells whether a unit applies an object: its own Kustomization, where a cluster
// hears of another beginning by itself.
func makes(u *fleet.Unit, key object.Key) bool {
	return slices.ContainsFunc(u.Objects, func(o fleet.Object) bool { return o.Ref.Key == key })
}

// ended says what becomes of a cluster that does not apply its own Kustomization any
// more: that deletes itself, and at its end what it applied.
func (v *Preview) ended() string {
	return fmt.Sprintf("%s is not in %s any more: a cluster that is bootstrapped from it deletes it, and with it whatever no other unit makes",
		object.KeyOf(v.Entry.Kustomization), v.Entry.Path)
}

// left says what becomes of a cluster whose directory is gone.
func (v *Preview) left() string {
	return fmt.Sprintf("%s is gone: a cluster that is bootstrapped from it keeps what it has and follows no change any more; "+
		"to take down what it runs, delete %s in the cluster", v.Entry.Path, object.KeyOf(v.Entry.Kustomization))
}

// unpacked tells whether the files of a chart changed that keeps its version: its
// source goes on with what it packed before, so that nothing here tells of the edit.
func (v *Preview) unpacked(ctx context.Context, base, head fleet.Rendered) bool {
	before, after := unitsByKey(base), unitsByKey(head)
	for key, is := range after {
		was := before[key]
		if key.Kind != unit.HelmChartKind || was == nil || was.Source != is.Source || was.Path != is.Path {
			continue
		}
		if digestOf(was) == digestOf(is) && v.chartFiles(ctx, before[was.Source], was.Path) != v.chartFiles(ctx, after[is.Source], is.Path) {
			return true
		}
	}
	return false
}

// digestOf names the content of the artifact of a source.
func digestOf(u *fleet.Unit) string {
	if s, err := unit.StatusOf(u.Object); err == nil && s.Artifact != nil {
		return s.Artifact.Digest
	}
	return ""
}

// chartFiles names the content of a chart in the tree of a source; zero where it has
// none.
func (v *Preview) chartFiles(ctx context.Context, source *fleet.Unit, chart string) hash.ID {
	if source == nil || source.Key.Kind == unit.HelmRepositoryKind {
		return hash.ID{}
	}
	s, err := unit.StatusOf(source.Object)
	if err != nil || s.Artifact == nil {
		return hash.ID{}
	}
	t, err := v.from.helm.engine.Trees.Open(ctx, s.Artifact)
	if err != nil {
		return hash.ID{}
	}
	dir, err := tree.Clean(chart)
	if err != nil {
		return hash.ID{}
	}
	return t.Lookup(dir).ID
}
