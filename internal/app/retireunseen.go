package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/provenance"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/words"
)

// Unseen is what could not be looked into: whether an object is in it nobody knows.
type Unseen struct {
	Environment string      `json:"environment"`
	Unit        string      `json:"unit,omitempty"` // empty for the whole environment
	State       fleet.State `json:"state,omitempty"`
	Why         string      `json:"why"`
	At          string      `json:"at,omitempty"` // file:line of the unit
}

// String is one line for people.
func (u Unseen) String() string {
	text := u.Environment + ": "
	if u.Unit != "" {
		text += u.Unit
		if u.At != "" {
			text += " (" + u.At + ")"
		}
		text += " " + string(u.State) + ": "
	}
	return text + strings.Join(strings.Fields(u.Why), " ")
}

// unseenOrder is what comes first: what failed, then what waits for it. What has no state
// is a whole environment. Kustomizations stand before releases, which hold fewer objects
// that stand in a file of the fleet.
var unseenOrder = []fleet.State{"", fleet.Failed, fleet.NotRendered, fleet.Waiting, fleet.Suspended}

func (u Unseen) rank() int {
	rank := 2 * slices.Index(unseenOrder, u.State)
	if strings.HasPrefix(u.Unit, unit.HelmReleaseKind+"/") {
		rank++
	}
	return rank
}

func sortUnseen(all []Unseen) {
	slices.SortStableFunc(all, func(a, b Unseen) int { return a.rank() - b.rank() })
}

// shownUnseen bounds how many are told in text.
const shownUnseen = 10

// UnseenText lists what could not be looked into, a line each.
func UnseenText(all []Unseen) string {
	var b strings.Builder
	for i, u := range all {
		if i == shownUnseen {
			fmt.Fprintf(&b, "  and %d more\n", len(all)-i)
			break
		}
		fmt.Fprintf(&b, "  %s\n", u)
	}
	return b.String()
}

// unbuilt are the units of an environment that were not built, though they may hold what
// is not seen then.
func unbuilt(e flow.Environment, r rendering, may func(*fleet.Unit) bool) []Unseen {
	var out []Unseen
	var places *provenance.Places
	for i := range r.fleet.Units {
		u := &r.fleet.Units[i]
		if u.State == fleet.Ready || len(u.Objects) > 0 || u.Wanted != nil || !may(u) {
			continue
		}
		if places == nil {
			places = provenance.Read(r.from.at(r.fleet))
		}
		why := cmp.Or(u.Message, u.Reason, "it waits for "+words.Some(u.On))
		if u.State == fleet.Suspended {
			why = "its build is not looked at until it is resumed"
		}
		out = append(out, Unseen{Environment: e.Name, Unit: u.Key.String(), State: u.State, Why: why, At: places.Of(provenance.Target{Unit: u.Key}).At()})
	}
	sortUnseen(out)
	return out
}

// mayMake tells whether a unit makes objects of others.
func mayMake(u *fleet.Unit) bool {
	return u.Key.Kind == unit.KustomizationKind || u.Key.Kind == unit.HelmReleaseKind
}

// mayHold tells whether a unit, which was not built, may read one of the files: one that
// builds from this fleet, as far as that is known, and whose path leads to them.
func mayHold(side Revision, r rendering, files []string) func(*fleet.Unit) bool {
	return func(u *fleet.Unit) bool {
		if u.Key.Kind != unit.KustomizationKind || foreign(r.fleet, u) {
			return false
		}
		return carry.Reaches(side.Tree, u.Path, files)
	}
}

// foreign tells whether a unit builds from another repository. A source that the fleet
// does not make may be the fleet.
func foreign(r fleet.Rendered, u *fleet.Unit) bool {
	source := r.Unit(u.Source)
	if source == nil {
		return false
	}
	s, err := unit.StatusOf(source.Object)
	return err == nil && (s.Artifact == nil || digestIn(s.Artifact.Revision) != digestIn(r.Revision))
}

// digestIn is a revision without its branch: sha1:….
func digestIn(revision string) string { return revision[strings.LastIndexByte(revision, '@')+1:] }

// surroundings are the environments around a retirement, before and after it.
type surroundings struct {
	previews   *Previews
	base, head Revision
	files      []string   // that change
	unit       object.Key // that makes the object
}

// sight is what was seen of an environment.
type sight struct {
	entry   present.Entry // what changes; none where nothing could be compared
	touched bool          // it changes
	unseen  []Unseen
	// lost is what the unit asks for no more; nil where that is not known.
	lost []object.Key
}

// look looks into an environment. Manifests of Flux v1 are read, all others rendered.
func (s surroundings) look(ctx context.Context, e flow.Environment) sight {
	if dir := cmp.Or(e.Directory, e.Cluster); carry.FluxV1(s.base.Tree, dir) {
		return sight{touched: carry.Reaches(s.base.Tree, dir, s.files)}
	}
	sides := s.previews.sides(ctx, entry.Options{Path: delivers(e)}, s.base, s.head)
	one, err := s.previews.compared(ctx, sides)
	if err != nil {
		return sight{unseen: []Unseen{{Environment: e.Name, Why: err.Error()}}}
	}
	before, after := sides[0].fleet, sides[1].fleet
	return sight{entry: one, touched: touches(one) || wantsLess(before, after), lost: lost(before.Unit(s.unit), after.Unit(s.unit)), unseen: unbuilt(e, sides[0], mayHold(s.base, sides[0], s.files))}
}

// around looks into every environment of the branch: it says what changes in the one, and
// what could not be looked into, and refuses what another would lose too.
func (cfg RetireConfig) around(ctx context.Context, f flow.Flow, e flow.Environment, out *Retired) error {
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return err
	}
	defer previews.Close()
	s := surroundings{previews: previews, files: slices.Sorted(maps.Keys(out.Files)), unit: out.Unit}
	if s.base, s.head, err = (Revisions{Dir: cfg.Dir, Base: out.Target.String(), Head: out.Commit.String()}).Read(ctx, previews.pool); err != nil {
		return err
	}
	all := slices.DeleteFunc(slices.Clone(f.Environments), func(other flow.Environment) bool {
		return other.Name != e.Name && (other.Branch != e.Branch || delivers(other) == delivers(e))
	})
	seen := make([]sight, len(all))
	each(len(all), func(i int) { seen[i] = s.look(ctx, all[i]) })
	var shared []string
	for i, other := range all {
		out.Unseen = append(out.Unseen, seen[i].unseen...)
		switch {
		case other.Name != e.Name && seen[i].touched:
			shared = append(shared, other.Name)
		case other.Name == e.Name && out.V1 == nil && seen[i].entry.Path != "":
			out.Plan = lasting(present.Plan{Entries: []present.Entry{seen[i].entry}})
			if err := out.takes(seen[i].lost); err != nil {
				return err
			}
		}
	}
	sortUnseen(out.Unseen)
	if len(shared) > 0 {
		return fmt.Errorf("%s would change too: they share %s; take it out of %s alone, with a patch in its own directory", strings.Join(shared, ", "), words.Some(s.files), e.Name)
	}
	return cfg.seenEnough(out)
}

// takes refuses an edit that takes out anything but the object: what was rendered knows
// it, wherever the manifest was found.
func (out *Retired) takes(lost []object.Key) error {
	if lost == nil || slices.Equal(lost, []object.Key{out.Object}) {
		return nil
	}
	var names []string
	for _, key := range lost {
		names = append(names, grouped(key))
	}
	return fmt.Errorf("the edit at %s would take out %s, and not %s alone: change the files by hand", out.At, words.Some(names), grouped(out.Object))
}

// lost is what a unit asks for no more; nil where that is not known, because it was not
// built after the change.
func lost(before, after *fleet.Unit) []object.Key {
	if before == nil || after == nil || after.State != fleet.Ready && after.Wanted == nil {
		return nil
	}
	now := asksFor(after)
	return slices.DeleteFunc(append([]object.Key{}, asksFor(before)...), func(key object.Key) bool { return slices.Contains(now, key) })
}

// seenEnough refuses to remove what an environment that was not looked into may have, too.
func (cfg RetireConfig) seenEnough(out *Retired) error {
	if len(out.Unseen) == 0 || cfg.Keep || cfg.Unrendered {
		return nil
	}
	return fmt.Errorf("what could not be looked into may have %s, too, and would lose it:\n%smend that, give what is missing (--mirror, --input, --fetch), or pass --unrendered to remove it all the same",
		out.Object, UnseenText(out.Unseen))
}

// wantsLess tells whether a unit that was built and not applied, of which a plan says
// nothing, would ask for less.
func wantsLess(base, head fleet.Rendered) bool {
	for i := range base.Units {
		was := &base.Units[i]
		is := head.Unit(was.Key)
		if was.Wanted == nil || is == nil {
			continue
		}
		now := asksFor(is)
		if slices.ContainsFunc(was.Wanted, func(ref object.Ref) bool { return !slices.Contains(now, ref.Key) }) {
			return true
		}
	}
	return false
}

// delivers is the directory that an environment is delivered from.
func delivers(e flow.Environment) string { return cmp.Or(e.Cluster, e.Directory, ".") }

// touches tells whether a change of a cluster changes any object.
func touches(e present.Entry) bool {
	return slices.ContainsFunc(e.Set.Units, func(u change.Unit) bool { return len(u.Objects) > 0 || u.Before.State != u.After.State })
}
