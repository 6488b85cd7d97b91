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
//   - what was made up for base is needed by the same units still.
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
		if !slices.ContainsFunc(p.By, func(key object.Key) bool { return !needs(was[key], is[key]) }) && !brings(head, p.Object.Key) {
			continue
		}
		return false
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
	return was != nil && is != nil && reflect.DeepEqual(was.Object.Object["spec"], is.Object.Object["spec"])
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
