package carry

import (
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// Whatever a request is called, Git takes the branch of its proposal.
func TestBranchesOfProposals(t *testing.T) {
	for request, want := range map[string]string{
		"alice-7f3a21":     "access/alice-7f3a21",
		"a.b":              "access/a.b",
		"alice.lock":       "access/alice-lock",
		"alice.lock.lock":  "access/alice.lock-lock",
		"lock":             "access/lock",
		"alice.lock.again": "access/alice.lock.again",
	} {
		got := accessBranch(request)
		if got != want {
			t.Errorf("%s: got %s, want %s", request, got, want)
		}
		if err := plumbing.NewBranchReferenceName(got).Validate(); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
}
