package gate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const now, before = Digest("sha256:now"), Digest("sha256:before")

func at(minute int) time.Time { return time.Date(2026, 11, 20, 10, minute, 0, 0, time.UTC) }

func yes(user string, minute int) Review {
	return Review{User: user, State: Approved, At: at(minute), Digest: now}
}

// One person is whoever is named by way of a third account, or in a circle.
func TestSamePerson(t *testing.T) {
	p := People{Same: Persons(map[string]string{
		"alice-admin": "Alice", "alice": "alice@example.com", "b1": "b2", "B2": "b3", "b3": "b1", "carol": "carol", "Dan": "dan-b", "dan": "dan-a", "x": "b2",
	})}
	for account, want := range map[string]string{
		"ALICE-admin": "alice@example.com", "alice": "alice@example.com", "b1": "b1", "b2": "b1", "b3": "b1", "Carol": "carol", "DAN": "dan-a", "eve": "eve", "x": "b1",
	} {
		if got := p.person(account); got != want {
			t.Errorf("%s is %s, want %s", account, got, want)
		}
	}
}

// Who must approve, and whose approval counts (cases 44 and 45 of the attacks).
func TestApprovals(t *testing.T) {
	people := People{Groups: map[string][]string{"platform": {"alice", "Bob"}}, Same: map[string]string{"bob-admin": "bob"}}
	rule := Rule{Count: 2, Users: []string{"carol"}, Groups: []string{"platform"}}
	change := Change{Environment: "production", Author: "dave", Pushers: []string{"dave"}, Digest: now}
	review := func(r Review, edit func(*Review)) Review { edit(&r); return r }
	for name, c := range map[string]struct {
		change  func(*Change)
		rule    Rule
		reviews []Review
		want    Verdict
	}{
		"nobody yet":        {want: Verdict{Missing: 2, From: []string{"alice", "bob", "carol"}}},
		"two of them":       {reviews: []Review{yes("alice", 1), yes("carol", 2)}, want: Verdict{Granted: true, By: []string{"alice", "carol"}}},
		"names by any case": {reviews: []Review{yes("ALICE", 1), yes("Carol", 2)}, want: Verdict{Granted: true, By: []string{"ALICE", "Carol"}}},
		"nobody is needed":  {rule: Rule{Count: 0, Users: []string{"carol"}}, want: Verdict{Granted: true}},
		"a stranger": {reviews: []Review{yes("mallory", 1), yes("carol", 2)}, want: Verdict{
			By: []string{"carol"}, Missing: 1, From: []string{"alice", "bob"}, Refused: []Refusal{{"mallory", "is not among the designated people"}}}},
		"the author": {change: func(c *Change) { c.Author = "alice" }, reviews: []Review{yes("alice", 1), yes("carol", 2)}, want: Verdict{
			By: []string{"carol"}, Missing: 1, From: []string{"bob"}, Refused: []Refusal{{"alice", "is the author"}}}},
		"the last pusher": {change: func(c *Change) { c.Pushers = []string{"dave", "alice"} }, reviews: []Review{yes("alice", 1), yes("carol", 2)}, want: Verdict{
			By: []string{"carol"}, Missing: 1, From: []string{"bob"}, Refused: []Refusal{{"alice", "pushed last"}}}},
		"a pusher before the last": {change: func(c *Change) { c.Pushers = []string{"alice", "dave"} }, reviews: []Review{yes("alice", 1), yes("carol", 2)}, want: Verdict{
			Granted: true, By: []string{"alice", "carol"}}},
		"a second account of the author": {change: func(c *Change) { c.Author = "bob" }, reviews: []Review{yes("bob-admin", 1), yes("carol", 2)}, want: Verdict{
			By: []string{"carol"}, Missing: 1, From: []string{"alice"}, Refused: []Refusal{{"bob-admin", "is the author"}}}},
		"two accounts of one person": {reviews: []Review{yes("bob", 1), yes("bob-admin", 2)}, want: Verdict{
			By: []string{"bob-admin"}, Missing: 1, From: []string{"alice", "carol"}}},
		"a bot": {reviews: []Review{review(yes("alice", 1), func(r *Review) { r.Bot = true }), yes("carol", 2)}, want: Verdict{
			By: []string{"carol"}, Missing: 1, From: []string{"alice", "bob"}, Refused: []Refusal{{"alice", "is a bot"}}}},
		"something else was approved": {reviews: []Review{review(yes("alice", 1), func(r *Review) { r.Digest = before }), yes("carol", 2)}, want: Verdict{
			By: []string{"carol"}, Missing: 1, From: []string{"alice", "bob"}, Refused: []Refusal{{"alice", "what is rendered has changed since: sha256:now instead of sha256:before"}}}},
		"nobody saw what was approved": {reviews: []Review{review(yes("alice", 1), func(r *Review) { r.Digest = "" }), yes("carol", 2)}, want: Verdict{
			By: []string{"carol"}, Missing: 1, From: []string{"alice", "bob"}, Refused: []Refusal{{"alice", "nobody saw what was approved"}}}},
		"dismissed": {reviews: []Review{review(yes("alice", 1), func(r *Review) { r.State = Dismissed }), yes("carol", 2)}, want: Verdict{
			By: []string{"carol"}, Missing: 1, From: []string{"alice", "bob"}, Refused: []Refusal{{"alice", "the review was dismissed"}}}},
		"approved and then asked for changes": {reviews: []Review{review(yes("alice", 3), func(r *Review) { r.State = Rejected }), yes("alice", 1), yes("carol", 2), yes("bob", 2)}, want: Verdict{
			By: []string{"carol", "bob"}, Against: []string{"alice"}}},
		"asked for changes and then approved": {reviews: []Review{review(yes("alice", 1), func(r *Review) { r.State = Rejected }), yes("alice", 3), yes("carol", 2)}, want: Verdict{
			Granted: true, By: []string{"carol", "alice"}}},
		"a comment after the approval": {reviews: []Review{yes("alice", 1), yes("carol", 2), review(yes("alice", 3), func(r *Review) { r.State = Commented })}, want: Verdict{
			Granted: true, By: []string{"alice", "carol"}}},
		"a stranger asks for changes": {reviews: []Review{yes("alice", 1), yes("carol", 2), review(yes("mallory", 3), func(r *Review) { r.State = Rejected })}, want: Verdict{
			Granted: true, By: []string{"alice", "carol"}, Refused: []Refusal{{"mallory", "is not among the designated people"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			change, r := change, rule
			if c.change != nil {
				c.change(&change)
			}
			if c.rule.Users != nil {
				r = c.rule
			}
			c.want.Environment = "production"
			if diff := cmp.Diff(c.want, Approvals(r, change, c.reviews, people)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
