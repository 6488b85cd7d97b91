package preview

import (
	"context"
	"maps"

	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/memory"
)

// Most units follow a revision of their source that touches nothing of theirs: their
// run would write its name into their status, and in a large fleet that is most of what
// a save costs. Here such a unit stays behind instead. It runs when somebody reads it
// (dependsOn holds a unit to the revision of its dependencies), or for any reason of its
// own; and who looks at the fleet from outside is shown the status that the run would
// have written.

// letsFollow tells whether units may stay behind: in a world that nobody else looks at.
func (f *Fleet) letsFollow() bool {
	_, here := f.cfg.World.(*memory.World)
	return here
}

// arrived wakes those who build from a source that has a new artifact, first those
// whose last build it touches. Of the others those that are ready stay behind.
func (f *Fleet) arrived(source object.Key, old *unstructured.Unstructured, n engine.News) {
	ctx := context.Background()
	t, err := f.cfg.Engine.Trees.Open(ctx, n.Arrived)
	was, touched := f.touched(ctx, old, n.Arrived)
	for _, key := range engine.Concerned(f.all(), source) {
		if touched != nil && f.stoodAt(key, was) && !touched(key) && f.cfg.Engine.Follows(f.units[key]) {
			f.stay(key, n.Arrived)
			continue
		}
		w := sched.Wake{Unit: key, Priority: sched.Revision, Why: source.String() + " is at " + n.Arrived.Revision}
		if !n.First && err == nil && !f.cfg.Engine.Touches(ctx, key, t) {
			w.Priority = sched.Follow
		}
		f.step(w)
		f.ahead.add(f.units[key])
	}
}

// touched finds out what a new artifact touches of what stood at the old one; nil
// where nobody may stay behind.
func (f *Fleet) touched(ctx context.Context, old *unstructured.Unstructured, is *meta.Artifact) (revision string, of func(object.Key) bool) {
	if old == nil || !f.letsFollow() {
		return "", nil
	}
	s, err := unit.StatusOf(old)
	if err != nil || s.Artifact == nil {
		return "", nil
	}
	before, err := f.cfg.Engine.Trees.Open(ctx, s.Artifact)
	if err != nil {
		return "", nil
	}
	after, err := f.cfg.Engine.Trees.Open(ctx, is)
	if err != nil {
		return "", nil
	}
	return s.Artifact.Revision, f.cfg.Engine.Touched(ctx, before, after)
}

// stoodAt tells whether a unit is ready at a revision, or as ready as if it were.
func (f *Fleet) stoodAt(key object.Key, revision string) bool {
	at := f.runs[key].Revision
	if a := f.behind[key]; a != nil {
		at = a.Revision
	}
	return at == revision && f.runs[key].Ready == "True"
}

// stay leaves a unit behind an artifact of its source, or at it where it stands there.
func (f *Fleet) stay(key object.Key, at *meta.Artifact) {
	if f.runs[key].Revision == at.Revision {
		delete(f.behind, key)
	} else {
		f.behind[key] = at
	}
}

// catchUp wakes the units behind which a run read.
func (f *Fleet) catchUp(obj *unstructured.Unstructured, reads record.Set) {
	if len(f.behind) == 0 {
		return
	}
	// Expressions may ask for anything in a status, else its health is all that counts.
	_, asks, _ := unstructured.NestedFieldNoCopy(obj.Object, "spec", "healthCheckExprs")
	for _, r := range reads {
		key, ok := engine.KeyOfSubject(r.Key)
		if !ok && asks {
			key, ok = engine.KeyOfHealth(r.Key)
		}
		if a := f.behind[key]; ok && a != nil && key != object.KeyOf(obj) {
			f.step(sched.Wake{Unit: key, Priority: sched.Follow, Why: "its source is at " + a.Revision})
		}
	}
}

// follow shows a unit that stayed behind as its run would have left it.
func (f *Fleet) follow(u *fleet.Unit, obj *unstructured.Unstructured) {
	a := f.behind[u.Key]
	if a == nil {
		return
	}
	u.Revision, u.Message = a.Revision, report.FollowedMessage(a.Revision)
	if status, ok := obj.Object["status"].(map[string]any); ok {
		u.Object = &unstructured.Unstructured{Object: maps.Clone(u.Object.Object)}
		u.Object.Object["status"] = report.Followed(status, a.Revision, unit.OriginRevision(a))
	}
}
