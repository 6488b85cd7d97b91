package carry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

// AccessBranch is what the branch of a proposal begins with that brings what was written
// by hand into Git.
const AccessBranch = "access/"

// byHand is the trailer of a commit that does so. It is no trailer of those that carry:
// what it brings is a fix of its own, and must reach main.
const byHand = "Written-With: "

// WritingBack is what was written by hand in an environment, as edits of its files.
type WritingBack struct {
	Fleet       Onto
	Environment flow.Environment
	Target      repo.Hash // that the files were edited at
	Request     string    // with which it was written
	Files       map[string]*tree.Blob
	DryRun      bool
}

// Written is such a proposal.
type Written struct {
	Target, Commit repo.Hash
	Proposed
}

// WriteBack commits the edits to a branch of their own and proposes them, or brings the
// proposal of an earlier run up to date. Run again for the same it makes nothing new.
//
// What the pull request says, body, may refuse: nothing is pushed before.
func WriteBack(ctx context.Context, in WritingBack, f forge.Forge, body func(Written) (string, error)) (Written, error) {
	out := Written{Target: in.Target, Proposed: Proposed{Head: accessBranch(in.Request), Base: in.Environment.Branch}}
	title := fmt.Sprintf("Keep what was written in %s with %s", in.Environment.Name, in.Request)
	made, err := in.Fleet.Repo.Commit(ctx, repo.Draft{
		Parents: []repo.Hash{in.Target}, Author: in.Fleet.Author, Message: title + "\n\n" + byHand + in.Request + "\n", Changes: in.Fleet.below(in.Files),
	})
	if errors.Is(err, repo.ErrNoChange) {
		return out, fmt.Errorf("%s has nothing that %s does not have", out.Head, out.Base)
	}
	if err != nil {
		return out, err
	}
	if out.Commit, err = in.Fleet.made(out.Head, made); err != nil {
		return out, err
	}
	said, err := body(out)
	if err != nil || in.DryRun {
		return out, err
	}
	if err := in.Fleet.push(ctx, out.Head, out.Commit, in.Target); err != nil {
		return out, err
	}
	proposed, err := propose(ctx, in.Fleet.Repo, f, request{out.Head, out.Base, title, said})
	if err == nil {
		out.Proposed = proposed
	}
	return out, err
}

// accessBranch is the branch of a request's proposal. Who asks may name the request, and
// Git has no branch that ends in .lock (git-check-ref-format(1)).
func accessBranch(request string) string {
	if name, ends := strings.CutSuffix(request, ".lock"); ends {
		request = name + "-lock"
	}
	return AccessBranch + request
}

// writesBack tells whether a commit was made by WriteBack.
func writesBack(message string) bool {
	for line := range strings.Lines(message) {
		if strings.HasPrefix(line, byHand) {
			return true
		}
	}
	return false
}
