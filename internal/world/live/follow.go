package live

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
)

// MaxKinds is the number of followed kinds above which a warning is logged:
// each costs the API server a watch.
const MaxKinds = 200

// follower is the watch of one kind.
type follower struct {
	table    *Table
	gvk      schema.GroupVersionKind
	resource string
	body     bool // whole objects, not only metadata
	synced   chan struct{}
	cancel   context.CancelFunc

	refuse  sync.Once
	refused chan struct{} // closed when we may not watch the kind
	refusal error         // why; set before refused is closed

	unserved atomic.Bool // the last answer was that there is no such resource
}

// hear notes a first list that was refused for want of rights: whoever waits for
// it hears of that at once. The watch goes on trying.
func (f *follower) hear(err error) {
	f.unserved.Store(apierrors.IsNotFound(err))
	if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		f.refuse.Do(func() {
			f.refusal = err
			close(f.refused)
		})
	}
}

func (f *follower) isSynced() bool {
	select {
	case <-f.synced:
		return true
	default:
		return false
	}
}

// Follow starts the watch of a kind unless there is one, and returns when its
// first list is in.
func (t *Table) Follow(ctx context.Context, gvk schema.GroupVersionKind) error {
	f, err := t.follower(ctx, gvk)
	if err != nil || f.isSynced() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	for {
		ended, err := t.firstList(ctx, f)
		if !ended {
			return err
		}
		if f, err = t.follower(ctx, gvk); err != nil {
			return err
		}
	}
}

// firstList waits for the first list of a kind. A kind may go just then, with its
// definition: ended tells that its watch was ended meanwhile, and the error is a NoMatch
// where nobody serves the kind any more.
func (t *Table) firstList(ctx context.Context, f *follower) (ended bool, err error) {
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		select {
		case <-f.synced:
			return false, nil
		case <-f.refused:
			return false, fmt.Errorf("watch %s: %w", f.gvk.Kind, f.refusal)
		case <-look.C:
			if t.followed(f.groupResource()) != f {
				return true, nil
			}
			if !f.unserved.Load() {
				continue
			}
			if _, err := t.cfg.Kind(ctx, f.gvk); meta.IsNoMatchError(err) {
				t.Unfollow(f.groupResource())
				return false, err
			}
		case <-ctx.Done():
			return false, fmt.Errorf("watch %s: no answer to the first list: %w", f.gvk.Kind, ctx.Err())
		case <-t.ctx.Done():
			return false, t.ctx.Err()
		}
	}
}

func (f *follower) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: f.gvk.Group, Resource: f.resource}
}

// Unfollow ends the watch of a resource whose definition is gone, and drops its
// rows: whoever has objects in them hears that they went, since their own end may not have
// been heard of. Where it comes back, it may be served in another version.
func (t *Table) Unfollow(gr schema.GroupResource) {
	for _, key := range t.drop(gr) {
		t.cfg.Moved(Move{Key: key, Drift: true, Why: key.String() + " went with its definition"})
	}
}

// drop ends the watch of a resource, and returns the objects that its watch had not yet
// said are gone.
func (t *Table) drop(gr schema.GroupResource) (left []object.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for gk, f := range t.kinds {
		if gk.Group != gr.Group || f.resource != gr.Resource {
			continue
		}
		f.cancel()
		delete(t.kinds, gk)
		for key := range t.rows {
			if key.GroupKind() == gk {
				t.put(key, nil)
				left = append(left, key)
			}
		}
	}
	return left
}

// Refollow watches a resource in a version that is served, where the one that it
// is watched in is not any more. What is known of its objects stays known.
func (t *Table) Refollow(ctx context.Context, gr schema.GroupResource) error {
	f := t.followed(gr)
	if f == nil {
		return nil
	}
	if m, err := t.cfg.Kind(ctx, f.gvk); err == nil && m.Resource == f.resource || err != nil && !meta.IsNoMatchError(err) {
		return err
	}
	m, err := t.cfg.Kind(ctx, f.gvk.GroupKind().WithVersion(""))
	if meta.IsNoMatchError(err) {
		return nil // it is gone
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kinds[f.gvk.GroupKind()] == f {
		f.cancel()
		t.begin(m.GVK, m.Resource)
	}
	return nil
}

// followed returns the watch of a resource, or nil.
func (t *Table) followed(gr schema.GroupResource) *follower {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for gk, f := range t.kinds {
		if gk.Group == gr.Group && f.resource == gr.Resource {
			return f
		}
	}
	return nil
}

func (t *Table) follower(ctx context.Context, gvk schema.GroupVersionKind) (*follower, error) {
	gk := gvk.GroupKind()
	t.mu.RLock()
	f := t.kinds[gk]
	t.mu.RUnlock()
	if f != nil {
		return f, nil
	}
	m, err := t.cfg.Kind(ctx, gvk)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.kinds[gk]; f != nil {
		return f, nil
	}
	return t.begin(gvk, m.Resource), nil
}

// begin starts the watch of a kind; t.mu is held.
func (t *Table) begin(gvk schema.GroupVersionKind, resource string) *follower {
	gk := gvk.GroupKind()
	f := &follower{table: t, gvk: gvk, resource: resource, body: !health.Trivial(gk), synced: make(chan struct{}), refused: make(chan struct{})}
	run, cancel := context.WithCancel(t.ctx)
	f.cancel = cancel
	t.kinds[gk] = f
	if len(t.kinds) == MaxKinds+1 {
		t.cfg.Log.Warn("more kinds are watched than is good for the API server", "kinds", len(t.kinds))
	}
	t.wait.Add(1)
	go func() {
		defer t.wait.Done()
		f.run(run, gvk.GroupVersion().WithResource(resource))
	}()
	return f
}

func (f *follower) run(ctx context.Context, gvr schema.GroupVersionResource) {
	lw := f.listWatch(gvr)
	var example any = &unstructured.Unstructured{}
	if !f.body {
		example = &metav1.PartialObjectMetadata{}
	}
	r := cache.NewReflectorWithOptions(lw, example, (*sink)(f), cache.ReflectorOptions{
		Name: "leat/" + gvr.Resource, TypeDescription: f.gvk.String(), Backoff: Backoff(),
	})
	r.RunWithContext(ctx)
}

func (f *follower) listWatch(gvr schema.GroupVersionResource) *cache.ListWatch {
	owned := func(o metav1.ListOptions) metav1.ListOptions {
		o.LabelSelector = f.table.cfg.Owner.Name
		return o
	}
	dyn, metadata := f.table.cfg.Dynamic.Resource(gvr), f.table.cfg.Metadata.Resource(gvr)
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (list runtime.Object, err error) {
			if f.body {
				list, err = dyn.List(ctx, owned(o))
			} else {
				list, err = metadata.List(ctx, owned(o))
			}
			f.hear(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (w watch.Interface, err error) {
			if f.body {
				w, err = dyn.Watch(ctx, owned(o))
			} else {
				w, err = metadata.Watch(ctx, owned(o))
			}
			f.hear(err)
			return w, err
		},
	}
}

// sink is the store that the reflector fills: it keeps rows, not objects.
type sink follower

func (s *sink) Add(o any) error    { return s.take(o) }
func (s *sink) Update(o any) error { return s.take(o) }
func (s *sink) Resync() error      { return nil }

func (s *sink) Delete(o any) error {
	key, seen, err := s.judge(o)
	if err == nil {
		s.table.gone(key, seen.Version)
	}
	return err
}

func (s *sink) take(o any) error {
	key, seen, err := s.judge(o)
	if err == nil {
		s.table.heard(key, seen)
	}
	return err
}

// Replace takes a whole list: the first one, or the one after a lost watch.
func (s *sink) Replace(list []any, at string) error {
	there := make(map[object.Key]bool, len(list))
	for _, o := range list {
		key, seen, err := s.judge(o)
		if err != nil {
			return err
		}
		there[key] = true
		s.table.heard(key, seen)
	}
	version := parseVersion(at)
	for _, key := range s.table.missing(s.gvk.GroupKind(), there, version) {
		s.table.gone(key, version)
	}
	if f := (*follower)(s); !f.isSynced() {
		close(f.synced)
	}
	return nil
}

// missing are the rows of a kind that a list of a version should have shown.
func (t *Table) missing(gk schema.GroupKind, there map[object.Key]bool, listed uint64) []object.Key {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []object.Key
	for key, r := range t.rows {
		if key.GroupKind() == gk && !there[key] && r.Version <= listed {
			out = append(out, key)
		}
	}
	return out
}

func (s *sink) key(o any) (object.Key, error) {
	m, err := meta.Accessor(o)
	if err != nil {
		return object.Key{}, err
	}
	return object.Key{Group: s.gvk.Group, Kind: s.gvk.Kind, Namespace: m.GetNamespace(), Name: m.GetName()}, nil
}

func (s *sink) judge(o any) (object.Key, Seen, error) {
	if lost, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = lost.Obj
	}
	key, err := s.key(o)
	if err != nil {
		return key, Seen{}, err
	}
	if u, ok := o.(*unstructured.Unstructured); ok {
		return key, s.table.judge(u), nil
	}
	m, err := meta.Accessor(o)
	if err != nil {
		return key, Seen{}, err
	}
	return key, s.table.judgeMeta(m), nil
}
