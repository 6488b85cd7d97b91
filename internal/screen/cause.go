package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Cause is one root cause with everything that is not ready because of it.
type Cause struct {
	// Unit is Kind/namespace/name: a unit, or a thing that is missing. Of a kind
	// that is not reconciled it is the kind.
	Unit     string   `json:"unit"`
	State    State    `json:"state"`
	Reason   string   `json:"reason,omitempty"`
	Message  string   `json:"message"`
	On       []string `json:"waitingOn,omitempty"`
	Units    []string `json:"units,omitempty"`    // of a kind that is not reconciled, sorted
	Blocking []string `json:"blocking,omitempty"` // units that wait for it, sorted
}

// Causes returns the root causes, worst first: a unit that waits for another
// one that is not ready is no cause, it stands under the other's. Units that
// wait for the same missing thing have it as their one cause, and so have all
// units of a kind that is not reconciled.
func (b Board) Causes() []Cause {
	if !slices.ContainsFunc(b.Rows, func(r Row) bool { return r.State.Bad() }) {
		return []Cause{}
	}
	byName := make(map[string]Row, len(b.Rows))
	for _, r := range b.Rows {
		byName[r.Key.String()] = r
	}
	causes := map[root]*Cause{}
	for _, r := range b.Rows {
		if !r.State.Bad() {
			continue
		}
		for _, of := range roots(r, byName) {
			c := causes[of]
			if c == nil {
				c = of.cause(byName)
				causes[of] = c
			}
			switch name := r.Key.String(); {
			case of.what == aKind && r.State == Unsupported && r.Kind == of.name:
				c.Units = append(c.Units, name)
			case of.what != aUnit || name != of.name:
				c.Blocking = append(c.Blocking, name)
			}
		}
	}
	out := make([]Cause, 0, len(causes))
	for _, c := range causes {
		slices.Sort(c.Units)
		slices.Sort(c.Blocking)
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Cause) int {
		return cmp.Or(slices.Index(order, a.State)-slices.Index(order, b.State), strings.Compare(a.Unit, b.Unit))
	})
	return out
}

// root is what a chain of waiting ends at.
type root struct {
	what what
	name string
}

type what int

const (
	aUnit  what = iota // Kind/namespace/name
	aKind              // that is not reconciled
	aThing             // Kind/namespace/name of what does not exist
)

func (r root) cause(byName map[string]Row) *Cause {
	switch r.what {
	case aKind:
		return &Cause{Unit: r.name, State: Unsupported, Reason: "Unsupported", Message: unsupported(r.name)}
	case aThing:
		return &Cause{Unit: r.name, State: Waiting, Reason: "Missing", Message: missingText(r.name)}
	default:
		row := byName[r.name]
		return &Cause{Unit: r.name, State: row.State, Reason: row.Reason, Message: row.Message, On: row.On}
	}
}

func unsupported(kind string) string { return kind + " is not reconciled by this version of Leat" }

// missingText says what to do about a thing that people keep out of Git.
func missingText(name string) string {
	if strings.HasPrefix(name, "ConfigMap/") || strings.HasPrefix(name, "Secret/") {
		return name + " is missing; pass it with --input FILE"
	}
	return name + " is missing"
}

// roots follows what a unit waits on as far as it leads to units that are not
// ready; a cycle ends where it began. No unit is looked at twice.
func roots(r Row, byName map[string]Row) []root {
	out := search{byName: byName, under: map[string]bool{}}.from(r)
	slices.SortFunc(out, func(a, b root) int {
		return cmp.Or(int(a.what-b.what), strings.Compare(a.name, b.name))
	})
	return slices.Compact(out)
}

// search walks along what units wait on; under holds those that were looked at:
// true while the way leads through them.
type search struct {
	byName map[string]Row
	under  map[string]bool
}

func (s search) from(r Row) []root {
	name := r.Key.String()
	if r.State == Unsupported {
		return []root{{aKind, r.Kind}}
	}
	if under, seen := s.under[name]; under {
		return []root{{aUnit, name}}
	} else if seen {
		return nil // its roots are told
	}
	s.under[name] = true
	defer func() { s.under[name] = false }()
	var out []root
	ends := true
	for _, on := range r.On {
		other, known := s.byName[on]
		switch {
		case !known && r.State == Waiting && r.Missing:
			out, ends = append(out, root{aThing, on}), false
		case known && other.State.Bad() && on != name:
			out, ends = append(out, s.from(other)...), false
		}
	}
	if ends {
		return []root{{aUnit, name}}
	}
	return out
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
