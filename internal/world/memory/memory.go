// Package memory is a World of objects in this process that behaves as an API
// server would: it keeps owners of fields, defaults, prunes and validates custom
// objects by their definitions, honours finalizers and preconditions, and
// collects what deleted objects owned.
//
//	w := memory.New(memory.Options{})
//	_, err := w.Create(ctx, namespace, "test")
//	after, err := w.Apply(ctx, world.Apply{Object: obj, Manager: "kustomize-controller"})
//
// Where the objects stand is a Store; package overlay puts another one
// underneath. No controllers run in it, and nothing in it reads a clock that
// was not given to it. It must never be more lenient than a real API server in
// what it refuses about ownership: conflicts are found by the same code.
package memory

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// Options are the choices of a World; the zero value makes one in which equal
// histories yield equal objects, at a standing clock.
type Options struct {
	// Now is the clock of creationTimestamp and its like. By default it stands
	// at the start of 2025.
	Now func() time.Time
	// UID names the nth object (from 0) made under a key.
	UID func(key object.Key, n int) types.UID
	// Seed tells apart the uids and generated names of worlds.
	Seed string
	// FirstVersion is what resource versions are counted from.
	FirstVersion uint64
	// Check sees every request before it is served, and may refuse it. Rights are
	// not modelled otherwise.
	Check func(Request) error
	// Kinds are those served at the start; by default the built-in ones.
	Kinds *schema.Kinds
	// Bare leaves out the namespaces that every cluster has.
	Bare bool
	// OwnStatus says that statuses are written by this program alone, as its types
	// have them: they are not held to the schema of their kind, which is half of what
	// writing one costs.
	OwnStatus bool
}

// Request is what Check sees.
type Request struct {
	// Verb is get, list, create, apply, patch or delete.
	Verb        string
	Ref         object.Ref // without a name for list
	Subresource string
	DryRun      bool
	As          world.Identity
}

// EventType says what happened to an object.
type EventType string

// The event types, named as in watches.
const (
	Added    EventType = "ADDED"
	Modified EventType = "MODIFIED"
	Deleted  EventType = "DELETED"
)

// Event is one change. Its object is shared: it must not be changed.
type Event struct {
	Type   EventType
	Object *unstructured.Unstructured
}

// World is the world of a Store. It is safe for concurrent use.
type World struct {
	*state
	as      world.Identity
	trusted bool // one of the world's own controllers: nothing is checked
}

var _ world.World = (*World)(nil)

// New returns a world that holds nothing but the namespaces of every cluster.
func New(o Options) *World {
	if o.Kinds == nil {
		o.Kinds = schema.Builtin()
	}
	w := Over(NewMap(o.Kinds), o)
	if o.Bare {
		return w
	}
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		if _, err := w.create(context.Background(), newNamespace(name), "kube-apiserver"); err != nil {
			panic("memory: create namespace " + name + ": " + err.Error()) // a bug: nothing can refuse it
		}
	}
	return w
}

// Over returns the world of the objects in a store.
func Over(s Store, o Options) *World { return &World{state: newState(s, o)} }

// Fidelity says that schemas are known and nothing else of a server.
func (w *World) Fidelity() world.Fidelity { return world.OfSchema }

// As returns the same world asked by someone else; see Options.Check.
func (w *World) As(id world.Identity) world.World { return &World{state: w.state, as: id} }

// Subscribe calls f for every change from now on, one at a time and in the
// order of resource versions, until cancel is called. f must return fast and
// must not ask the world for anything.
func (w *World) Subscribe(f func(Event)) (cancel func()) { return w.subscribe(f) }

func (w *World) check(r Request) error {
	if w.options.Check == nil || w.trusted {
		return nil
	}
	r.As = w.as
	return w.options.Check(r)
}

func newNamespace(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}
}
