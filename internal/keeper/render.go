package keeper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

// Bounds of what is rendered and remembered.
const (
	// maxKnown is how many renderings are remembered; they can be found out again.
	maxKnown = 256
	// maxSights is how many commits that reviewers looked at are rendered for one
	// verdict: the newest; approvals of others do not count until they are given again.
	maxSights = 8
	// maxBack is how far back a branch is followed to where it stood at a review.
	maxBack = 5000
)

// known remembers renderings by the commits that they are of, for a day: what lies
// outside of the repository, and until when findings are allowed, is no part of those.
type known struct {
	mu    sync.Mutex
	day   string
	facts map[Rendering]check.Facts
	order []Rendering
}

// since forgets what is of another day.
func (n *known) since(day string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.day != day {
		n.day, n.facts, n.order = day, map[Rendering]check.Facts{}, nil
	}
}

func (n *known) get(r Rendering) (check.Facts, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, ok := n.facts[r]
	return f, ok
}

func (n *known) put(r Rendering, f check.Facts) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.facts[r]; !ok {
		n.order = append(n.order, r)
	}
	n.facts[r] = f
	for len(n.order) > maxKnown {
		delete(n.facts, n.order[0])
		n.order = n.order[1:]
	}
}

// render renders, or remembers. What went wrong from outside is tried again the next
// time.
func (k *Keeper) render(ctx context.Context, r Rendering) (check.Facts, error) {
	k.known.since(k.Now().UTC().Format(time.DateOnly))
	if f, ok := k.known.get(r); ok {
		return f, nil
	}
	f, err := k.Render(ctx, r)
	if err == nil && (f.Error == "" || f.Broken) {
		k.known.put(r, f)
	}
	return f, err
}

// rules reads those of a branch at a commit.
func (k *Keeper) rules(ctx context.Context, branch string, at repo.Hash) (check.Rules, error) {
	t, err := k.fleet(ctx, at)
	if err != nil {
		return check.Rules{}, err
	}
	return check.RulesOf(branch, t)
}

// fleet is the fleet at a commit; nothing where its directory is not there: the rules of
// another one, above it, are not its own.
func (k *Keeper) fleet(ctx context.Context, at repo.Hash) (tree.Tree, error) {
	files, err := k.Repo.Tree(ctx, at, k.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return tree.Tree{}, nil
	}
	return files, err
}

// renderAll renders every environment of the branch as it would be after the merge.
func (k *Keeper) renderAll(ctx context.Context, c *candidate) error {
	merged, why, err := k.merge(ctx, c.base, c.head)
	if err != nil {
		return err
	}
	c.merged = merged
	if why == "" {
		if c.files, err = k.files(ctx, c.base, merged); err != nil {
			return err
		}
	}
	for _, e := range c.environments {
		f := check.Facts{Environment: e.Name, Error: why, Broken: true}
		if why == "" {
			if f, err = k.render(ctx, c.rendering(e.Name, c.base, merged)); err != nil {
				return fmt.Errorf("render %s: %w", e.Name, err)
			}
		}
		c.facts = append(c.facts, f)
	}
	return nil
}

func (c *candidate) rendering(environment string, base, head repo.Hash) Rendering {
	return Rendering{Branch: c.pr.Base.Branch, Base: base, Head: head, Environment: environment, Fork: c.pr.Fork()}
}

func (k *Keeper) files(ctx context.Context, base, head repo.Hash) (check.Files, error) {
	before, err := k.fleet(ctx, base)
	if err != nil {
		return check.Files{}, err
	}
	after, err := k.fleet(ctx, head)
	if err != nil {
		return check.Files{}, err
	}
	return check.FilesOf(before, after)
}

// nobody makes the commits that are rendered and never pushed. Equal merges are one
// commit, so that they are rendered once.
var nobody = repo.Person{Name: "leat", Email: "leat@localhost", When: time.Unix(0, 0).UTC()}

// merge is what a branch would be with a commit merged; why says what stands against
// it.
func (k *Keeper) merge(ctx context.Context, base, head repo.Hash) (merged repo.Hash, why string, err error) {
	if _, err := k.Repo.MergeBase(ctx, base, head); err != nil {
		return merged, err.Error(), nil //nolint:nilerr // it is told to the people of the change
	}
	out, err := k.Repo.Merge(ctx, repo.Merge{Ours: base, Theirs: head, Message: "merged to be looked at\n", Author: nobody, Committer: nobody})
	if err != nil {
		return merged, "", err
	}
	if len(out.Conflicts) > 0 {
		var files []string
		for _, conflict := range out.Conflicts {
			files = append(files, conflict.Path)
		}
		return merged, "it conflicts with its base in " + strings.Join(files, ", "), nil
	}
	return out.Commit, "", nil
}

// seen finds out what the people who approved looked at: their commit, merged into the
// branch as it stood then.
func (k *Keeper) seen(ctx context.Context, c *candidate) error {
	commits := map[string]bool{}
	for _, r := range lastApprovals(c.reviews) {
		if commits[r.Commit] = true; len(commits) > maxSights {
			k.Log.Warn("an approval is too old to be looked into", "pull", c.pr.Number, "by", r.Reviewer.Login)
			break
		}
		for j, e := range c.environments {
			if !wanted(c.rules.Flow, e.Name) {
				continue
			}
			digest, err := k.sight(ctx, c, j, r)
			if err != nil {
				return err
			}
			c.saw[sight{e.Name, r.Commit, r.Submitted}] = digest
		}
	}
	return nil
}

// lastApprovals are the approvals that may count, the newest first: what somebody said before
// they said something else does not, and must not take the place of others'.
func lastApprovals(reviews []forge.Review) []forge.Review {
	var out []forge.Review
	heard := map[forge.User]bool{}
	for _, r := range slices.Backward(reviews) {
		if r.Verdict == forge.Commented || heard[r.Reviewer] {
			continue
		}
		heard[r.Reviewer] = true
		if r.Verdict == forge.Approved && !r.Dismissed && r.Commit != "" {
			out = append(out, r)
		}
	}
	return out
}

// wanted tells whether approvals count for anything in an environment.
func wanted(f flow.Flow, environment string) bool {
	for _, g := range check.Gates(f, environment, check.Files{Guards: map[string]string{flow.FileName: ""}}) {
		if g.Approvals != nil {
			return true
		}
	}
	return false
}

// sight is what a review was bound to. One that cannot be found out is empty: such a
// review does not count.
func (k *Keeper) sight(ctx context.Context, c *candidate, environment int, r forge.Review) (gate.Digest, error) {
	head, err := hashOf(r.Commit)
	if err != nil || r.Submitted.IsZero() {
		return "", nil //nolint:nilerr // nobody knows what was looked at
	}
	if err := k.Repo.Bring(ctx, head); err != nil {
		k.Log.Info("what was approved is gone", "pull", c.pr.Number, "by", r.Reviewer.Login, "commit", r.Commit, "error", err)
		return "", nil
	}
	base, err := k.stood(c.base, r.Submitted)
	if err != nil {
		return "", err
	}
	if head == c.head && base == c.base {
		return check.Bound(c.facts[environment].After, c.files.Guards), nil
	}
	merged, why, err := k.merge(ctx, base, head)
	if err != nil || why != "" {
		return "", err
	}
	files, err := k.files(ctx, base, merged)
	if err != nil {
		return "", err
	}
	f, err := k.render(ctx, c.rendering(c.environments[environment].Name, base, merged))
	if err != nil {
		return "", err
	}
	return check.Bound(f.After, files.Guards), nil
}

// stood is where a branch stood at a moment: the last of its own commits that was made
// by then. Forges date what they merge themselves; a branch to which people push
// commits as they made them may have had them later.
func (k *Keeper) stood(head repo.Hash, at time.Time) (repo.Hash, error) {
	for range maxBack {
		c, err := k.Repo.Look(head)
		if err != nil {
			return head, err
		}
		if c.Committer.When.Before(at) || len(c.Parents) == 0 {
			return head, nil
		}
		head = c.Parents[0]
	}
	return head, nil
}
