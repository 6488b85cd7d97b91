package controller

import (
	"context"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

// unitChanged turns a change of one of our own objects into wakes: of the unit
// itself when a person changed it, and of everything that read it.
func (c *Controller) unitChanged(old, now *unstructured.Unstructured) {
	if now == nil {
		key := object.KeyOf(old)
		why := key.String() + " was deleted"
		c.loop.Send(sched.Removed{Unit: key},
			sched.Moved{Subject: engine.Subject(key), Priority: sched.Released, Why: why},
			sched.Moved{Subject: engine.SourceSubject(key), Priority: sched.Released, Why: why})
		c.cfg.Engine.Forget(key)
		c.named.prune(func(key object.Key) bool { return c.loop.Subscribed(engine.Subject(key)) })
		if c.cfg.Removed != nil {
			c.cfg.Removed(key)
		}
		return
	}
	key := object.KeyOf(now)
	k := c.kindOf(key)
	var events []sched.Event
	if why := asked(old, now); why != "" && k.Run {
		priority := sched.Request
		if old == nil {
			priority = sched.Revision
		}
		events = append(events, sched.Wake{Unit: key, Class: k.Class, Priority: priority, Why: why})
	}
	if k.Source {
		events = append(events, c.sourceChanged(key, artifactOf(old), artifactOf(now))...)
	}
	if key.Kind == unit.HelmRepositoryKind && (old == nil || old.GetGeneration() != now.GetGeneration()) {
		events = append(events, sched.Moved{Subject: engine.RepositoriesSubject(key.Namespace), Priority: sched.Released, Why: key.String() + " changed"})
	}
	events = append(events, sched.Moved{Subject: engine.Subject(key), Priority: sched.Released, Why: key.String() + " changed"})
	c.loop.Send(events...)
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

// asked says what of a unit's own object asks for a run: being new, another
// spec, a request by annotation, a deletion. Status and labels do not.
func asked(old, now *unstructured.Unstructured) string {
	switch {
	case old == nil:
		return "first seen"
	case old.GetUID() != now.GetUID():
		return "made anew"
	case old.GetDeletionTimestamp() == nil && now.GetDeletionTimestamp() != nil:
		return "deleted"
	case old.GetGeneration() != now.GetGeneration():
		return "its spec changed"
	case unit.Requested(now.GetAnnotations()) != "" && unit.Requested(old.GetAnnotations()) != unit.Requested(now.GetAnnotations()):
		return "requested"
	case now.GetKind() == unit.ArtifactGeneratorKind && generatorMark(old) != generatorMark(now):
		return "its reconcile annotation changed"
	}
	return ""
}

func generatorMark(obj *unstructured.Unstructured) string {
	return obj.GetAnnotations()[object.GroupSourceExtensions+"/reconcile"]
}

func artifactOf(obj *unstructured.Unstructured) *meta.Artifact {
	if obj == nil {
		return nil
	}
	s, err := unit.StatusOf(obj)
	if err != nil {
		return nil
	}
	return s.Artifact
}

// sourceChanged wakes what builds from a source: by impact when there is a new
// artifact, all who wait while there is none.
func (c *Controller) sourceChanged(key object.Key, was, is *meta.Artifact) []sched.Event {
	if is == nil {
		return []sched.Event{sched.Moved{Subject: engine.SourceSubject(key), Priority: sched.Released, Why: key.String() + " changed"}}
	}
	return c.impact(key, was, is)
}

// impact wakes the units that build from a source whose artifact changed: those
// that the change touches first, the others when there is time.
func (c *Controller) impact(source object.Key, was, is *meta.Artifact) []sched.Event {
	if is == nil || was != nil && was.Revision == is.Revision && was.Digest == is.Digest {
		return nil
	}
	if source.Kind == unit.HelmRepositoryKind || source.Kind == unit.HelmChartKind { // files, from which no Kustomization builds
		return []sched.Event{sched.Moved{Subject: engine.SourceSubject(source), Priority: sched.Revision, Why: source.String() + " is at " + is.Revision}}
	}
	t, known := c.changedTree(was, is)
	var out, follow []sched.Event
	for _, obj := range c.views.all() {
		key := object.KeyOf(obj)
		if key.Kind != unit.KustomizationKind || !c.kindOf(key).Run || !buildsFrom(obj, source) {
			continue
		}
		if w := c.wakeFor(key, t, known, source, is); w.Priority == sched.Follow {
			follow = append(follow, w)
		} else {
			out = append(out, w)
		}
	}
	if len(out) == 0 {
		return follow
	}
	time.AfterFunc(headStart, func() { c.loop.Send(follow...) })
	return out
}

// changedTree returns what a source that had an artifact is at now. One that is
// seen for the first time is not opened: nothing was built from it yet by this
// process, so it touches every unit, and its file may be with a process that is
// gone, whose silence would keep the watch waiting.
func (c *Controller) changedTree(was, is *meta.Artifact) (t tree.Tree, known bool) {
	if was == nil {
		return t, false
	}
	t, err := c.cfg.Engine.Trees.Open(context.Background(), is)
	return t, err == nil
}

// headStart is what units that a commit touches have before the others write
// down that they have seen it: the API server is theirs for so long.
const headStart = 200 * time.Millisecond

func (c *Controller) wakeFor(key object.Key, t tree.Tree, known bool, source object.Key, is *meta.Artifact) sched.Wake {
	w := sched.Wake{Unit: key, Class: classOf(key), Priority: sched.Follow, Why: source.String() + " is at " + is.Revision}
	if !known || c.cfg.Engine.Touches(key, t) {
		w.Priority = sched.Revision
	}
	return w
}

func buildsFrom(obj *unstructured.Unstructured, source object.Key) bool {
	field := func(name string) string {
		v, _, _ := unstructured.NestedString(obj.Object, "spec", "sourceRef", name)
		return v
	}
	return field("kind") == source.Kind && field("name") == source.Name &&
		unit.SourceKey(field("kind"), field("namespace"), field("name"), obj.GetNamespace()) == source
}

// managedMoved wakes the unit whose object moved, and those that await it.
func (c *Controller) managedMoved(m live.Move) {
	// What became ready ends a run that was begun: it goes before runs not begun.
	events := []sched.Event{sched.Moved{Subject: engine.HealthSubject(m.Key), Priority: sched.Request, Why: m.Why}}
	if m.Drift {
		events = append(events, sched.Moved{Subject: engine.ManagedSubject(m.Key), Priority: sched.Drift, Why: m.Why})
	}
	c.loop.Send(events...)
}

func (c *Controller) namedMoved(key object.Key) {
	if engine.Slow(key) {
		c.echo.changed(engine.Subject(key), key.String()+" changed")
		return
	}
	c.loop.Send(sched.Moved{Subject: engine.Subject(key), Priority: sched.Released, Why: key.String() + " changed"})
}

// follow makes sure that every subject of a report can move: our own kinds and
// managed objects are watched anyway, single objects get a watch of their own.
func (c *Controller) follow(ctx context.Context, rep report.Report) []string {
	subjects := make([]string, 0, len(rep.Reads))
	for _, r := range rep.Reads {
		if r.Space != record.Object && r.Space != record.Schema {
			continue
		}
		subjects = append(subjects, r.Key)
		key, ok := engine.KeyOfSubject(r.Key)
		if !ok {
			continue
		}
		if _, ours := unit.KindOf(key.GroupKind()); ours {
			continue
		}
		if err := c.named.follow(ctx, c.versioned(ctx, key)); err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("cannot watch what a unit read; it is read again at the interval", "unit", rep.Unit, "object", key, "error", err)
		}
	}
	c.guards.consult(subjects)
	return subjects
}

// versioned finds the version to watch an object in: what the server prefers.
func (c *Controller) versioned(ctx context.Context, key object.Key) object.Ref {
	m, err := c.cfg.World.Kind(ctx, key.GroupKind().WithVersion(""))
	if err != nil {
		return object.Ref{Key: key, Version: "v1"}
	}
	return object.Ref{Key: key, Version: m.GVK.Version}
}

// undiscovered is how long the API server may go on to serve, and to announce, a
// kind whose definition is gone.
const undiscovered = 2 * time.Second

// watchDefinitions watches the metadata of CRDs: when kinds come or go,
// discovery is asked again and the units that missed a kind run.
func (c *Controller) watchDefinitions(ctx context.Context) <-chan struct{} {
	gvr := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	client := c.cfg.Metadata.Resource(gvr)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, o)
		},
	}
	changed := func(o any) {
		if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = lost.Obj
		}
		m, ok := o.(*metav1.PartialObjectMetadata)
		if !ok {
			return
		}
		_, group, _ := strings.Cut(m.Name, ".")
		c.cfg.World.Invalidate(group)
		c.loop.Send(sched.Moved{Subject: engine.KindSubject(group), Priority: sched.Released, Why: "CRD " + m.Name + " changed"})
	}
	gone := func(o any) {
		if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = lost.Obj
		}
		if m, ok := o.(*metav1.PartialObjectMetadata); ok {
			c.live.Unfollow(schema.ParseGroupResource(m.Name))
		}
		changed(o)
		time.AfterFunc(undiscovered, func() { changed(o) })
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: lw, ObjectType: &metav1.PartialObjectMetadata{},
		Handler: cache.ResourceEventHandlerFuncs{AddFunc: changed, UpdateFunc: func(_, o any) { changed(o) }, DeleteFunc: gone},
		Transform: func(o any) (any, error) {
			if m, ok := o.(*metav1.PartialObjectMetadata); ok {
				m.ManagedFields, m.Annotations, m.Labels = nil, nil, nil
			}
			return o, nil
		},
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		informer.RunWithContext(ctx)
	}()
	return done
}
