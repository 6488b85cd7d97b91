package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Answer to a question about the outside, that may not have been asked.
type Answer string

// The answers.
const (
	Unknown Answer = ""
	Yes     Answer = "yes"
	No      Answer = "no"
)

// State is how a pin stands.
type State string

// The states, the worst first. The first six can stand beside each other; of the
// others each pin has one, against the environment that its own follows.
const (
	Dangling State = "dangling" // names what does not exist
	Orphan   State = "orphan"   // nothing consumes it
	NotLive  State = "pinned ≠ live"
	HotFix   State = "hot-fix" // fixed beside the line: what is before it lacks the fix
	Ahead    State = "ahead"   // of the environment that it follows
	Differs  State = "differs" // and cannot be compared
	Behind   State = "behind"
	Missing  State = "missing" // here; what is before it has it
	Alone    State = "alone"   // only here; what is before it does not have it
	Same     State = "same"
	First    State = "" // follows nothing
)

// failing states are those that somebody has to look at.
var failing = []State{Dangling, Orphan, NotLive, HotFix, Ahead}

// Failing tells whether somebody has to look at a state.
func (s State) Failing() bool { return slices.Contains(failing, s) }

// Fact is what is known of a pin beside the file.
type Fact struct {
	Exists   Answer
	Consumed Answer
	// Why says more of a state: what there is instead, what would have to read it.
	Why map[State]string
	// By are the objects that consume it, as Kind/namespace/name.
	By []string
	// Live are the versions that run; nil where no cluster was asked.
	Live []string
	// Fixes counts the commits that the pinned branch has and the main line of its
	// repository lacks.
	Fixes int
	// There are the values that could be pinned instead.
	There []string
}

// Column is an environment with its pins, and what is known of each.
type Column struct {
	Environment Environment
	Pins        []Pin
	Facts       []Fact // of each pin; may be shorter
}

// Matrix is components by environments.
type Matrix struct {
	Environments []Environment `json:"-"`
	Rows         []Row         `json:"rows"`
}

// Row is one pin of one component in all environments.
type Row struct {
	Component string  `json:"component"`
	Kind      PinKind `json:"kind"`
	In        string  `json:"in,omitempty"`     // the file, where several pin the component
	Newest    string  `json:"newest,omitempty"` // that could be pinned; empty where it is not known
	Cells     []Cell  `json:"cells"`            // as Matrix.Environments
}

// Cell is a pin in one environment.
type Cell struct {
	Environment string   `json:"environment"`
	Pinned      string   `json:"pinned,omitempty"` // empty where it has none
	At          string   `json:"at,omitempty"`     // file:line
	Live        []string `json:"live,omitempty"`
	States      []State  `json:"states,omitempty"` // the worst first
	// Why says more of a state.
	Why      map[State]string `json:"why,omitempty"`
	By       []string         `json:"consumedBy,omitempty"`
	Outdated bool             `json:"outdated,omitempty"` // older than Newest
}

// Worst is the state that counts.
func (c Cell) Worst() State {
	if len(c.States) == 0 {
		return First
	}
	return c.States[0]
}

// Worst is that of the worst cell.
func (r Row) Worst() State {
	worst := Same
	for _, c := range r.Cells {
		if rank(c.Worst()) < rank(worst) {
			worst = c.Worst()
		}
	}
	return worst
}

var ranks = []State{Dangling, Orphan, NotLive, HotFix, Ahead, Differs, Behind, Missing, Alone, Same, First}

func rank(s State) int { return slices.Index(ranks, s) }

// MatrixOf compares the environments' pins. Rows stand by the worst of their cells,
// then by name.
func MatrixOf(columns []Column) Matrix {
	var m Matrix
	rows := map[rowKey][]cellOf{}
	key := keys(columns)
	for i, c := range columns {
		m.Environments = append(m.Environments, c.Environment)
		for j, p := range c.Pins {
			k := key(p)
			if rows[k] == nil {
				rows[k] = make([]cellOf, len(columns))
			}
			rows[k][i] = cellOf{pin: &c.Pins[j], fact: c.fact(j)}
		}
	}
	for k, cells := range rows {
		m.Rows = append(m.Rows, rowOf(k, cells, columns))
	}
	slices.SortFunc(m.Rows, func(a, b Row) int {
		return cmp.Or(rank(a.Worst())-rank(b.Worst()), cmp.Compare(a.Component, b.Component), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.In, b.In))
	})
	return m
}

type rowKey struct {
	component string
	kind      PinKind
	in        string
}

// keys says to which row a pin belongs: that of its component and kind, and, where
// an environment has several of these, of its file, or its place in the file.
func keys(columns []Column) func(Pin) rowKey {
	plain := func(p Pin) rowKey { return rowKey{p.Component, p.Kind, ""} }
	filed := func(p Pin) rowKey { return rowKey{p.Component, p.Kind, p.Within} }
	several, crowded := map[rowKey]bool{}, map[rowKey]bool{}
	for _, c := range columns {
		seen := map[rowKey]int{}
		for _, p := range c.Pins {
			seen[plain(p)]++
			several[plain(p)] = several[plain(p)] || seen[plain(p)] > 1
		}
		seen = map[rowKey]int{}
		for _, p := range c.Pins {
			seen[filed(p)]++
			crowded[filed(p)] = crowded[filed(p)] || seen[filed(p)] > 1
		}
	}
	return func(p Pin) rowKey {
		switch {
		case !several[plain(p)]:
			return plain(p)
		case crowded[filed(p)]:
			return rowKey{p.Component, p.Kind, p.Within + " " + p.Path}
		}
		return filed(p)
	}
}

// Failing are the rows that somebody has to look at.
func (m Matrix) Failing() []Row {
	var out []Row
	for _, r := range m.Rows {
		if r.Worst().Failing() {
			out = append(out, r)
		}
	}
	return out
}

func (c Column) fact(i int) Fact {
	if i < len(c.Facts) {
		return c.Facts[i]
	}
	return Fact{}
}

type cellOf struct {
	pin  *Pin // nil where the environment has none
	fact Fact
}

func rowOf(k rowKey, cells []cellOf, columns []Column) Row {
	r := Row{Component: k.component, Kind: k.kind, In: k.in}
	for _, c := range cells {
		if c.pin == nil {
			continue
		}
		if newest := Newest(c.pin.Value, c.fact.There); newest != "" {
			if order, _ := Compare(newest, r.Newest); r.Newest == "" || order > 0 {
				r.Newest = newest
			}
		}
	}
	for i, c := range cells {
		before := cellOf{}
		at := slices.IndexFunc(columns, func(o Column) bool { return o.Environment.Name == columns[i].Environment.Follows })
		if at >= 0 {
			before = cells[at]
		}
		cell := cellWith(c, before, at >= 0)
		cell.Environment = columns[i].Environment.Name
		if order, ok := Compare(cell.Pinned, r.Newest); cell.Pinned != "" && ok && order < 0 {
			cell.Outdated = true
		}
		r.Cells = append(r.Cells, cell)
	}
	return r
}

// cellWith is a cell against the one of the environment before it.
func cellWith(c, before cellOf, follows bool) Cell {
	if c.pin == nil {
		if before.pin != nil {
			return Cell{States: []State{Missing}}
		}
		return Cell{}
	}
	out := Cell{Pinned: c.pin.Value, At: c.pin.At(), Live: c.fact.Live, By: c.fact.By, Why: map[State]string{}}
	if c.fact.Exists == No {
		out.States = append(out.States, Dangling)
	}
	if c.fact.Consumed == No {
		out.States = append(out.States, Orphan)
	}
	if len(c.fact.Live) > 0 && !runs(c.pin.Value, c.fact.Live) {
		out.States = append(out.States, NotLive)
		out.Why[NotLive] = "there runs " + strings.Join(c.fact.Live, ", ")
	}
	if (isFix(c.pin.Value) || c.fact.Fixes > 0) && (before.pin == nil || before.pin.Value != c.pin.Value) {
		out.States = append(out.States, HotFix)
		out.Why[HotFix] = "what it follows lacks the fix"
		if c.fact.Fixes > 0 {
			out.Why[HotFix] = fmt.Sprintf("%d commits of it are not in the main line of its repository", c.fact.Fixes)
		}
	}
	if follows {
		out.States = append(out.States, against(c.pin, before.pin))
	}
	for _, s := range out.States {
		if why := c.fact.Why[s]; why != "" {
			out.Why[s] = why
		}
	}
	return out
}

// against compares a pin with that of the environment before.
func against(pin, before *Pin) State {
	if before == nil {
		return Alone
	}
	order, ok := Compare(pin.Value, before.Value)
	switch {
	case !ok:
		return Differs
	case order < 0:
		return Behind
	case order > 0:
		return Ahead
	}
	return Same
}

// runs tells whether everything that is live is what is pinned. A live version may
// be told with its commit: release/0.1.2@sha1:….
func runs(pinned string, live []string) bool {
	for _, l := range live {
		name, _, _ := strings.Cut(l, "@sha")
		if order, ok := Compare(name, pinned); name != pinned && (!ok || order != 0) {
			return false
		}
	}
	return true
}
