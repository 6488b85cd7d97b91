package controller

import (
	"context"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/live"
)

// views holds our own kinds as the watches, and our own writes, last showed
// them. What it hands out must not be changed.
type views struct {
	client  dynamic.Interface
	scope   Scope
	changed func(old, now *unstructured.Unstructured) // one of them may be nil

	mu      sync.RWMutex
	objects map[object.Key]*unstructured.Unstructured
	synced  map[string]chan struct{}
	wait    sync.WaitGroup
}

// Scope narrows what a controller sees.
type Scope struct {
	Namespace string // empty: all
	Selector  string // label selector on our own kinds
}

func newViews(client dynamic.Interface, scope Scope, changed func(old, now *unstructured.Unstructured)) *views {
	return &views{
		client: client, scope: scope, changed: changed,
		objects: make(map[object.Key]*unstructured.Unstructured), synced: make(map[string]chan struct{}),
	}
}

// start begins to watch the kinds; it returns when all first lists are in.
func (v *views) start(ctx context.Context, kinds []unit.Kind) error {
	for _, k := range kinds {
		done := make(chan struct{})
		v.synced[k.Kind] = done
		v.wait.Add(1)
		go func() {
			defer v.wait.Done()
			v.watch(ctx, k, done)
		}()
	}
	for _, done := range v.synced {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (v *views) watch(ctx context.Context, k unit.Kind, done chan struct{}) {
	c := v.client.Resource(k.GVK().GroupVersion().WithResource(k.Plural)).Namespace(v.scope.Namespace)
	selected := func(o metav1.ListOptions) metav1.ListOptions {
		if k.Run { // what others own is read whatever its labels
			o.LabelSelector = v.scope.Selector
		}
		return o
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.List(ctx, selected(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.Watch(ctx, selected(o))
		},
	}
	r := cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, &viewSink{v: v, kind: k, done: done}, cache.ReflectorOptions{
		Name: "leat/" + k.Plural, TypeDescription: k.GVK().String(), Backoff: live.Backoff(),
	})
	r.RunWithContext(ctx)
}

// get returns an object, nil when there is none.
func (v *views) get(key object.Key) *unstructured.Unstructured {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.objects[key]
}

// all returns every object, in no order.
func (v *views) all() []*unstructured.Unstructured {
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := make([]*unstructured.Unstructured, 0, len(v.objects))
	for _, obj := range v.objects {
		out = append(out, obj)
	}
	return out
}

// put takes an object from a watch.
func (v *views) put(obj *unstructured.Unstructured) {
	v.take(obj, func(old *unstructured.Unstructured) bool { return old == nil || version(old) < version(obj) })
}

// wrote takes the answer of our own write, or read. One of an object that is not there
// any more is no news: the watch told of its end before we were answered.
func (v *views) wrote(obj *unstructured.Unstructured) {
	v.take(obj, func(old *unstructured.Unstructured) bool { return old != nil && version(old) < version(obj) })
}

// take keeps an object that is news beside what is known of it.
func (v *views) take(obj *unstructured.Unstructured, news func(old *unstructured.Unstructured) bool) {
	obj.SetManagedFields(nil)
	key := object.KeyOf(obj)
	v.mu.Lock()
	old := v.objects[key]
	if !news(old) {
		v.mu.Unlock()
		return
	}
	v.objects[key] = obj
	v.mu.Unlock()
	v.changed(old, obj)
}

func (v *views) remove(key object.Key, at uint64) {
	v.mu.Lock()
	old := v.objects[key]
	if old == nil || version(old) > at {
		v.mu.Unlock()
		return
	}
	delete(v.objects, key)
	v.mu.Unlock()
	v.changed(old, nil)
}

func version(obj *unstructured.Unstructured) uint64 { return parseVersion(obj.GetResourceVersion()) }

// parseVersion reads a resource version, which grows; anything else is 0.
func parseVersion(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// viewSink is the store that a reflector fills.
type viewSink struct {
	v    *views
	kind unit.Kind
	done chan struct{}
	once sync.Once
}

func (s *viewSink) Add(o any) error    { return s.put(o) }
func (s *viewSink) Update(o any) error { return s.put(o) }
func (s *viewSink) Resync() error      { return nil }

func (s *viewSink) put(o any) error {
	if obj, ok := o.(*unstructured.Unstructured); ok {
		s.v.put(obj)
	}
	return nil
}

func (s *viewSink) Delete(o any) error {
	if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = lost.Obj
	}
	if obj, ok := o.(*unstructured.Unstructured); ok {
		s.v.remove(object.KeyOf(obj), max(version(obj), 1))
	}
	return nil
}

// Replace takes the first list, or the one after a lost watch.
func (s *viewSink) Replace(list []any, at string) error {
	there := make(map[object.Key]bool, len(list))
	for _, o := range list {
		if obj, ok := o.(*unstructured.Unstructured); ok {
			there[object.KeyOf(obj)] = true
			s.v.put(obj)
		}
	}
	listed := parseVersion(at)
	for _, obj := range s.v.all() {
		key := object.KeyOf(obj)
		if key.GroupKind() == s.kind.GVK().GroupKind() && !there[key] && version(obj) <= listed {
			s.v.remove(key, listed)
		}
	}
	s.once.Do(func() { close(s.done) })
	return nil
}
