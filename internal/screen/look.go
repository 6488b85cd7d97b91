package screen

import (
	"cmp"
	"slices"

	"github.com/leat-dev/leat/internal/object"
)

// Rank orders states, the worst first.
func (s State) Rank() int { return slices.Index(order, s) }

// Sorted returns the rows, the worst first.
func (b Board) Sorted() []Row {
	rows := slices.Clone(b.Rows)
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(a.State.Rank()-b.State.Rank(), object.Compare(a.Key, b.Key))
	})
	return rows
}

// Detail is what a row waits for, or says.
func Detail(r Row) string { return detail(r) }

// CausesOf returns the causes that keep any of these units from being ready.
func (b Board) CausesOf(units []object.Key) []Cause {
	names := map[string]bool{}
	for _, u := range units {
		names[u.String()] = true
	}
	is := func(name string) bool { return names[name] }
	return slices.DeleteFunc(b.Causes(), func(c Cause) bool {
		return !is(c.Unit) && !slices.ContainsFunc(c.Units, is) && !slices.ContainsFunc(c.Blocking, is)
	})
}
