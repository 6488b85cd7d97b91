package controller

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/live"
)

// named watches single objects that runs have read: ConfigMaps and Secrets of
// substituteFrom, credentials, objects of health checks. One watch per object,
// for as long as a unit waits on it; never a whole kind.
type named struct {
	client func(schema.GroupKind) dynamic.Interface
	kind   func(context.Context, schema.GroupVersionKind) (world.Mapping, error)
	moved  func(object.Key)

	mu      sync.RWMutex
	watches map[object.Key]*namedWatch
	kept    int // by the last prune
	wait    sync.WaitGroup
}

type namedWatch struct {
	ref    object.Ref
	res    string // resource
	cancel context.CancelFunc
	obj    *unstructured.Unstructured // nil: there is none
	synced bool
}

// watcherOf returns who watches single objects of a kind: the process what
// objects refer to, and everything else whoever manages it.
func (c *Controller) watcherOf(gk schema.GroupKind) dynamic.Interface {
	switch gk {
	case schema.GroupKind{Kind: "ConfigMap"}, schema.GroupKind{Kind: "Secret"}, schema.GroupKind{Kind: "ServiceAccount"},
		schema.GroupKind{Kind: "Namespace"}:
		return c.cfg.Dynamic
	}
	return c.cfg.Managed.Dynamic
}

func newNamed(client func(schema.GroupKind) dynamic.Interface, kind func(context.Context, schema.GroupVersionKind) (world.Mapping, error), moved func(object.Key)) *named {
	return &named{client: client, kind: kind, moved: moved, watches: make(map[object.Key]*namedWatch)}
}

// get returns what the watch of an object last showed; known is false where
// there is no watch, or it has not spoken yet.
func (n *named) get(key object.Key) (obj *unstructured.Unstructured, known bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	w := n.watches[key]
	if w == nil || !w.synced {
		return nil, false
	}
	return w.obj, true
}

// follow begins to watch an object unless it is watched. The first word of the
// watch counts as a move, so that nothing is lost between the read that asks
// for it and its beginning.
func (n *named) follow(ctx context.Context, ref object.Ref) error {
	n.mu.RLock()
	_, on := n.watches[ref.Key]
	n.mu.RUnlock()
	if on {
		return nil
	}
	m, err := n.kind(ctx, ref.GVK())
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, on := n.watches[ref.Key]; on {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	n.watches[ref.Key] = &namedWatch{ref: ref, res: m.Resource, cancel: cancel}
	n.wait.Add(1)
	go func() {
		defer n.wait.Done()
		n.watch(ctx, ref, m)
	}()
	return nil
}

// refollow watches the objects of a resource in a version that is served, where
// the one that they are watched in is not any more.
func (n *named) refollow(ctx context.Context, gr schema.GroupResource) error {
	for key, w := range n.of(gr) {
		_, err := n.kind(ctx, w.ref.GVK())
		if err == nil {
			continue
		}
		m, preferred := n.kind(ctx, key.GroupKind().WithVersion(""))
		if !meta.IsNoMatchError(err) || preferred != nil {
			return err
		}
		n.mu.Lock()
		if n.watches[key] == w {
			w.cancel()
			delete(n.watches, key)
		}
		n.mu.Unlock()
		if err := n.follow(ctx, object.Ref{Key: key, Version: m.GVK.Version}); err != nil {
			return err
		}
	}
	return nil
}

// of returns the watches of a resource.
func (n *named) of(gr schema.GroupResource) map[object.Key]*namedWatch {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := map[object.Key]*namedWatch{}
	for key, w := range n.watches {
		if key.Group == gr.Group && w.res == gr.Resource {
			out[key] = w
		}
	}
	return out
}

// prune ends the watches of objects that nobody waits on.
func (n *named) prune(wanted func(object.Key) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key, w := range n.watches {
		if !wanted(key) {
			w.cancel()
			delete(n.watches, key)
		}
	}
	n.kept = len(n.watches)
}

// roomy is how many watches are too few to look for those that nobody needs.
const roomy = 64

// crowded tells whether there are twice as many watches as the last prune left: specs
// change, and name other objects.
func (n *named) crowded() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.watches) > max(roomy, 2*n.kept)
}

func (n *named) watch(ctx context.Context, ref object.Ref, m world.Mapping) {
	c := n.client(ref.GroupKind()).Resource(ref.GVK().GroupVersion().WithResource(m.Resource)).Namespace(ref.Namespace)
	one := func(o metav1.ListOptions) metav1.ListOptions {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", ref.Name).String()
		return o
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.List(ctx, one(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, one(o))
		},
	}
	r := cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, &namedSink{n, ref.Key}, cache.ReflectorOptions{
		Name: "leat/" + ref.String(), TypeDescription: ref.GVK().String(), Backoff: live.Backoff(),
	})
	r.RunWithContext(ctx)
}

func (n *named) heard(key object.Key, obj *unstructured.Unstructured) {
	if obj != nil {
		obj.SetManagedFields(nil)
	}
	n.mu.Lock()
	w := n.watches[key]
	news := w != nil && !(w.synced && same(w.obj, obj))
	if news {
		w.obj, w.synced = obj, true
	}
	n.mu.Unlock()
	if news {
		n.moved(key)
	}
}

func same(a, b *unstructured.Unstructured) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.GetUID() == b.GetUID() && a.GetResourceVersion() == b.GetResourceVersion()
}

type namedSink struct {
	n   *named
	key object.Key
}

func (s *namedSink) Add(o any) error    { return s.put(o) }
func (s *namedSink) Update(o any) error { return s.put(o) }
func (s *namedSink) Resync() error      { return nil }

func (s *namedSink) put(o any) error {
	if obj, ok := o.(*unstructured.Unstructured); ok {
		s.n.heard(s.key, obj)
	}
	return nil
}

func (s *namedSink) Delete(any) error {
	s.n.heard(s.key, nil)
	return nil
}

func (s *namedSink) Replace(list []any, _ string) error {
	var obj *unstructured.Unstructured
	if len(list) > 0 {
		obj, _ = list[0].(*unstructured.Unstructured)
	}
	s.n.heard(s.key, obj)
	return nil
}
