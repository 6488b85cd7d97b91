package preview

import (
	"slices"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// Passage says what a head that base passed on to is worth.
type Passage int

const (
	// Apart is a head that has to be rendered in a world of its own.
	Apart Passage = iota
	// Refused is a head of which units did not become ready that held something
	// before: they show what they held. What they would hold, a world of its own
	// knows; Merge brings the two together.
	Refused
	// Whole is a head that is as one in a world of its own, but for what base left
	// behind.
	Whole
)

// Passed judges a fleet that went from base to head. It stands as one that began
// with head would, unless
//
//   - something at head brings what was made up for base;
//   - a release whose chart was edited and kept its version was not upgraded, so
//     that nothing tells what the edit would have changed;
//   - a unit is not ready that held something at base, other than in the same trouble.
//
// What stands for a thing outside of Git stays, as that thing would. Base is what the
// same fleet was before.
func Passed(base, head fleet.Rendered) Passage {
	out, was := Whole, keyed(base)
	for i := range head.Units {
		u := &head.Units[i]
		switch b := was[u.Key]; {
		case b != nil && unreleased(base, head, *b, *u):
			return Apart
		case !stands(b, u):
			out = Refused
		}
	}
	for _, p := range base.Placeholders {
		if brings(head, p.Object.Key) {
			return Apart
		}
	}
	return out
}

// unreleased tells whether the chart of a release was edited, and the release not
// upgraded.
func unreleased(base, head fleet.Rendered, was, is fleet.Unit) bool {
	return unmoved(was, is) && digestOf(base, was.Source) != digestOf(head, is.Source)
}

// Merge is a head of which base's world refused something: its units stand as passed
// has them, and what they would hold is what it is in a world of its own.
func Merge(base, passed, fresh fleet.Rendered) fleet.Rendered {
	m := merging{draft: [2]byKey{keyed(base), keyed(fresh)}, real: [2]byKey{keyed(base), keyed(passed)}}
	out := fresh
	out.Units = nil
	m.apart[1] = m.beyond(1)
	for _, key := range m.keys(1) {
		if u := m.unit(1, key); u != nil {
			out.Units = append(out.Units, *u)
		}
	}
	return out
}

// stands tells whether a unit is ready, or in the same trouble as before, or held
// nothing before (nil: it was not there).
func stands(was, is *fleet.Unit) bool {
	if is.State == fleet.Ready || was == nil || heldNothing(was) {
		return true
	}
	return was.State == is.State && was.Reason == is.Reason && was.Message == is.Message
}

// heldNothing tells whether a unit left nothing behind. A HelmRelease that was never
// installed left its HelmChart.
func heldNothing(u *fleet.Unit) bool {
	return u.State != fleet.Ready && len(u.Objects) == 0 && u.Release == nil && u.Key.Kind != unit.HelmReleaseKind
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
