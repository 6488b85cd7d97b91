package present

import (
	"slices"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/screen"
)

// causes returns why units of head would never become ready, each cause once,
// those that this change brings first.
func causes(set change.Set) []Cause {
	before := map[string][]string{}
	for _, c := range board(set.Before).Causes() {
		before[c.Unit] = append(c.Units, c.Blocking...)
	}
	origins := map[string]*fleet.Origin{}
	for i := range set.After.Units {
		origins[set.After.Units[i].Key.String()] = &set.After.Units[i].Origin
	}
	out := []Cause{}
	for _, c := range board(set.After).Causes() {
		was, old := before[c.Unit]
		blocking := append(c.Units, c.Blocking...)
		out = append(out, Cause{
			Unit: c.Unit, State: string(c.State), Reason: c.Reason, Message: c.Message, On: c.On,
			Blocking: blocking, Missing: origins[c.Unit] == nil, Origin: originOf(origins[c.Unit]),
			Old: old && !slices.ContainsFunc(blocking, func(unit string) bool { return !slices.Contains(was, unit) }),
		})
	}
	slices.SortStableFunc(out, func(a, b Cause) int { return age(a) - age(b) })
	return out
}

func age(c Cause) int {
	if c.Old {
		return 1
	}
	return 0
}

// board shows a fleet the way `leat up` does, which folds causes.
func board(r fleet.Rendered) screen.Board {
	b := screen.Board{Rows: make([]screen.Row, 0, len(r.Units))}
	for _, u := range r.Units {
		b.Rows = append(b.Rows, screen.Row{
			Key: u.Key, Kind: u.Key.Kind, Name: u.Key.Name, Space: u.Key.Namespace, Parent: u.Parent,
			State: states[u.State], Reason: u.Reason, Message: u.Message, On: waitsOn(u), Missing: u.Missing,
		})
	}
	return b
}

var states = map[fleet.State]screen.State{
	fleet.Ready: screen.Ready, fleet.Suspended: screen.Suspended, fleet.Waiting: screen.Waiting,
	fleet.Failed: screen.Failed, fleet.NotRendered: screen.Waiting,
}

// waitsOn is what keeps a unit; one that is not rendered waits for its source.
func waitsOn(u fleet.Unit) []string {
	if u.State == fleet.NotRendered && len(u.On) == 0 && !u.Source.IsZero() {
		return []string{u.Source.String()}
	}
	return u.On
}
