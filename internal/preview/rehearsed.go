package preview

import (
	"maps"
	"slices"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Sides are a fleet at base and at head.
type Sides [2]fleet.Rendered

// Rehearsed puts what a rehearsal showed in the place of what was drawn up without
// one, and names the units of head that could not be rehearsed.
//
//	sides, kept := preview.Rehearsed(draft, real)
//
// How a unit stands is told as it was seen, and so is what it holds, when it came as
// far as to apply that at both sides. What a unit would hold that was refused stands
// as drafted: a reader wants to see what it was that was refused. A unit that needs
// what is out of reach, and what such a unit would make, is as drafted at all. What
// was read, and in which order units come, is known of the draft only.
func Rehearsed(draft, real Sides) (out Sides, kept []object.Key) {
	m := merging{draft: [2]byKey{keyed(draft[0]), keyed(draft[1])}, real: [2]byKey{keyed(real[0]), keyed(real[1])}}
	m.apart = m.drafted()
	for i := range draft {
		out[i] = draft[i]
		out[i].Units = nil
		for _, key := range m.keys(i) {
			if u := m.unit(i, key); u != nil {
				out[i].Units = append(out[i].Units, seenReally(*u, m.apart[i][key]))
			}
		}
		if out[i].Fidelity = world.Rehearsed; len(m.apart[i]) > 0 {
			out[i].Fidelity = world.PartlyRehearsed
		}
	}
	return out, slices.SortedFunc(maps.Keys(m.apart[1]), object.Compare)
}

type byKey map[object.Key]*fleet.Unit

func keyed(r fleet.Rendered) byKey {
	out := make(byKey, len(r.Units))
	for i := range r.Units {
		out[r.Units[i].Key] = &r.Units[i]
	}
	return out
}

// merging is a draft, what was seen of it, and the units that stay as drafted.
type merging struct {
	draft, real [2]byKey
	apart       [2]map[object.Key]bool
}

func (m merging) keys(side int) []object.Key {
	all := map[object.Key]bool{}
	for _, units := range []byKey{m.draft[side], m.real[side]} {
		for key := range units {
			all[key] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), object.Compare)
}

// drafted are the units of each side that stay as they are drafted: one that could not be
// rehearsed at the other side is so here too if its draft there holds anything, or
// what a server adds would look like a change.
func (m merging) drafted() (out [2]map[object.Key]bool) {
	beyond := [2]map[object.Key]bool{m.beyond(0), m.beyond(1)}
	for i := range out {
		out[i] = maps.Clone(beyond[i])
		for key := range beyond[1-i] {
			if u := m.draft[1-i][key]; u != nil && u.State != fleet.NotRendered && m.draft[i][key] != nil {
				out[i][key] = true
			}
		}
	}
	return out
}

// beyond are the units of a side that could not be rehearsed: those that say so of
// themselves, work in another cluster or could not be drafted either, what waits for them, and what they
// would make.
func (m merging) beyond(side int) map[object.Key]bool {
	out, names := map[object.Key]bool{}, map[string]bool{}
	mark := func(key object.Key) { out[key], names[key.String()] = true, true }
	lost := func(name string) bool { return report.IsRemedy(name) || names[name] }
	for before := -1; before < len(out); {
		before = len(out)
		for key, u := range m.real[side] {
			if u.State != fleet.Ready && u.State != fleet.Suspended && slices.ContainsFunc(u.On, lost) {
				mark(key)
			}
		}
		for key, u := range m.draft[side] {
			if u.State == fleet.NotRendered || u.Cluster != "" || m.real[side][key] == nil && out[u.Parent] {
				mark(key)
			}
		}
	}
	return out
}

// unit is a unit as it is told; nil for one that a rehearsal did not bring about.
func (m merging) unit(side int, key object.Key) *fleet.Unit {
	drafted, seen := m.draft[side][key], m.real[side][key]
	switch {
	case drafted == nil:
		return seen
	case m.apart[side][key]:
		return drafted
	case seen == nil:
		return nil
	}
	u := *seen
	u.Order, u.Reads, u.Files = drafted.Order, drafted.Reads, drafted.Files
	if !m.holds(key) {
		u.Objects, u.Release, u.Wanted = refused(drafted.Objects, seen.Message), drafted.Release, wantedOf(drafted)
	}
	return &u
}

// refused are objects of a draft, with what a server said against them.
func refused(drafted []fleet.Object, message string) []fleet.Object {
	why := apply.RefusedIn(message)
	if len(why) == 0 {
		return drafted
	}
	out := slices.Clone(drafted)
	for i := range out {
		out[i].Refused = why[out[i].Ref.Key.String()]
	}
	return out
}

// seenReally is a unit whose health no longer rests on assumptions, unless it was
// beyond reach.
func seenReally(u fleet.Unit, beyond bool) fleet.Unit {
	if beyond {
		return u
	}
	u.Objects = slices.Clone(u.Objects)
	for i := range u.Objects {
		u.Objects[i].Assumed = false
	}
	return u
}

// holds tells whether a unit came as far as to say what it holds, wherever it was
// rehearsed. A release says so when its action has ended.
func (m merging) holds(key object.Key) bool {
	for i, side := range m.real {
		u := side[key]
		if u != nil && !m.apart[i][key] && (!change.Applied(u) && u.State != fleet.Suspended || key.Kind == unit.HelmReleaseKind && u.State != fleet.Ready) {
			return false
		}
	}
	return true
}

// wantedOf is what a unit asks for; nil where that is not known, because it could not
// be built: nothing of it goes then.
func wantedOf(u *fleet.Unit) []object.Ref {
	if u.Wanted != nil || !change.Applied(u) {
		return u.Wanted
	}
	out := make([]object.Ref, 0, len(u.Objects))
	for _, o := range u.Objects {
		out = append(out, o.Ref)
	}
	return out
}
