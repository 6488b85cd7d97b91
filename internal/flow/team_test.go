package flow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/internal/gate"
)

const teams = `
apiVersion: leat.dev/v1alpha1
kind: Flow
environments: [{name: staging, branch: main, directory: staging}, {name: production, branch: main, directory: production}]
groups:
  platform: [{team: acme/platform}, carol, {team: acme/oncall}]
  people: [dave]
same: {alice-admin: alice}
gates:
  - {environments: [production], approvals: {count: 2, groups: [platform, people]}}
  - {environments: [staging], approvals: {count: 1, groups: [people]}}
forge: {kind: gitea, url: https://git.example.com/acme/fleet}
`

// A group is its people and those whom the forge names; a team that it does not tell of
// is empty, and said to be unread.
func TestPeopleOfTeams(t *testing.T) {
	f := parsed(t, teams)
	if diff := cmp.Diff([]string{"acme/oncall", "acme/platform"}, f.TeamsOf("production")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := f.TeamsOf("staging"); len(got) > 0 {
		t.Errorf("staging asks for %v", got)
	}
	alice := Account{ID: "1", Login: "Alice"}
	for name, c := range map[string]struct {
		teams map[string]Team
		want  gate.People
	}{
		"both are read": {map[string]Team{"acme/platform": {Members: []Account{alice, {Login: "nameless"}}}, "acme/oncall": {Members: []Account{alice}}}, gate.People{
			Groups: map[string][]string{"platform": {"Alice", "nameless", "carol", "Alice"}, "people": {"dave"}}, IDs: map[string][]string{"alice": {"1"}}}},
		"one is not": {map[string]Team{"acme/platform": {Members: []Account{alice}, Unread: "down"}, "acme/oncall": {}}, gate.People{
			Groups: map[string][]string{"platform": {"carol"}, "people": {"dave"}},
			Unread: map[string][]gate.Unread{"platform": {{Team: "acme/platform", Why: "down"}}}}},
		"nobody asked": {nil, gate.People{
			Groups: map[string][]string{"platform": {"carol"}, "people": {"dave"}},
			Unread: map[string][]gate.Unread{"platform": {{Team: "acme/platform", Why: "the forge was not asked"}, {Team: "acme/oncall", Why: "the forge was not asked"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Same = f.Same
			got := f.People(c.teams)
			if len(c.want.IDs) == 0 {
				c.want.IDs = map[string][]string{}
			}
			if len(c.want.Unread) == 0 {
				c.want.Unread = map[string][]gate.Unread{}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTooManyTeams(t *testing.T) {
	var many strings.Builder
	for i := range maxTeams + 1 {
		fmt.Fprintf(&many, "{team: acme/t%d}, ", i)
	}
	_, err := Parse(FileName, []byte(strings.Replace(teams, "{team: acme/oncall}", many.String(), 1)))
	if want := "leat.yaml:6:3: they name 52 teams of the forge, more than 50"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
