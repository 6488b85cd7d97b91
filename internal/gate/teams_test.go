package gate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A team that nobody could read grants nothing, and what its members may have against a
// change is not overlooked; who only bears the name of a member is not one.
func TestApprovalsOfTeams(t *testing.T) {
	unread := Unread{Team: "acme/platform", Why: "the forge is down"}
	change := Change{Environment: "production", Author: "dave", Digest: now}
	of := func(user, id string, minute int, state ReviewState) Review {
		r := yes(user, minute)
		r.ID, r.State = id, state
		return r
	}
	known := People{Groups: map[string][]string{"platform": {"Alice", "bob"}}, IDs: map[string][]string{"alice": {"1"}, "bob": {"2", "3"}}, Same: map[string]string{"alice-admin": "alice"}}
	down := People{Groups: map[string][]string{"platform": nil}, Unread: map[string][]Unread{"platform": {unread}}}
	for name, c := range map[string]struct {
		people  People
		reviews []Review
		want    Verdict
	}{
		"a member": {known, []Review{of("alice", "1", 1, Approved)}, Verdict{Granted: true, By: []string{"alice"}}},
		"a member by a second account": {known, []Review{of("alice-admin", "7", 1, Approved), of("alice", "1", 2, Approved)}, Verdict{
			Granted: true, By: []string{"alice"}}},
		"one of two of a name": {known, []Review{of("bob", "3", 1, Approved)}, Verdict{Granted: true, By: []string{"bob"}}},
		"a forge without ids":  {known, []Review{of("alice", "", 1, Approved)}, Verdict{Granted: true, By: []string{"alice"}}},
		"the name of a member": {known, []Review{of("alice", "9", 1, Approved), of("alice", "9", 2, Approved)}, Verdict{
			Missing: 1, From: []string{"alice", "bob"}, Refused: []Refusal{{"alice", "is another account than the one of that name in the team"}}}},
		"and what the member says still counts": {known, []Review{of("alice", "1", 1, Rejected), of("alice", "9", 2, Approved), of("bob", "2", 1, Approved)}, Verdict{
			By: []string{"bob"}, Against: []string{"alice"}, Refused: []Refusal{{"alice", "is another account than the one of that name in the team"}}}},
		"unread: nobody is in it": {down, []Review{of("alice", "1", 1, Approved)}, Verdict{
			Missing: 1, From: []string{"carol"}, Unread: []Unread{unread}, Refused: []Refusal{{"alice", "is not among the designated people"}}}},
		"unread: whoever is named still counts": {down, []Review{of("carol", "4", 1, Approved)}, Verdict{
			Granted: true, By: []string{"carol"}, Unread: []Unread{unread}}},
		"unread: who asks for changes may be one of them": {down, []Review{of("carol", "4", 1, Approved), of("alice", "1", 1, Rejected)}, Verdict{
			By: []string{"carol"}, Unclear: []string{"alice"}, Unread: []Unread{unread}}},
		"unread: a bot is not": {down, []Review{of("carol", "4", 1, Approved), {User: "robot", Bot: true, State: Rejected, At: at(1)}}, Verdict{
			Granted: true, By: []string{"carol"}, Unread: []Unread{unread}, Refused: []Refusal{{"robot", "is not among the designated people"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			rule := Rule{Count: 1, Groups: []string{"platform"}}
			if len(c.people.Unread) > 0 {
				rule.Users = []string{"carol"}
			}
			c.want.Environment = "production"
			if diff := cmp.Diff(c.want, Approvals(rule, change, c.reviews, c.people)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
