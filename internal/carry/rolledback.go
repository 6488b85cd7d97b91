package carry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/promote"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

// maxRollbacks is how many of an environment's last rollbacks are respected.
const maxRollbacks = 20

// RolledBack is a rollback of an environment that is still in force.
type RolledBack struct {
	repo.Commit
	promote.Rollback
}

// rollbacks are those in the history of an environment's branch that still hold: it has
// something as they left it. The newest first. What was rolled back in a branch that was
// merged into this one is that branch's matter.
func (o Onto) rollbacks(ctx context.Context, f flow.Flow, e flow.Environment, head repo.Hash) ([]RolledBack, error) {
	log, err := o.Repo.Log(ctx, repo.Range{From: head, Limit: maxHistory})
	if err != nil {
		return nil, err
	}
	now, err := o.Repo.Tree(ctx, head, o.Dir)
	if err != nil {
		return nil, err
	}
	var out []RolledBack
	looked := 0
	for _, c := range log {
		of, is := rollbackOf(c.Message)
		if other, known := f.Environment(of); !is || known && other.Branch != e.Branch || len(c.Parents) == 0 || looked == maxRollbacks {
			continue
		}
		looked++
		b, err := o.rolledBack(ctx, c)
		if err != nil {
			return nil, err
		}
		if b.InForce(e, now) {
			out = append(out, b)
		}
	}
	return out, nil
}

// rolledBack reads what a rollback took back.
func (o Onto) rolledBack(ctx context.Context, c repo.Commit) (RolledBack, error) {
	out := RolledBack{Commit: c}
	out.By = fmt.Sprintf("%s (%s, %s)", c.ID.String()[:10], c.Author.Name, c.Author.When.Format(time.DateOnly))
	var err error
	if out.Before, err = o.Repo.Tree(ctx, c.Parents[0], o.Dir); err != nil {
		return out, err
	}
	out.After, err = o.Repo.Tree(ctx, c.ID, o.Dir)
	return out, err
}

// rollbackOf is the environment that a commit rolls back.
func rollbackOf(message string) (environment string, is bool) {
	for line := range strings.Lines(message) {
		if rest, is := strings.CutPrefix(line, rolledBack); is {
			environment, _, _ = strings.Cut(rest, "@")
			return environment, true
		}
	}
	return "", false
}

// restored are the places that would come back if an environment's branch became other
// files.
func restored(in []RolledBack, e flow.Environment, was, will tree.Tree) []promote.Refusal {
	var out []promote.Refusal
	for _, b := range in {
		for _, r := range b.Restored(e, was, will) {
			if !slices.ContainsFunc(out, func(o promote.Refusal) bool { return o.On == r.On }) {
				out = append(out, r)
			}
		}
	}
	return out
}

// withRollbacksUndone is a commit on top of a head that has again what rollbacks took
// away, one commit for each.
func (o Onto) withRollbacksUndone(ctx context.Context, head repo.Hash, in []RolledBack) (repo.Hash, error) {
	for _, b := range in {
		undone, err := o.Repo.Merge(ctx, repo.Merge{
			Base: b.ID, Ours: head, Theirs: b.Parents[0], Parents: []repo.Hash{head}, Author: o.Author,
			Message: fmt.Sprintf("Bring back what %s took back\n\n%s%s\n", b.ID.String()[:10], broughtBack, b.ID),
		})
		if err != nil {
			return head, err
		}
		if len(undone.Conflicts) > 0 {
			errs := []error{fmt.Errorf("what %s took back cannot be brought back by itself: revert it by hand (git revert %s) on %s", b.By, b.ID.String()[:10], o.Branch)}
			for _, c := range undone.Conflicts {
				errs = append(errs, errors.New("  "+c.String()))
			}
			return head, errors.Join(errs...)
		}
		head = undone.Commit
	}
	return head, nil
}
