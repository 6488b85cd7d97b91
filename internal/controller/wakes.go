package controller

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

// unitChanged turns a change of one of our own objects into wakes.
func (c *Controller) unitChanged(old, now *unstructured.Unstructured) {
	if now == nil {
		key := object.KeyOf(old)
		c.loop.Send(engine.NewsOf(c.kindOf(key), old, nil).Events...)
		c.cfg.Engine.Forget(key)
		c.named.prune(c.awaited)
		c.remotes.prune(everySite)
		if c.cfg.Removed != nil {
			c.cfg.Removed(key)
		}
		return
	}
	key := object.KeyOf(now)
	n := engine.NewsOf(c.kindOf(key), old, now)
	if n.Arrived != nil {
		// One that is seen for the first time is not opened: nothing was built from it
		// yet by this process, so it touches every unit.
		c.impacts.push(key, artifact{n.Arrived, !n.First})
	}
	c.loop.Send(n.Events...)
}

// kindOf is what this controller was told about a kind.
func (c *Controller) kindOf(key object.Key) unit.Kind {
	for _, k := range c.cfg.Kinds {
		if k.GVK().GroupKind() == key.GroupKind() {
			return k
		}
	}
	return unit.Kind{}
}

// concerned wakes the units that build from a source which has a new artifact:
// those that it touches first, the others when there is time. A tree that is not
// known touches all.
func (c *Controller) concerned(ctx context.Context, source object.Key, a artifact, t *tree.Tree) {
	var out, follow []sched.Event
	for _, key := range engine.Concerned(c.views.all(), source) {
		if !c.kindOf(key).Run {
			continue
		}
		w := sched.Wake{Unit: key, Class: classOf(key), Priority: sched.Revision, Why: source.String() + " is at " + a.is.Revision}
		if t != nil && !c.cfg.Engine.Touches(ctx, key, *t) {
			w.Priority = sched.Follow
			follow = append(follow, w)
			continue
		}
		out = append(out, w)
	}
	if len(out) == 0 {
		c.loop.Send(follow...)
		return
	}
	c.loop.Send(out...)
	time.AfterFunc(headStart, func() { c.loop.Send(follow...) })
}

// headStart is what units that a commit touches have before the others write
// down that they have seen it: the API server is theirs for so long.
const headStart = 200 * time.Millisecond

// managedMoved wakes the unit whose object moved, and those that await it.
func (c *Controller) managedMoved(m live.Move) {
	c.loop.Send(engine.NewsOfManaged(m)...)
}

func (c *Controller) namedMoved(key object.Key) {
	if engine.Slow(key) {
		c.echo.changed(engine.Subject(key), key.String()+" changed")
		return
	}
	c.loop.Send(sched.Moved{Subject: engine.Subject(key), Priority: sched.Released, Why: key.String() + " changed"})
}

// follow makes sure that every subject of a report can move: our own kinds and
// managed objects are watched anyway, single objects get a watch of their own. They are
// held until taken is called, when the unit waits on them.
func (c *Controller) follow(ctx context.Context, rep report.Report) (subjects []string, taken func()) {
	for _, r := range rep.Reads {
		if r.Space == record.Object || r.Space == record.Schema {
			subjects = append(subjects, r.Key)
		}
	}
	release := c.held.hold(subjects)
	for _, subject := range subjects {
		if err := c.followNamed(ctx, subject); err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("cannot watch what a unit read; it is read again at the interval", "unit", rep.Unit, "object", subject, "error", err)
		}
	}
	c.guards.consult(subjects)
	return subjects, func() {
		release()
		c.tidy()
	}
}

// tidy ends watches of objects that nobody waits on, where there are many.
func (c *Controller) tidy() {
	if c.named.crowded() {
		c.named.prune(c.awaited)
	}
	c.remotes.prune((*named).crowded)
}

// awaited tells whether a unit waits on an object, or is about to.
func (c *Controller) awaited(key object.Key) bool { return c.matters(engine.Subject(key)) }

// matters asks of runs first: at their end they subscribe before they let go.
func (c *Controller) matters(subject string) bool {
	return c.held.has(subject) || c.loop.Subscribed(subject)
}

// followNamed watches the object that a subject names, where nothing else does.
func (c *Controller) followNamed(ctx context.Context, subject string) error {
	site, subject := engine.SiteOf(subject)
	key, ok := engine.KeyOfSubject(subject)
	if !ok {
		return nil
	}
	if s := c.remotes.at(site); s != nil {
		return s.follow(ctx, key)
	}
	if _, ours := unit.KindOf(key.GroupKind()); ours || site != "" {
		return nil
	}
	return c.named.follow(ctx, c.versioned(ctx, key))
}

// versioned finds the version to watch an object in: what the server prefers.
func (c *Controller) versioned(ctx context.Context, key object.Key) object.Ref {
	m, err := c.cfg.World.Kind(ctx, key.GroupKind().WithVersion(""))
	if err != nil {
		return object.Ref{Key: key, Version: "v1"}
	}
	return object.Ref{Key: key, Version: m.GVK.Version}
}
