package memory

import (
	"context"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/schema"
)

// Store holds the objects of a World. It is asked with full references since
// a store may have to ask a server. It must be safe for concurrent use, but
// Swap and Define are never called at once.
type Store interface {
	// Load returns the entry of an object, nil where there is none.
	Load(ctx context.Context, ref object.Ref) (*Entry, error)
	// List returns the entries of a kind, in any order.
	List(ctx context.Context, gvk gvks.GroupVersionKind, in world.Selection) ([]*Entry, error)
	// Swap puts an entry in the place of another; nil stands for none. It returns
	// false, and does nothing, when another entry stands there now.
	Swap(ref object.Ref, from, to *Entry) bool
	// Kind returns what is known of a kind; Look does too, but may leave out what
	// only writes need.
	Kind(ctx context.Context, gvk gvks.GroupVersionKind) (*schema.Kind, error)
	Look(ctx context.Context, gvk gvks.GroupVersionKind) (*schema.Kind, error)
	// Kinds returns how every kind is served in every version.
	Kinds(ctx context.Context) ([]world.Mapping, error)
	// Define adds the kinds of a definition that was written; Undefine takes
	// them away.
	Define(d *schema.Definition)
	Undefine(gk gvks.GroupKind)
	// Dependents returns what names uid as an owner, as far as the store must
	// be told to collect it.
	Dependents(uid types.UID) []object.Ref
	// Orphan says that what names uid as an owner shall stay when it goes.
	Orphan(uid types.UID)
	// Content returns what is in a namespace, as far as the store must be told
	// to collect it.
	Content(namespace string) []object.Ref
}

// Entry is an object that stands in a store. Neither is ever changed.
type Entry struct {
	Object *unstructured.Unstructured
	// Below tells that the object stands in what the store lies over.
	Below bool
}

// Map is a Store that holds all its objects itself.
type Map struct {
	mu      sync.RWMutex
	kinds   *schema.Kinds
	objects map[gvks.GroupKind]map[types.NamespacedName]*Entry
	owned   map[types.UID]map[object.Key]object.Ref // by the uid of the owner
}

// NewMap returns a store without objects that serves these kinds.
func NewMap(kinds *schema.Kinds) *Map {
	return &Map{
		kinds:   kinds,
		objects: map[gvks.GroupKind]map[types.NamespacedName]*Entry{},
		owned:   map[types.UID]map[object.Key]object.Ref{},
	}
}

func nameOf(k object.Key) types.NamespacedName {
	return types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
}

// Load returns the entry of an object.
func (s *Map) Load(_ context.Context, ref object.Ref) (*Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.objects[ref.GroupKind()][nameOf(ref.Key)], nil
}

// List returns the entries of a kind, whatever their labels.
func (s *Map) List(_ context.Context, gvk gvks.GroupVersionKind, in world.Selection) ([]*Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*Entry
	for name, e := range s.objects[gvk.GroupKind()] {
		if in.Namespace == "" || in.Namespace == name.Namespace {
			found = append(found, e)
		}
	}
	return found, nil
}

// Swap puts an entry in the place of another.
func (s *Map) Swap(ref object.Ref, from, to *Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.objects[ref.GroupKind()]
	if all[nameOf(ref.Key)] != from {
		return false
	}
	if all == nil {
		all = map[types.NamespacedName]*Entry{}
		s.objects[ref.GroupKind()] = all
	}
	s.index(from, to)
	if to == nil {
		delete(all, nameOf(ref.Key))
	} else {
		all[nameOf(ref.Key)] = to
	}
	return true
}

func (s *Map) index(from, to *Entry) {
	if from != nil {
		for _, o := range from.Object.GetOwnerReferences() {
			delete(s.owned[o.UID], object.KeyOf(from.Object))
		}
	}
	if to == nil {
		return
	}
	for _, o := range to.Object.GetOwnerReferences() {
		if s.owned[o.UID] == nil {
			s.owned[o.UID] = map[object.Key]object.Ref{}
		}
		ref := object.RefOf(to.Object)
		s.owned[o.UID][ref.Key] = ref
	}
}

// Look is Kind.
func (s *Map) Look(ctx context.Context, gvk gvks.GroupVersionKind) (*schema.Kind, error) {
	return s.Kind(ctx, gvk)
}

// Kind finds a kind.
func (s *Map) Kind(_ context.Context, gvk gvks.GroupVersionKind) (*schema.Kind, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.kinds.Find(gvk)
}

// Kinds returns how every kind is served.
func (s *Map) Kinds(context.Context) ([]world.Mapping, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.kinds.Served(), nil
}

// Define adds the kinds of a definition.
func (s *Map) Define(d *schema.Definition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds = s.kinds.With(d)
}

// Undefine takes a kind away.
func (s *Map) Undefine(gk gvks.GroupKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds = s.kinds.Without(gk)
}

// Dependents returns what names uid as an owner.
func (s *Map) Dependents(uid types.UID) []object.Ref {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sortedRefs(maps.Values(s.owned[uid]))
}

// Orphan has nothing to do: all dependents are told apart.
func (s *Map) Orphan(types.UID) {}

// Content returns what is in a namespace.
func (s *Map) Content(namespace string) []object.Ref {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sortedRefs(func(yield func(object.Ref) bool) {
		for _, all := range s.objects {
			for name, e := range all {
				if name.Namespace == namespace && !yield(object.RefOf(e.Object)) {
					return
				}
			}
		}
	})
}
