package check

import (
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
)

// What is said while a team cannot be read: where it stands in the way, with the cause.
func TestUnreadTeam(t *testing.T) {
	declared := flow.Flow{Groups: map[string][]flow.Member{"platform": {{Team: "acme/platform"}, {User: "bob"}}, "night": {{Team: "acme/night"}}}}
	rejected := gate.Review{User: "dan", State: gate.Rejected, At: noon}
	down := map[string]flow.Team{"acme/platform": {Unread: "it is down"}, "acme/night": {Unread: "403"}}
	for name, c := range map[string]struct {
		groups  []string
		teams   map[string]flow.Team
		reviews []gate.Review
		state   State
		line    string
	}{
		"it is read":                   {[]string{"platform"}, map[string]flow.Team{"acme/platform": {Members: []flow.Account{{ID: "1", Login: "alice"}}}}, nil, Pending, "waits for 1 approval of alice, bob"},
		"a member approved":            {[]string{"platform"}, map[string]flow.Team{"acme/platform": {Members: []flow.Account{{ID: "1", Login: "alice"}}}}, []gate.Review{approved("alice", "d")}, Success, "checks passed; approved by alice"},
		"a member who was removed":     {[]string{"platform"}, map[string]flow.Team{"acme/platform": {}}, []gate.Review{approved("alice", "d")}, Pending, "waits for 1 approval of bob"},
		"unread":                       {[]string{"platform"}, down, []gate.Review{approved("alice", "d")}, Pending, "waits for 1 approval of bob; nobody of acme/platform counts: it is down"},
		"unread, and nobody else":      {[]string{"night"}, down, nil, Pending, "waits for 1 approval, and nobody is left who may give one; nobody of acme/night counts: 403"},
		"nobody asked":                 {[]string{"night"}, nil, nil, Pending, "waits for 1 approval, and nobody is left who may give one; nobody of acme/night counts: the forge was not asked"},
		"unread, and enough others":    {[]string{"platform"}, down, []gate.Review{approved("bob", "d")}, Success, "checks passed; approved by bob"},
		"unread, and somebody objects": {[]string{"platform", "night"}, down, []gate.Review{approved("bob", "d"), rejected}, Pending, "dan asks for changes, and may be of acme/night, acme/platform: it is down"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(Facts{}, Case{
				Opening: gate.Opened{Open: true}, Gates: []flow.Gate{{Approvals: &flow.Approvals{Count: 1, Groups: c.groups}}},
				People: declared.People(c.teams), Change: &gate.Change{Author: "carol", Digest: "d"}, Reviews: c.reviews,
			})
			if got.State != c.state || got.Line != c.line {
				t.Errorf("got %s: %s", got.State, got.Line)
			}
			all := strings.Join(got.lines(), "\n")
			for _, u := range got.Approvals[0].Unread {
				if !strings.Contains(all, "nobody of the team "+u.Team+" counts: "+u.Why) {
					t.Errorf("the cause is not told:\n%s", all)
				}
			}
		})
	}
}
