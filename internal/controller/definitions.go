package controller

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/world/live"
)

// undiscovered is how long the API server may go on to serve, and to announce, a
// kind, or a version of it, whose definition is gone.
const undiscovered = 2 * time.Second

// definitions hears of CRDs: when kinds come, go or are served in other versions,
// discovery is asked again, the units that missed a kind run, and what is watched
// in a version that is not served any more is watched in another one.
type definitions struct {
	ctx        context.Context
	metadata   metadata.Interface
	log        *slog.Logger
	named      *named
	invalidate func(group string)
	tables     func() []*live.Table // of managed objects, whoever manages them
	moved      func(subject, why string)
	wait       sync.WaitGroup

	mu     sync.Mutex
	events map[string]int // by group: how many changes were heard of
}

// watchDefinitions watches the CRDs of the engine's own cluster until ctx ends;
// then it closes what it returns.
func (c *Controller) watchDefinitions(ctx context.Context) <-chan struct{} {
	d := &definitions{
		events: map[string]int{},
		ctx:    ctx, metadata: c.cfg.Metadata, log: c.cfg.Log, named: c.named, invalidate: c.cfg.World.Invalidate, tables: c.tables,
		moved: func(subject, why string) {
			c.loop.Send(sched.Moved{Subject: subject, Priority: sched.Released, Why: why})
		},
	}
	return d.watch()
}

// watch watches the metadata of CRDs.
func (d *definitions) watch() <-chan struct{} {
	gvr := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	client := d.metadata.Resource(gvr)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return client.Watch(ctx, o)
		},
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: lw, ObjectType: &metav1.PartialObjectMetadata{},
		Handler: cache.ResourceEventHandlerFuncs{AddFunc: d.changed, UpdateFunc: d.edited, DeleteFunc: d.gone},
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
		informer.RunWithContext(d.ctx)
		d.wait.Wait()
	}()
	return done
}

func (d *definitions) changed(o any) {
	m := definitionOf(o)
	if m == nil {
		return
	}
	_, group, _ := strings.Cut(m.Name, ".")
	d.tell(group, m.Name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events[group]++
	last := d.events[group]
	for _, pause := range []time.Duration{discovered, undiscovered} {
		time.AfterFunc(pause, func() { d.again(group, m.Name, last) })
	}
}

// discovered is how long the API server usually takes, at the most, to announce a kind of
// which the definition has become established: it learns of that by a watch, as we do,
// and who asks in between is told that there is no such kind.
const discovered = 300 * time.Millisecond

// again tells of a group once more, unless more was heard of it since.
func (d *definitions) again(group, name string, last int) {
	d.mu.Lock()
	newer := d.events[group] != last
	d.mu.Unlock()
	if !newer && d.ctx.Err() == nil {
		d.tell(group, name)
	}
}

func (d *definitions) tell(group, name string) {
	d.invalidate(group)
	d.moved(engine.KindSubject(group), "CRD "+name+" changed")
}

// edited takes the change of a definition in place; its spec says which versions
// are served.
func (d *definitions) edited(before, o any) {
	d.changed(o)
	was, is := definitionOf(before), definitionOf(o)
	if was == nil || is == nil || was.Generation == is.Generation && was.UID == is.UID {
		return
	}
	d.wait.Go(func() { d.refollow(is.Name) })
}

// refollow looks at once, and again when the API server has had the time to stop
// serving a version.
func (d *definitions) refollow(name string) {
	for _, pause := range []time.Duration{0, undiscovered} {
		select {
		case <-time.After(pause):
		case <-d.ctx.Done():
			return
		}
		gr := schema.ParseGroupResource(name)
		d.invalidate(gr.Group)
		err := d.named.refollow(d.ctx, gr)
		for _, table := range d.tables() {
			if err == nil {
				err = table.Refollow(d.ctx, gr)
			}
		}
		if err != nil && d.ctx.Err() == nil {
			d.log.Warn("the versions of a kind are not known; its objects may not be watched", "definition", name, "error", err)
		}
	}
}

func (d *definitions) gone(o any) {
	d.changed(o) // before units run, so that they ask discovery again
	if m := definitionOf(o); m != nil {
		for _, table := range d.tables() {
			table.Unfollow(schema.ParseGroupResource(m.Name))
		}
	}
}

// tables are those of managed objects, whoever manages them.
func (c *Controller) tables() []*live.Table {
	if c.releases.table == nil {
		return []*live.Table{c.live}
	}
	return []*live.Table{c.live, c.releases.table}
}

func definitionOf(o any) *metav1.PartialObjectMetadata {
	if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = lost.Obj
	}
	m, _ := o.(*metav1.PartialObjectMetadata)
	return m
}
