// Package loop calls a function for every object of a resource when it changes:
// one watch, a queue and a few workers.
//
//	l := loop.New(loop.Spec{Resource: "pods", Client: core, Object: &corev1.Pod{}, Workers: 4, Sync: sync})
//	l.Run(ctx)
//
// It must never poll.
package loop

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// Back-off of an object whose Sync failed.
const (
	retryFirst = 20 * time.Millisecond
	retryMax   = 5 * time.Second
)

// Spec says what to watch and what to do.
type Spec struct {
	Resource string         // as in URLs
	Client   rest.Interface // of the resource's group
	Object   runtime.Object // of the type that the watch yields
	Workers  int
	// Seen, if set, is called for each object in the order of the watch.
	Seen func(runtime.Object)
	// Gone, if set, is called with the key of an object that was deleted.
	Gone func(key string)
	// Sync acts on an object of the cache, which it must not change. It returns
	// when to call it again, 0 for when the object changes. Conflict and NotFound
	// mean that a newer event is on its way; other errors are tried again.
	Sync func(context.Context, runtime.Object) (time.Duration, error)
}

// Loop is a Spec with its cache and queue.
type Loop struct {
	spec       Spec
	queue      workqueue.TypedRateLimitingInterface[string]
	store      cache.Store
	controller cache.Controller
}

// New makes a loop that does not run yet.
func New(spec Spec) *Loop {
	l := &Loop{spec: spec}
	l.queue = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryMax))
	l.store, l.controller = cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(spec.Client, spec.Resource, "", fields.Everything()),
		ObjectType:    spec.Object,
		Transform:     withoutManagers,
		Handler:       cache.ResourceEventHandlerFuncs{AddFunc: l.add, UpdateFunc: func(_, o any) { l.add(o) }, DeleteFunc: l.gone},
	})
	return l
}

// Run watches until ctx ends, and waits for its workers.
func (l *Loop) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range l.spec.Workers {
		workers.Go(func() {
			for l.next(ctx) {
			}
		})
	}
	l.controller.Run(ctx.Done())
	l.queue.ShutDown()
	workers.Wait()
}

// Get is the cached object of a key, namespace/name or name, or nil.
func (l *Loop) Get(key string) runtime.Object {
	o, exists, err := l.store.GetByKey(key)
	if err != nil || !exists {
		return nil
	}
	return o.(runtime.Object)
}

func (l *Loop) add(o any) {
	if l.spec.Seen != nil {
		l.spec.Seen(o.(runtime.Object))
	}
	if key, err := cache.MetaNamespaceKeyFunc(o); err == nil {
		l.queue.Add(key)
	}
}

func (l *Loop) gone(o any) {
	key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(o)
	if err == nil && l.spec.Gone != nil {
		l.spec.Gone(key)
	}
}

// withoutManagers saves memory.
func withoutManagers(o any) (any, error) {
	if m, err := meta.Accessor(o); err == nil {
		m.SetManagedFields(nil)
	}
	return o, nil
}

// next handles one object; false is the end.
func (l *Loop) next(ctx context.Context) bool {
	key, quit := l.queue.Get()
	if quit {
		return false
	}
	defer l.queue.Done(key)
	o := l.Get(key)
	if o == nil {
		l.queue.Forget(key)
		return true
	}
	again, err := l.spec.Sync(ctx, o)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		klog.FromContext(ctx).Info("simulation will be tried again", "resource", l.spec.Resource, "key", key, "err", err)
		l.queue.AddRateLimited(key)
		return true
	}
	l.queue.Forget(key)
	if again > 0 {
		l.queue.AddAfter(key, again)
	}
	return true
}
