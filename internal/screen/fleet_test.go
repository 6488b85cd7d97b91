package screen

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

func aUnitNamed(name string) object.Key {
	return object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "apps", Name: name}
}

// Forty units of a source that is out of reach have one cause.
func TestOfFleetFoldsCauses(t *testing.T) {
	source := object.Key{Group: object.GroupSource, Kind: "GitRepository", Namespace: "apps", Name: "src"}
	r := fleet.Rendered{Units: []fleet.Unit{
		{Key: source, State: fleet.NotRendered, Message: "out of reach"},
		{Key: aUnitNamed("other"), State: fleet.Waiting, On: []string{"Secret/apps/key"}, Missing: true},
		{Key: aUnitNamed("fine"), State: fleet.Ready},
		{Key: aUnitNamed("off"), State: fleet.Suspended},
	}}
	for i := range 40 {
		r.Units = append(r.Units, fleet.Unit{Key: aUnitNamed(fmt.Sprint(i)), State: fleet.NotRendered, Source: source})
	}
	got := map[string]int{}
	for _, c := range OfFleet(r).Causes() {
		got[c.Unit] = len(c.Blocking)
	}
	if want := map[string]int{"GitRepository/apps/src": 40, "Secret/apps/key": 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Each of thirty layers waits for both units of the one below: following every
// way to the bottom would take a billion steps.
func TestCausesOfManyWays(t *testing.T) {
	r := fleet.Rendered{Units: []fleet.Unit{{Key: aUnitNamed("bottom"), State: fleet.Failed}}}
	below := []string{aUnitNamed("bottom").String()}
	for layer := range 30 {
		var names []string
		for _, side := range []string{"a", "b"} {
			key := aUnitNamed(fmt.Sprint(side, layer))
			r.Units = append(r.Units, fleet.Unit{Key: key, State: fleet.Waiting, On: below})
			names = append(names, key.String())
		}
		below = names
	}
	causes := OfFleet(r).Causes()
	if len(causes) != 1 || len(causes[0].Blocking) != 60 {
		t.Errorf("got %d causes: %v", len(causes), causes)
	}
}
