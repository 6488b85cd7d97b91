package plain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// pull folds the records of a pull request; false when nobody whose signature
// counts opened it.
func (f *Forge) pull(s state, number int) (forge.PullRequest, bool) {
	var p forge.PullRequest
	for _, r := range f.records(s.flow, pullFile(number)) {
		if r.Pull != number {
			continue // copied from another one
		}
		switch {
		case r.Kind == opened && p.Number == 0:
			p = forge.PullRequest{Number: number, URL: fmt.Sprintf("%s#%d", f.address(), number), State: forge.Open, Author: user(r.By), Created: r.At}
			p.Head, p.Base = forge.Side{Branch: r.Head, Commit: r.Commit}, forge.Side{Branch: r.Base}
		case p.Number == 0 || r.Kind != opened && r.Kind != changed:
			continue
		}
		p.Updated = r.At
		if r.Title != nil {
			p.Title = *r.Title
		}
		if r.Body != nil {
			p.Body = *r.Body
		}
		if r.Labels != nil {
			p.Labels = *r.Labels
		}
		if r.State != "" {
			p.State, p.Head.Commit = forge.State(r.State), r.Commit
			p.MergedAs = r.ID
		}
	}
	if p.Number == 0 {
		return p, false
	}
	if h, err := f.c.Repo.Branch(p.Head.Branch); err == nil && p.State == forge.Open {
		p.Head.Commit = h.String()
	}
	if h, err := f.c.Repo.Branch(p.Base.Branch); err == nil {
		p.Base.Commit = h.String()
	}
	return p, true
}

func (f *Forge) found(s state, number int) (forge.PullRequest, error) {
	p, ok := f.pull(s, number)
	if !ok {
		return p, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("there is no pull request %d in %s", number, flowRef)}
	}
	return p, nil
}

// Pull implements forge.Pulls.
func (f *Forge) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	s, err := f.read(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	return f.found(s, number)
}

// List implements forge.Pulls.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	s, err := f.read(ctx)
	return f.list(s, q), err
}

func (f *Forge) list(s state, q forge.Query) []forge.PullRequest {
	var out []forge.PullRequest
	for _, n := range slices.Backward(s.numbers()) {
		p, ok := f.pull(s, n)
		if ok && q.Matches(p) {
			out = append(out, p)
		}
	}
	return out
}

// Create implements forge.Pulls.
func (f *Forge) Create(ctx context.Context, d forge.Draft) (forge.PullRequest, error) {
	r, err := f.write(ctx, func(s state) (entry, error) {
		head, err := f.c.Repo.Branch(d.Head)
		if err != nil {
			return entry{}, err
		}
		if _, err := f.c.Repo.Branch(d.Base); err != nil {
			return entry{}, err
		}
		if len(f.list(s, forge.Query{State: forge.Open, Head: d.Head, Base: d.Base})) > 0 {
			return entry{}, &fault.Error{Class: fault.Conflict, Err: fmt.Errorf("a pull request of %s into %s is open", d.Head, d.Base)}
		}
		number := 1
		if have := s.numbers(); len(have) > 0 {
			number = have[len(have)-1] + 1
		}
		return entry{ref: flowRef, file: pullFile(number), record: record{
			Kind: opened, Pull: number, Head: d.Head, Base: d.Base, Title: &d.Title, Body: &d.Body, Labels: &d.Labels, Commit: head.String(),
		}}, nil
	})
	if err != nil {
		return forge.PullRequest{}, err
	}
	return f.Pull(ctx, r.Pull)
}

// Edit implements forge.Pulls.
func (f *Forge) Edit(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	_, err := f.write(ctx, func(s state) (entry, error) {
		p, err := f.found(s, number)
		if err != nil {
			return entry{}, err
		}
		r := record{Kind: changed, Pull: number, Title: e.Title, Body: e.Body, Labels: e.Labels}
		if e.State != nil {
			r.State, r.Commit = string(*e.State), p.Head.Commit
		}
		return entry{ref: flowRef, file: pullFile(number), record: r}, nil
	})
	if err != nil {
		return forge.PullRequest{}, err
	}
	return f.Pull(ctx, number)
}

// Merge implements forge.Pulls: the branch, the record and the deletion are one
// push, all or none. Squash and Rebase are not known here.
func (f *Forge) Merge(ctx context.Context, number int, m forge.Merge) error {
	if m.Method != "" && m.Method != forge.MergeCommit {
		return &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("plain Git merges by a merge commit, not by %s", m.Method)}
	}
	_, err := f.write(ctx, func(s state) (entry, error) {
		p, err := f.found(s, number)
		if err != nil {
			return entry{}, err
		}
		if err := m.Against(p); err != nil {
			return entry{}, &fault.Error{Class: fault.Conflict, Err: err}
		}
		return f.merged(ctx, p, m)
	})
	return err
}

func (f *Forge) merged(ctx context.Context, p forge.PullRequest, m forge.Merge) (entry, error) {
	me, err := f.Me(ctx)
	if err != nil {
		return entry{}, err
	}
	base, err1 := wire.ParseHash(p.Base.Commit)
	head, err2 := wire.ParseHash(p.Head.Commit)
	if err := errors.Join(err1, err2); err != nil {
		return entry{}, fmt.Errorf("merge %d: %w", p.Number, err)
	}
	text := m.Title
	if text == "" {
		text = fmt.Sprintf("Merge %s into %s (#%d)", p.Head.Branch, p.Base.Branch, p.Number)
	}
	by := repo.Person{Name: me.Login, Email: me.Login, When: f.c.Now().UTC()}
	out, err := f.c.Repo.Merge(ctx, repo.Merge{Ours: base, Theirs: head, Message: text + "\n\n" + m.Message, Author: by})
	if err != nil {
		return entry{}, err
	}
	if len(out.Conflicts) > 0 {
		return entry{}, &fault.Error{Class: fault.Conflict, Err: fmt.Errorf("merge %s into %s: %s", p.Head.Branch, p.Base.Branch, out.Conflicts[0])}
	}
	e := entry{ref: flowRef, file: pullFile(p.Number), record: record{Kind: changed, Pull: p.Number, State: string(forge.Merged), Commit: head.String(), ID: out.Commit.String()}}
	e.also = []repo.Update{{Branch: p.Base.Branch, Old: base, New: out.Commit}}
	if m.Delete {
		e.also = append(e.also, repo.Update{Branch: p.Head.Branch, Old: head})
	}
	return e, nil
}
