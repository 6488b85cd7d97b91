package present

import (
	"slices"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
)

// causes returns why units of head would never become ready, each cause once,
// those that this change brings first.
func causes(set change.Set) []Cause {
	origins := map[string]*fleet.Origin{}
	for i := range set.After.Units {
		origins[set.After.Units[i].Key.String()] = &set.After.Units[i].Origin
	}
	out := make([]Cause, 0, len(set.Causes))
	for _, c := range set.Causes {
		out = append(out, Cause{
			Unit: c.Unit, State: string(c.State), Reason: c.Reason, Message: c.Message, On: c.On,
			Blocking: slices.Concat(c.Units, c.Blocking), Missing: origins[c.Unit] == nil, Origin: originOf(origins[c.Unit]), Old: c.Old,
		})
	}
	return out
}
