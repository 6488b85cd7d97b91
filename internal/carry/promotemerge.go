package carry

import (
	"context"
	"errors"
	"fmt"

	"github.com/leat-dev/leat/internal/promote"
	"github.com/leat-dev/leat/internal/repo"
)

// merge promotes a branch into a branch.
func (in Promoting) merge(ctx context.Context, out *Promotion) error {
	if len(in.Only) > 0 {
		return fmt.Errorf("%s takes whole branches (move: merge): parts of one cannot be promoted", in.To.Name)
	}
	ours, onto := out.Target, in.Fleet
	onto.Branch = in.To.Branch
	if in.Again {
		var err error
		if ours, err = onto.withRollbacksUndone(ctx, ours, out.Rollbacks); err != nil {
			return err
		}
	}
	base, err := in.squashed(*out)
	if err != nil {
		return err
	}
	if base == out.Source { // all of it was brought, and squashed
		out.Commit, out.Nothing = ours, ours == out.Target
		return nil
	}
	merged, err := in.Fleet.Repo.Merge(ctx, repo.Merge{
		Base: base, Ours: ours, Theirs: out.Source, Message: in.message(*out), Author: in.Fleet.Author,
	})
	if err != nil {
		return err
	}
	var refusals []promote.Refusal
	for _, c := range merged.Conflicts {
		refusals = append(refusals, promote.Refusal{At: c.Path, On: c.Path, Text: c.Why})
	}
	if len(refusals) > 0 {
		return in.byHand(out, refusals)
	}
	out.Commit, out.Nothing = merged.Commit, merged.Commit == out.Target
	if out.Nothing {
		return nil
	}
	if out.Commit, err = onto.made(in.branch(), out.Commit); err != nil || in.Again {
		return err
	}
	return in.unrestored(ctx, out)
}

// byHand takes the merge that a person has pushed to where ours would be; where there
// is none it says what to do.
func (in Promoting) byHand(out *Promotion, refusals []promote.Refusal) error {
	r := in.Fleet.Repo
	if at, err := r.Branch(in.branch()); err == nil {
		target, err := r.Contains(at, out.Target)
		source, err2 := r.Contains(at, out.Source)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if target && source {
			out.Commit = at
			return nil
		}
	}
	from := in.Of
	if from == "" {
		from = "origin/" + in.From.Branch
	}
	return &MergeError{refusals, in.To.Branch, from, in.branch()}
}

// squashed is what was promoted last, where the target has it by another name: forges
// squash, and then the branches have no commit in common that tells so. Zero where the
// common history tells it.
func (in Promoting) squashed(p Promotion) (repo.Hash, error) {
	if (p.Last == repo.Hash{}) {
		return repo.Hash{}, nil
	}
	r := in.Fleet.Repo
	has, err := r.Contains(p.Target, p.Last)
	if err != nil || has {
		return repo.Hash{}, err
	}
	ours, err := r.Contains(p.Source, p.Last)
	if err != nil || !ours {
		return repo.Hash{}, err
	}
	return p.Last, nil
}

// unrestored refuses a merge that brings back what was rolled back: histories that
// were squashed do not tell that it was there.
func (in Promoting) unrestored(ctx context.Context, out *Promotion) error {
	if len(out.Rollbacks) == 0 {
		return nil
	}
	was, err := in.Fleet.Repo.Tree(ctx, out.Target, in.Fleet.Dir)
	if err != nil {
		return err
	}
	will, err := in.Fleet.Repo.Tree(ctx, out.Commit, in.Fleet.Dir)
	if err != nil {
		return err
	}
	if back := restored(out.Rollbacks, in.To, was, will); len(back) > 0 {
		return &RestoredError{back, in.To.Name}
	}
	return nil
}

// RestoredError says what would come back that was rolled back.
type RestoredError struct {
	Places      []promote.Refusal
	Environment string
}

// Error implements error.
func (e *RestoredError) Error() string {
	return fmt.Sprintf("this brings back what was rolled back in %s; --again brings it all the same:%s", e.Environment, places(e.Places))
}

// MergeError is what a merge cannot decide.
type MergeError struct {
	Refusals         []promote.Refusal
	Into, From, Head string // branches: of the target, what is merged, where a person does it
}

// Error implements error.
func (e *MergeError) Error() string {
	return fmt.Sprintf("both sides have changed what follows, so a person must merge it: "+
		"git fetch && git switch -c %s origin/%s && git merge %s, then push %s and run this again:%s",
		e.Head, e.Into, e.From, e.Head, places(e.Refusals))
}

// places are refusals, each on a line.
func places(all []promote.Refusal) string {
	text := ""
	for _, r := range all {
		text += "\n  " + r.String()
	}
	return text
}
