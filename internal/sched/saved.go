package sched

import (
	"maps"
	"slices"

	"github.com/leat-dev/leat/internal/object"
)

// Standing is a unit at rest: nothing but what it waits on.
type Standing struct {
	Unit     object.Key
	Class    string
	Subjects []string
}

// Standing returns the units in order; false where something runs, or is to run.
func (s *State) Standing() ([]Standing, bool) {
	if !s.Idle() {
		return nil, false
	}
	out := make([]Standing, 0, len(s.units))
	for _, key := range slices.SortedFunc(maps.Keys(s.units), object.Compare) {
		u := s.units[key]
		if !u.next.IsZero() || u.pending || u.removed {
			return nil, false
		}
		out = append(out, Standing{key, u.class, slices.Clone(u.subjects)})
	}
	return out, true
}

// Stand makes units wait on what they waited on, in a State without units.
func (s *State) Stand(units []Standing) {
	for _, at := range units {
		u := &entry{key: at.Unit, class: at.Class}
		s.units[at.Unit] = u
		s.subscribe(u, at.Subjects)
	}
}
