package preview

import (
	"reflect"
	"slices"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// Passed tells whether a fleet that went from base to head stands as one that began
// with head would, but for what base left behind:
//
//   - a unit that is not ready shows what it held before, and it was not ready for
//     the same reason at base, so that it never held anything;
//   - a release whose chart was edited and kept its version was not upgraded, so
//     nothing tells what the edit would have changed;
//   - what was made up for base is still read as it was by whom it was made up for,
//     or they are gone: what stands for a thing outside of Git stays as it is, as
//     that thing would.
//
// Base is what the same fleet was before.
func Passed(base, head fleet.Rendered) bool {
	was := make(map[object.Key]*fleet.Unit, len(base.Units))
	for i := range base.Units {
		was[base.Units[i].Key] = &base.Units[i]
	}
	is := make(map[object.Key]*fleet.Unit, len(head.Units))
	for i := range head.Units {
		u := &head.Units[i]
		is[u.Key] = u
		if b := was[u.Key]; !stands(b, u) || b != nil && unmoved(*b, *u) && digestOf(base, b.Source) != digestOf(head, u.Source) {
			return false
		}
	}
	for _, p := range base.Placeholders {
		changed := func(key object.Key) bool { return is[key] != nil && !needs(was[key], is[key]) }
		if slices.ContainsFunc(p.By, changed) || brings(head, p.Object.Key) {
			return false
		}
	}
	return true
}

// stands tells whether a unit is ready, or was in the same trouble before (nil: it
// was not there).
func stands(was, is *fleet.Unit) bool {
	if is.State == fleet.Ready {
		return true
	}
	return was != nil && was.State == is.State && was.Reason == is.Reason && was.Message == is.Message
}

// needs tells whether a unit surely reads what it read before.
func needs(was, is *fleet.Unit) bool {
	return was != nil && reflect.DeepEqual(was.Object.Object["spec"], is.Object.Object["spec"])
}

// brings tells whether a unit of a fleet makes an object.
func brings(r fleet.Rendered, key object.Key) bool {
	for i := range r.Units {
		if slices.ContainsFunc(r.Units[i].Objects, func(o fleet.Object) bool { return o.Ref.Key == key }) {
			return true
		}
	}
	return false
}
