package screen

import (
	"github.com/leat-dev/leat/internal/fleet"
)

// OfFleet is the board of a rendered fleet, so that causes fold as they do in
// `leat up`.
//
//	causes := screen.OfFleet(rendered).Causes()
func OfFleet(r fleet.Rendered) Board {
	b := Board{Rows: make([]Row, 0, len(r.Units))}
	for _, u := range r.Units {
		b.Rows = append(b.Rows, Row{
			Key: u.Key, Kind: u.Key.Kind, Name: u.Key.Name, Space: u.Key.Namespace, Parent: u.Parent,
			State: states[u.State], Reason: u.Reason, Message: u.Message, On: keptBy(u), Missing: u.Missing, Warnings: u.Warnings,
		})
	}
	return b
}

var states = map[fleet.State]State{
	fleet.Ready: Ready, fleet.Suspended: Suspended, fleet.Waiting: Waiting, fleet.Failed: Failed, fleet.NotRendered: Waiting,
}

// keptBy is what keeps a unit; one that is not rendered waits for its source.
func keptBy(u fleet.Unit) []string {
	if u.State == fleet.NotRendered && len(u.On) == 0 && !u.Source.IsZero() {
		return []string{u.Source.String()}
	}
	return u.On
}
