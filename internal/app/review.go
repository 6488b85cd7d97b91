package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/plain"
)

// Reviewed is a pull request with what was said about it as it stands.
type Reviewed struct {
	forge.PullRequest
	Reviews  []forge.Review
	Statuses []forge.Status
}

// Pull returns one pull request of the fleet's repository.
func (c *Carrying) Pull(ctx context.Context, number int) (Reviewed, error) {
	f, err := c.reading(ctx)
	if err != nil {
		return Reviewed{}, err
	}
	p, err := f.Pull(ctx, number)
	if err != nil {
		return Reviewed{}, fmt.Errorf("read pull request %d: %w", number, err)
	}
	return saidOf(ctx, f, p)
}

// Pulls returns the open pull requests of the fleet's repository.
func (c *Carrying) Pulls(ctx context.Context) ([]Reviewed, error) {
	f, err := c.reading(ctx)
	if err != nil {
		return nil, err
	}
	all, err := f.List(ctx, forge.Query{State: forge.Open})
	if err != nil {
		return nil, fmt.Errorf("list the pull requests: %w", err)
	}
	out := make([]Reviewed, 0, len(all))
	for _, p := range all {
		one, err := saidOf(ctx, f, p)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func (c *Carrying) reading(ctx context.Context) (forge.Forge, error) {
	if c.Flow.Forge == nil {
		return nil, fmt.Errorf("%s names no forge, so there are no pull requests: add one, forge.kind git for none but Git", flow.FileName)
	}
	return c.readForge(ctx, c.cfg.Now)
}

func saidOf(ctx context.Context, f forge.Forge, p forge.PullRequest) (Reviewed, error) {
	reviews, err := f.Reviews(ctx, p.Number)
	if err != nil {
		return Reviewed{}, fmt.Errorf("read the reviews of pull request %d: %w", p.Number, err)
	}
	statuses, err := f.Statuses(ctx, p.Head.Commit)
	if err != nil {
		return Reviewed{}, fmt.Errorf("read the statuses of pull request %d: %w", p.Number, err)
	}
	return Reviewed{p, reviews, statuses}, nil
}

// Judge signs what a person thinks of a pull request of plain Git: of its head as it
// was looked at, which commit names by its first digits.
func (c *Carrying) Judge(ctx context.Context, looked Reviewed, commit string, v forge.Verdict) error {
	if !strings.HasPrefix(looked.Head.Commit, commit) {
		return fmt.Errorf("review pull request %d: its head is %s, not %s: look at what came since", looked.Number, looked.Head.Commit, commit)
	}
	if c.Flow.Forge.Kind != plainGit {
		return fmt.Errorf("review pull request %d: that is done at the forge, %s", looked.Number, looked.URL)
	}
	f, why, err := c.plain(c.Repo)
	if err != nil {
		return err
	}
	if why != "" {
		return fmt.Errorf("review pull request %d: %s", looked.Number, why)
	}
	return f.(*plain.Forge).ReviewOf(ctx, looked.PullRequest, v)
}
