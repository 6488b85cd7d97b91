package memory

import (
	"encoding/json"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// stamp gives the entries of managedFields their time: that of live where the entry
// is the same, now where it is not. Sets of fields that are equal become one.
func (s *state) stamp(next, live *unstructured.Unstructured) error {
	entries := next.GetManagedFields()
	if len(entries) == 0 {
		return nil
	}
	var before []metav1.ManagedFieldsEntry
	if live != nil {
		before = live.GetManagedFields()
	}
	list, now := make([]any, len(entries)), &metav1.Time{Time: s.now()}
	for i, e := range entries {
		e.Time = now
		for _, b := range before {
			if sameEntry(e, b) {
				e.Time = b.Time
			}
		}
		var err error
		if list[i], err = s.sets.entry(e); err != nil {
			return err
		}
	}
	metadata(next)["managedFields"] = list
	return nil
}

// fieldSets holds sets of fields as objects show them, each once: objects of one
// shape have the same, and they are most of what an object weighs. What an entry of a
// store holds never changes, so they can be shared.
type fieldSets struct {
	mu  sync.Mutex
	all map[string]map[string]any // by their JSON
}

// maxFieldSets bounds the sets that are shared; more are decoded for each object.
const maxFieldSets = 10_000

// entry is an entry of managedFields as objects show it.
func (s *fieldSets) entry(e metav1.ManagedFieldsEntry) (map[string]any, error) {
	fields := e.FieldsV1
	e.FieldsV1 = nil
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&e)
	if err == nil && fields != nil {
		out["fieldsV1"], err = s.of(fields.Raw)
	}
	return out, err
}

func (s *fieldSets) of(raw []byte) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set, ok := s.all[string(raw)]; ok {
		return set, nil
	}
	var set map[string]any
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, err
	}
	if s.all == nil {
		s.all = map[string]map[string]any{}
	}
	if len(s.all) < maxFieldSets {
		s.all[string(raw)] = set
	}
	return set, nil
}

// beside lets f change an object without its managedFields, which this world has
// written itself: they stay as they are.
func beside(u *unstructured.Unstructured, f func(*unstructured.Unstructured) error) error {
	fields, has := metadata(u)["managedFields"]
	if !has {
		return f(u)
	}
	delete(metadata(u), "managedFields")
	if err := f(u); err != nil {
		return err
	}
	metadata(u)["managedFields"] = fields
	return nil
}
