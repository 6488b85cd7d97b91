package preview

import (
	"slices"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// Passed tells whether a fleet that went from base to head stands as one that began
// with head would, but for what base left behind:
//
//   - a unit that is not ready shows what it held before: it was not ready for the
//     same reason at base, or held nothing;
//   - a release whose chart was edited and kept its version was not upgraded, so
//     nothing tells what the edit would have changed;
//   - nothing at head brings what was made up for base. Whoever read it or reads it
//     now: what stands for a thing outside of Git stays, as that thing would.
//
// Base is what the same fleet was before.
func Passed(base, head fleet.Rendered) bool {
	was := make(map[object.Key]*fleet.Unit, len(base.Units))
	for i := range base.Units {
		was[base.Units[i].Key] = &base.Units[i]
	}
	for i := range head.Units {
		u := &head.Units[i]
		if b := was[u.Key]; !stands(b, u) || b != nil && unmoved(*b, *u) && digestOf(base, b.Source) != digestOf(head, u.Source) {
			return false
		}
	}
	for _, p := range base.Placeholders {
		if brings(head, p.Object.Key) {
			return false
		}
	}
	return true
}

// stands tells whether a unit is ready, or in the same trouble as before, or held
// nothing before (nil: it was not there).
func stands(was, is *fleet.Unit) bool {
	if is.State == fleet.Ready || was == nil || was.State != fleet.Ready && len(was.Objects) == 0 && was.Release == nil {
		return true
	}
	return was.State == is.State && was.Reason == is.Reason && was.Message == is.Message
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
