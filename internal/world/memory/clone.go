package memory

import (
	"errors"
	"maps"

	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
)

// Copy returns a world of its own that holds what this one holds now; objects are
// shared, as they never change. Nobody is subscribed to it. A world over a store
// of another kind than Map cannot be copied.
func (w *World) Copy() (*World, error) {
	from, ok := w.store.(*Map)
	if !ok {
		return nil, errors.New("copy the world: its objects stand elsewhere")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.naming.Lock()
	defer w.naming.Unlock()
	to := newState(from.copy(), w.options)
	to.version, to.made, to.names, to.draining = w.version, maps.Clone(w.made), maps.Clone(w.names), maps.Clone(w.draining)
	to.sets = w.sets
	return &World{state: to, as: w.as}, nil
}

func (s *Map) copy() *Map {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := &Map{
		kinds: s.kinds, objects: make(map[gvks.GroupKind]map[types.NamespacedName]*Entry, len(s.objects)),
		owned: make(map[types.UID]map[object.Key]object.Ref, len(s.owned)),
	}
	for kind, all := range s.objects {
		out.objects[kind] = maps.Clone(all)
	}
	for uid, refs := range s.owned {
		out.owned[uid] = maps.Clone(refs)
	}
	return out
}
