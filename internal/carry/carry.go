// Package carry brings changes from where they are made to where they run: releases
// of components, hot-fixes, rollbacks. Each is a story that reads repositories,
// lets pure packages decide, and writes commits and branches, nothing else: no
// cluster is touched, and no branch is moved that stands elsewhere than was read.
//
//	out, err := carry.Release(ctx, carry.Releasing{Fleet: fleet, Flow: f, Components: []string{"keda"}, …})
//
// A story that fails half way can be run again: it finds what it did already and
// goes on. It never waits for a person, and never rewrites history.
package carry

import (
	"context"
	"errors"
	"fmt"

	"github.com/leat-dev/leat/internal/repo"
)

// Repositories opens the repositories of components by their addresses, fetched and
// fresh. They belong to whoever implements it.
type Repositories interface {
	Repository(ctx context.Context, url string) (*repo.Repo, error)
}

// Step is something that a story wrote, or would write.
type Step struct {
	Repository string    `json:"repository"`
	Branch     string    `json:"branch"`
	Commit     repo.Hash `json:"-"`
	// What was done, for people: «cut at 3f2a91c», «Updating file at …».
	What string `json:"what"`
	// Done tells that it was there already.
	Done bool `json:"done,omitempty"`
}

// maxRaces is how often a story thinks again because somebody else pushed.
const maxRaces = 5

// again runs a step until nobody interferes: what it finds is read anew each time.
func again(ctx context.Context, r *repo.Repo, do func() error) error {
	for race := 0; ; race++ {
		err := do()
		var moved *repo.MovedError
		if err == nil || !errors.As(err, &moved) || race == maxRaces {
			return err
		}
		if err := r.Fetch(ctx); err != nil {
			return fmt.Errorf("somebody else pushed; look again: %w", err)
		}
	}
}

// branchOr is a branch, or the default one of its repository.
func branchOr(r *repo.Repo, name string) (string, repo.Hash, error) {
	if name == "" {
		if name = r.DefaultBranch(); name == "" {
			return "", repo.Hash{}, fmt.Errorf("%s does not say which branch is its default: name it in leat.yaml", r.URL())
		}
	}
	id, err := r.Branch(name)
	return name, id, err
}
