package screen

import (
	"fmt"
	"slices"
	"strings"
)

// Cause is one root cause with everything that is not ready because of it.
type Cause struct {
	Unit     string   `json:"unit"` // Kind/namespace/name, or the thing that is missing
	State    State    `json:"state"`
	Reason   string   `json:"reason,omitempty"`
	Message  string   `json:"message"`
	On       []string `json:"waitingOn,omitempty"`
	Blocking []string `json:"blocking,omitempty"` // units that wait for it, sorted
}

// Causes returns the root causes, worst first: a unit that waits for another
// one that is not ready is no cause, it stands under the other's.
func (b Board) Causes() []Cause {
	byName := make(map[string]Row, len(b.Rows))
	for _, r := range b.Rows {
		byName[r.Key.String()] = r
	}
	causes := map[string]*Cause{}
	for _, r := range b.Rows {
		if !r.State.Bad() {
			continue
		}
		for _, root := range roots(r, byName, nil) {
			c := causes[root]
			if c == nil {
				c = newCause(root, byName)
				causes[root] = c
			}
			if name := r.Key.String(); name != root {
				c.Blocking = append(c.Blocking, name)
			}
		}
	}
	out := make([]Cause, 0, len(causes))
	for _, c := range causes {
		slices.Sort(c.Blocking)
		c.Blocking = slices.Compact(c.Blocking)
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Cause) int {
		if d := slices.Index(order, a.State) - slices.Index(order, b.State); d != 0 {
			return d
		}
		return strings.Compare(a.Unit, b.Unit)
	})
	return out
}

func newCause(name string, byName map[string]Row) *Cause {
	r := byName[name]
	return &Cause{Unit: name, State: r.State, Reason: r.Reason, Message: r.Message, On: r.On}
}

// roots follows what a unit waits on as far as it leads to units that are not
// ready; a cycle ends where it began.
func roots(r Row, byName map[string]Row, seen []string) []string {
	name := r.Key.String()
	if slices.Contains(seen, name) {
		return []string{name}
	}
	seen = append(seen, name)
	var out []string
	for _, on := range r.On {
		other, ok := byName[on]
		if !ok || !other.State.Bad() || on == name {
			continue
		}
		out = append(out, roots(other, byName, seen)...)
	}
	if len(out) == 0 {
		return []string{name}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Counts returns how many units there are, and how many are ready.
func (b Board) Counts() (ready, all int) {
	for _, r := range b.Rows {
		if !r.State.Bad() {
			ready++
		}
	}
	return ready, len(b.Rows)
}

// Verdict is one line for the end of a run.
func (b Board) Verdict() string {
	ready, all := b.Counts()
	causes := b.Causes()
	switch {
	case all == 0:
		return "there is no unit"
	case ready == all:
		return fmt.Sprintf("all %d units are ready", all)
	case len(causes) == 1:
		return fmt.Sprintf("%d of %d units are ready; one cause", ready, all)
	default:
		return fmt.Sprintf("%d of %d units are ready; %d causes", ready, all, len(causes))
	}
}
