package app

import (
	"reflect"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// twins are units of a fleet that hold what those of another one do: they get the very
// objects of the other one. Who compares the two then sees at once that they are the
// same. What was compared once is not again, as long as renderings share it. The zero
// value knows none.
type twins struct{ known map[object.Key]twin }

// twin is what a unit was rendered to, and what stands for it.
type twin struct{ was, as []fleet.Object }

// share returns head with the objects of base where those of a unit are equal. It
// changes neither.
func (t *twins) share(base, head fleet.Rendered) fleet.Rendered {
	known := make(map[object.Key]twin, len(head.Units))
	head.Units = append([]fleet.Unit(nil), head.Units...)
	var before map[object.Key]*fleet.Unit
	for i := range head.Units {
		u := &head.Units[i]
		w, ok := t.known[u.Key]
		if !ok || !fleet.Shared(w.was, u.Objects) {
			if before == nil {
				before = unitsByKey(base)
			}
			w = twin{u.Objects, u.Objects}
			if b := before[u.Key]; b != nil && reflect.DeepEqual(b.Objects, u.Objects) {
				w.as = b.Objects
			}
		}
		known[u.Key] = w
		u.Objects = w.as
	}
	t.known = known
	return head
}

func unitsByKey(r fleet.Rendered) map[object.Key]*fleet.Unit {
	out := make(map[object.Key]*fleet.Unit, len(r.Units))
	for i := range r.Units {
		out[r.Units[i].Key] = &r.Units[i]
	}
	return out
}
