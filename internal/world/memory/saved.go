package memory

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/schema"
)

// Saved is a world as plain data: what makes it of another one that it is a copy
// of. It shares its objects with the world, where they never change.
type Saved struct {
	Objects  []*unstructured.Unstructured // that the other does not have, or has otherwise, as they were written
	Gone     []object.Ref                 // that the other has
	Version  uint64
	Made     map[object.Key]int
	Names    map[string]int
	Draining map[object.Key]object.Ref
}

var errElsewhere = errors.New("save the world: its objects stand elsewhere")

// Saved returns what the world became since it was copied from another one, which
// has not changed since.
//
//	w, _ := empty.Copy()
//	… w.Apply(…) …
//	s, err := w.Saved(empty)
//	again, _ := empty.Copy()
//	err = again.Restore(s) // stands as w does
func (w *World) Saved(from *World) (Saved, error) {
	now, ok := w.store.(*Map)
	was, also := from.store.(*Map)
	if !ok || !also {
		return Saved{}, errElsewhere
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.naming.Lock()
	defer w.naming.Unlock()
	out := Saved{Version: w.version, Made: maps.Clone(w.made), Names: maps.Clone(w.names), Draining: maps.Clone(w.draining)}
	out.Objects, out.Gone = now.since(was)
	return out, nil
}

// since returns what one store has that another does not have so, in the order in
// which it was written, and what it does not have any more.
func (s *Map) since(was *Map) (objects []*unstructured.Unstructured, gone []object.Ref) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	was.mu.RLock()
	defer was.mu.RUnlock()
	for kind, all := range s.objects {
		for name, e := range all {
			if was.objects[kind][name] != e {
				objects = append(objects, e.Object)
			}
		}
	}
	for kind, all := range was.objects {
		for name, e := range all {
			if s.objects[kind][name] == nil {
				gone = append(gone, object.RefOf(e.Object))
			}
		}
	}
	slices.SortFunc(objects, func(a, b *unstructured.Unstructured) int { return cmp.Compare(versionOf(a), versionOf(b)) })
	slices.SortFunc(gone, func(a, b object.Ref) int { return object.Compare(a.Key, b.Key) })
	return objects, gone
}

func versionOf(u *unstructured.Unstructured) uint64 {
	n, _ := strconv.ParseUint(u.GetResourceVersion(), 10, 64) // the world's own
	return n
}

// Restore makes of a copy of the other world what was saved. It is for a world to
// which nobody has subscribed. The objects belong to the world from then on.
func (w *World) Restore(s Saved) error {
	to, ok := w.store.(*Map)
	if !ok {
		return errElsewhere
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.naming.Lock()
	defer w.naming.Unlock()
	for _, ref := range s.Gone {
		if err := to.place(ref, nil); err != nil {
			return err
		}
	}
	for _, obj := range s.Objects {
		if err := to.place(object.RefOf(obj), &Entry{Object: obj}); err != nil {
			return err
		}
	}
	w.version, w.made, w.names, w.draining = s.Version, orEmptyMap(s.Made), orEmptyMap(s.Names), orEmptyMap(s.Draining)
	return nil
}

func orEmptyMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}

// place puts an entry (nil: none) where it belongs, whatever stands there, with the
// kinds that it defines.
func (s *Map) place(ref object.Ref, e *Entry) error {
	s.mu.RLock()
	there := s.objects[ref.GroupKind()][nameOf(ref.Key)]
	s.mu.RUnlock()
	if !s.Swap(ref, there, e) {
		return fmt.Errorf("restore %s: others write it", ref.Key) // a bug: nobody else has the world
	}
	switch {
	case !isDefinition(ref):
	case e == nil:
		s.Undefine(defines(there.Object))
	case !gone(e.Object):
		d, err := schema.Compile(e.Object)
		if err != nil {
			return fmt.Errorf("restore %s: %w", ref.Key, err)
		}
		s.Define(d)
	}
	return nil
}
