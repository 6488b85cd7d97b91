package overlay

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/schema"
)

// layer is the store of an overlay: what was written here, over what is below.
type layer struct {
	*memory.Map // what was written here
	base        world.World
	now         func() time.Time
	definitions definitions

	mu         sync.RWMutex
	tombstones map[object.Key]bool
	copied     map[object.Key]bool     // written here over an object below
	dead       map[types.UID]bool      // deleted here: what it owned goes
	released   map[types.UID]bool      // deleted here: what it owned stays
	emptied    map[string]bool         // namespaces deleted here
	defined    map[gvks.GroupKind]bool // kinds that were defined here
	cleared    map[gvks.GroupKind]bool // kinds whose definition was deleted here
}

var _ memory.Store = (*layer)(nil)

func newLayer(base world.World, now func() time.Time) *layer {
	if now == nil {
		now = func() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }
	}
	return &layer{
		Map: memory.NewMap(&schema.Kinds{}), base: base, now: now, definitions: definitions{base: base},
		tombstones: map[object.Key]bool{}, copied: map[object.Key]bool{}, dead: map[types.UID]bool{}, released: map[types.UID]bool{},
		emptied: map[string]bool{}, defined: map[gvks.GroupKind]bool{}, cleared: map[gvks.GroupKind]bool{},
	}
}

// Load returns what was written here, else what is below.
func (l *layer) Load(ctx context.Context, ref object.Ref) (*memory.Entry, error) {
	if e, err := l.Map.Load(ctx, ref); e != nil || err != nil {
		return e, err
	}
	if l.hides(ref.Key) {
		return nil, nil
	}
	version, ok, err := l.versionBelow(ctx, ref.GVK())
	if err != nil || !ok {
		return nil, err
	}
	ref.Version = version
	u, err := l.below(ctx, ref.Key).Get(ctx, ref)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if u, err = l.shows(ctx, u); u == nil || err != nil {
		return nil, err
	}
	return &memory.Entry{Object: u, Below: true}, nil
}

// List returns what is below and was not written here, and what was. The
// selector is left to the caller for what stands here: only what is below has
// the labels that it was asked with.
func (l *layer) List(ctx context.Context, gvk gvks.GroupVersionKind, in world.Selection) ([]*memory.Entry, error) {
	entries, err := l.Map.List(ctx, gvk, in)
	if err != nil || l.isCleared(gvk.GroupKind()) {
		return entries, err
	}
	version, ok, err := l.versionBelow(ctx, gvk)
	if err != nil || !ok {
		return entries, err
	}
	gvk.Version = version
	all, err := l.below(ctx, object.Key{}).List(ctx, gvk, in)
	if meta.IsNoMatchError(err) {
		return entries, nil
	}
	if err != nil {
		return nil, err
	}
	for _, u := range all {
		key := object.KeyOf(u)
		if here, _ := l.Map.Load(ctx, object.RefOf(u)); here != nil || l.hides(key) {
			continue
		}
		if u, err = l.shows(ctx, u); err != nil {
			return nil, err
		}
		if u != nil {
			entries = append(entries, &memory.Entry{Object: u, Below: true})
		}
	}
	return entries, nil
}

// Swap writes here. An object from below is replaced when nothing was written
// over it in the meantime; a deletion leaves a tombstone.
func (l *layer) Swap(ref object.Ref, from, to *memory.Entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	here := from
	if from != nil && from.Below {
		if l.tombstones[ref.Key] {
			return false
		}
		here = nil
	}
	if !l.Map.Swap(ref, here, to) {
		return false
	}
	if to != nil {
		delete(l.tombstones, ref.Key)
		if from != nil && from.Below {
			l.copied[ref.Key] = true
		}
		return true
	}
	l.tombstones[ref.Key] = true
	delete(l.copied, ref.Key)
	if uid := from.Object.GetUID(); !l.released[uid] {
		l.dead[uid] = true
	}
	if ref.Group == "" && ref.Kind == "Namespace" {
		l.emptied[ref.Name] = true
	}
	return true
}

// Define notes kinds that are defined here; what is below them still shows.
func (l *layer) Define(d *schema.Definition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.defined[d.GroupKind] = true
	l.Map.Define(d)
}

// Undefine hides a kind, and for good what is below of it.
func (l *layer) Undefine(gk gvks.GroupKind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.defined, gk)
	l.cleared[gk] = true
	l.Map.Undefine(gk)
}

// Orphan lets what an object owns stay when it goes.
func (l *layer) Orphan(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released[uid] = true
}

// pristine tells whether nothing here changes what a world below would say of
// an apply.
func (l *layer) pristine(ref object.Ref) bool {
	if here, _ := l.Map.Load(context.Background(), ref); here != nil {
		return false
	}
	namespace := object.Ref{Key: object.Key{Kind: "Namespace", Name: ref.Namespace}, Version: "v1"}
	here, _ := l.Map.Load(context.Background(), namespace)
	l.mu.RLock()
	defer l.mu.RUnlock()
	if here != nil && !l.copied[namespace.Key] {
		return false
	}
	gk := ref.GroupKind()
	return !l.tombstones[ref.Key] && !l.emptied[ref.Namespace] && !l.defined[gk] && !l.cleared[gk]
}

// hides tells whether an object below was deleted here.
func (l *layer) hides(k object.Key) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tombstones[k] || l.cleared[k.GroupKind()]
}

func (l *layer) isCleared(gk gvks.GroupKind) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.cleared[gk]
}

// below is the world below as the one who asks may see it.
func (l *layer) below(ctx context.Context, k object.Key) world.World {
	if a, ok := ctx.Value(askingKey{}).(asking); ok && a.key == k {
		return a.world
	}
	return l.base
}
