package keeper

import (
	"fmt"
	"testing"

	"github.com/leat-dev/leat/internal/forge"
)

// Who approves one commit after the other keeps nobody else's approval from being looked
// into; only what a person said last counts.
func TestApprovalsThatAreLookedInto(t *testing.T) {
	said := func(who string, v forge.Verdict, commit string) forge.Review {
		return forge.Review{Reviewer: forge.User{ID: who}, Verdict: v, Commit: commit}
	}
	reviews := []forge.Review{said("carol", forge.Approved, "1"), said("bob", forge.Approved, "1"), said("bob", forge.Rejected, "2"), said("alice", forge.Approved, "2")}
	reviews[3].Dismissed = true
	for n := range 2 * maxSights {
		reviews = append(reviews, said("mallory", forge.Approved, fmt.Sprint("old", n)))
	}
	reviews = append(reviews, said("carol", forge.Commented, "9"), said("dave", forge.Approved, ""))
	var got []string
	for _, r := range lastApprovals(reviews) {
		got = append(got, r.Reviewer.ID+" "+r.Commit)
	}
	if fmt.Sprint(got) != "[mallory old15 carol 1]" {
		t.Errorf("got %v", got)
	}
}
