package carry

import (
	"context"
	"fmt"

	"github.com/Masterminds/semver/v3"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/version"
)

// Cut is a release of one component: where its branch begins, and how it is called.
type Cut struct {
	Component flow.Component
	Main      string // the branch that is released
	Head      repo.Hash
	Version   *semver.Version
	Changes   []repo.Commit // since the last release, the newest first
	// There tells that the release branch stands at Head already.
	There bool
	// Loses are commits of the last release branch, Last, that Main lacks: whoever takes
	// this release loses them.
	Loses []Fix
	Last  string

	repo *repo.Repo
	tree tree.Tree
}

// Branch is the release branch.
func (c Cut) Branch() string { return version.ReleaseBranch + c.Version.String() }

// cutOf finds the next release of a component: the one that was cut already at the
// head of its main branch, else a new one.
func cutOf(ctx context.Context, all Repositories, c flow.Component) (Cut, error) {
	out := Cut{Component: c}
	if c.Repository == "" {
		return out, fmt.Errorf("component %s: leat.yaml does not say where its repository is: add - {name: %[1]s, repository: URL} under components", c.Name)
	}
	r, err := all.Repository(ctx, c.Repository)
	if err != nil {
		return out, fmt.Errorf("component %s: %w", c.Name, err)
	}
	out.repo = r
	if out.Main, out.Head, err = branchOr(r, c.Branch); err != nil {
		return out, fmt.Errorf("component %s: %w", c.Name, err)
	}
	if out.tree, err = r.Tree(ctx, out.Head, ""); err != nil {
		return out, err
	}
	return out, out.number(ctx)
}

// number finds the version.
func (c *Cut) number(ctx context.Context) error {
	released, at, err := releasesOf(c.repo)
	if err != nil {
		return err
	}
	for i := len(released) - 1; i >= 0; i-- {
		if at[released[i].String()] == c.Head {
			c.Version = released[i]
			_, err := c.repo.Branch(c.Branch())
			if c.There = err == nil; fault.ClassOf(err) == fault.NotFound { // a tag says so, and what is pinned is a branch
				return nil
			}
			return err
		}
	}
	var not []repo.Hash
	if last := version.Highest(released); last != nil {
		not = append(not, at[last.String()])
		c.Last = version.ReleaseBranch + last.String()
		if c.Loses, err = MissingFixes(ctx, c.repo, at[last.String()], c.Main); err != nil {
			return err
		}
	}
	log, err := c.repo.Log(ctx, repo.Range{From: c.Head, Not: not})
	if err != nil {
		return err
	}
	c.Changes = firstParents(c.Head, log)
	since := make([]version.Commit, 0, len(c.Changes))
	for i := len(c.Changes) - 1; i >= 0; i-- {
		since = append(since, version.Commit{ID: c.Changes[i].ID.String(), Message: c.Changes[i].Message})
	}
	if c.Version, err = version.Next(released, since); err != nil {
		return fmt.Errorf("component %s: %w", c.Component.Name, err)
	}
	return nil
}

// releasesOf are the versions that tags and release branches name, and the commits
// at which they stand.
func releasesOf(r *repo.Repo) ([]*semver.Version, map[string]repo.Hash, error) {
	tags, err := r.Tags()
	if err != nil {
		return nil, nil, err
	}
	branches, err := r.Branches()
	if err != nil {
		return nil, nil, err
	}
	var names []string
	at := map[string]repo.Hash{}
	for _, ref := range append(tags, branches...) { // a branch counts before a tag
		if v, is := version.OfRef(ref.Name); is {
			names, at[v.String()] = append(names, ref.Name), ref.Commit
		}
	}
	return version.Released(names), at, nil
}

// firstParents are the commits that were made on the branch itself: what a merge
// brought counts as the merge.
func firstParents(head repo.Hash, log []repo.Commit) []repo.Commit {
	by := make(map[repo.Hash]repo.Commit, len(log))
	for _, c := range log {
		by[c.ID] = c
	}
	var out []repo.Commit
	for at, known := by[head]; known; at, known = by[at.Parents[0]] {
		out = append(out, at)
		if len(at.Parents) == 0 {
			break
		}
	}
	return out
}

// step is the cut, done or to be done.
func (c *Cut) step() Step {
	return Step{Repository: c.repo.URL(), Branch: c.Branch(), Commit: c.Head, What: "cut from " + c.Main + " at " + c.Head.String()[:10], Done: c.There}
}

// push cuts the release branch.
func (c *Cut) push(ctx context.Context) (Step, error) {
	step := c.step()
	if c.There {
		return step, nil
	}
	if err := c.repo.Push(ctx, repo.Update{Branch: c.Branch(), New: c.Head}); err != nil {
		return step, fmt.Errorf("cut %s of %s: %w", c.Branch(), c.Component.Name, err)
	}
	return step, nil
}
