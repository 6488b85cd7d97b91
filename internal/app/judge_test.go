package app

import (
	"cmp"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/secret"
)

// unplaced are the rules that may find something without a line, and why. Every
// other rule says file:line of all that it finds, new or old.
var unplaced = map[string]string{
	"health-checks-off": "the entry that --path makes stands in no file",
	"wide-change":       "it is about the fleet as a whole",
}

var hasLine = regexp.MustCompile(`:[1-9][0-9]*$`)

// Every finding says file:line, whether a change brings it or it stood before.
func TestFindingsHavePlaces(t *testing.T) {
	bare := map[string]bool{}
	all := true
	for _, c := range clustersToTry() {
		if strings.Contains(c.dir, "radix") && !c.short {
			continue // six clusters of one fleet find the same
		}
		t.Run(filepath.Base(c.dir)+"/"+filepath.Base(c.path), func(t *testing.T) {
			if testing.Short() && !c.short {
				all = false
				t.Skip("not in the quick suite; go test without -short runs it")
			}
			p, snap := tried(t, c)
			v := open(t, p, snap, c)
			head := rendering{fleet: v.Rendered(t.Context()), from: v.from}
			head.flaws, _ = v.flaws(t.Context(), head.fleet)
			empty := rendering{fleet: fleet.Rendered{Revision: "none"}}
			for name, base := range map[string]rendering{"old": head, "new": empty} {
				set := change.Compare(base.fleet, head.fleet, change.Options{Mask: plan.NewMask(secret.NewKey())})
				set.Flaws = [2][]change.Flaw{base.flaws, slices.Clone(head.flaws)}
				found, err := judge(t.Context(), &set, base, head)
				if err != nil {
					t.Fatal(err)
				}
				placed := 0
				for _, f := range found {
					if hasLine.MatchString(f.At) {
						placed++
						continue
					}
					if bare[f.Rule] = true; unplaced[f.Rule] == "" {
						t.Errorf("%s: %s", name, cmp.Or(f.String(), f.Rule))
					}
				}
				t.Logf("%s: %d of %d findings have a line", name, placed, len(found))
				if name == "old" && slices.ContainsFunc(found, finding.Finding.Counts) {
					t.Errorf("a finding of an unchanged fleet is new")
				}
			}
		})
	}
	for _, rule := range slices.Sorted(maps.Keys(unplaced)) {
		if all && !bare[rule] {
			t.Errorf("%s always has a line; take it off the list", rule)
		}
	}
}
