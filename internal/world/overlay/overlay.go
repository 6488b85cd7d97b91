// Package overlay is a copy of a world that nobody has to pay for: what is read
// comes from the world below until it is written, and what is written stays in
// the copy.
//
//	copy := overlay.New(cluster, overlay.Options{})
//	_, err := copy.Apply(ctx, a)        // the cluster does not notice
//	trust := copy.Trust(object.KeyOf(a.Object))
//
// An object that was not written here shows what is below at that moment; one
// that was does not. Deletions take along what was owned, what stood in the
// namespace, what a definition defined, here and below. It must never write
// below; it asks there only for dry runs, where those are exact.
package overlay

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

// Options are the choices of a World.
type Options struct {
	// Now is the clock of what is written here; see memory.Options.
	Now func() time.Time
	// Seed tells apart the uids of overlays over one world.
	Seed string
	// Check sees every request; see memory.Options.
	Check func(memory.Request) error
}

// Resource versions of an overlay are counted from far above those of any
// server, each overlay in a range of its own.
const (
	firstVersion  = 1 << 60
	versionsEach  = 1 << 52
	depthOfSeries = "overlay"
)

// World is a copy of another world. It is safe for concurrent use.
type World struct {
	*memory.World
	*shared
	as world.Identity
}

// shared is what the copy's worlds of all identities share.
type shared struct {
	base  world.World
	layer *layer
	depth int

	mu    sync.Mutex
	worst world.Fidelity
	trust map[object.Key]world.Fidelity
}

var _ world.World = (*World)(nil)

// New returns a copy of base.
func New(base world.World, o Options) *World {
	depth := 0
	if below, ok := base.(*World); ok {
		depth = below.depth + 1
	}
	l := newLayer(base, o.Now)
	seed := depthOfSeries + string(rune('0'+depth)) + o.Seed
	return &World{
		World: memory.Over(l, memory.Options{
			Now: o.Now, Seed: seed, Check: o.Check, FirstVersion: firstVersion + uint64(depth)*versionsEach,
		}),
		shared: &shared{base: base, layer: l, depth: depth, worst: base.Fidelity(), trust: map[object.Key]world.Fidelity{}},
	}
}

// As returns the same copy; what is asked below is asked with the rights of the
// identity.
func (w *World) As(id world.Identity) world.World {
	inner, ok := w.World.As(id).(*memory.World)
	if !ok {
		inner = w.World // memory returns nothing else
	}
	return &World{World: inner, shared: w.shared, as: id}
}

// Get reads here, else below.
func (w *World) Get(ctx context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	return w.World.Get(w.asking(ctx, ref.Key), ref)
}

// List reads below and here.
func (w *World) List(ctx context.Context, gvk schema.GroupVersionKind, in world.Selection) ([]*unstructured.Unstructured, error) {
	return w.World.List(w.asking(ctx, object.Key{}), gvk, in)
}

// Patch changes an object here.
func (w *World) Patch(ctx context.Context, p world.Patch) (*unstructured.Unstructured, error) {
	return w.World.Patch(w.asking(ctx, p.Ref.Key), p)
}

// Create makes an object here.
func (w *World) Create(ctx context.Context, obj *unstructured.Unstructured, manager string) (*unstructured.Unstructured, error) {
	return w.World.Create(w.asking(ctx, object.KeyOf(obj)), obj, manager)
}

// Delete removes an object here.
func (w *World) Delete(ctx context.Context, d world.Delete) error {
	return w.World.Delete(w.asking(ctx, d.Ref.Key), d)
}

// asking says on whose behalf, and for which object, the layer asks below. What
// it needs besides (is there such a namespace?) it asks for itself.
func (w *World) asking(ctx context.Context, k object.Key) context.Context {
	if w.as.User == "" {
		return ctx
	}
	return context.WithValue(ctx, askingKey{}, asking{world: w.base.As(w.as), key: k})
}

type askingKey struct{}

type asking struct {
	world world.World
	key   object.Key // zero for a list
}
