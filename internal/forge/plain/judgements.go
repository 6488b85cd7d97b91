package plain

import (
	"context"
	"fmt"
	"strconv"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Comments implements forge.Comments. Only who said something can edit it.
func (f *Forge) Comments(ctx context.Context, number int) ([]forge.Comment, error) {
	s, err := f.read(ctx)
	if err != nil {
		return nil, err
	}
	var out []forge.Comment
	for _, r := range f.records(s.flow, pullFile(number)) {
		switch {
		case r.Pull != number || r.Body == nil:
		case r.Kind == said:
			out = append(out, forge.Comment{ID: r.ID, Number: number, Author: user(r.By), Body: *r.Body, Created: r.At, Updated: r.At})
		case r.Kind == said2:
			for i := range out {
				if out[i].ID == r.ID && out[i].Author.ID == r.By {
					out[i].Body, out[i].Updated = *r.Body, r.At
				}
			}
		}
	}
	return out, nil
}

// Comment implements forge.Comments.
func (f *Forge) Comment(ctx context.Context, number int, body string) (forge.Comment, error) {
	r, err := f.write(ctx, func(s state) (entry, error) {
		if _, err := f.found(s, number); err != nil {
			return entry{}, err
		}
		id := strconv.Itoa(len(f.records(s.flow, pullFile(number))) + 1)
		return entry{ref: flowRef, file: pullFile(number), record: record{Kind: said, Pull: number, ID: id, Body: &body}}, nil
	})
	return forge.Comment{ID: r.ID, Number: number, Author: user(r.By), Body: body, Created: r.At, Updated: r.At}, err
}

// EditComment implements forge.Comments.
func (f *Forge) EditComment(ctx context.Context, c forge.Comment, body string) error {
	_, err := f.write(ctx, func(state) (entry, error) {
		return entry{ref: flowRef, file: pullFile(c.Number), record: record{Kind: said2, Pull: c.Number, ID: c.ID, Body: &body}}, nil
	})
	return err
}

// Review says something of the head as it is now, in the name of the key.
func (f *Forge) Review(ctx context.Context, number int, v forge.Verdict) error {
	p, err := f.Pull(ctx, number)
	if err != nil {
		return err
	}
	return f.ReviewOf(ctx, p, v)
}

// ReviewOf is Review of the head that was looked at; where another one has come since
// it is a conflict.
func (f *Forge) ReviewOf(ctx context.Context, looked forge.PullRequest, v forge.Verdict) error {
	number := looked.Number
	_, err := f.write(ctx, func(s state) (entry, error) {
		p, err := f.found(s, number)
		if err != nil {
			return entry{}, err
		}
		if p.Head.Commit != looked.Head.Commit {
			return entry{}, &fault.Error{Class: fault.Conflict, Err: fmt.Errorf("pull request %d is at %s, no longer at %s: look at what came since", number, p.Head.Commit, looked.Head.Commit)}
		}
		me, err := f.Me(ctx)
		if err == nil && me.ID == p.Author.ID {
			err = &fault.Error{Class: fault.Forbidden, Err: fmt.Errorf("pull request %d is your own", number)}
		}
		return entry{ref: approvalsRef, file: p.Head.Commit, record: record{
			Kind: reviewed, Pull: number, Head: p.Head.Branch, Base: p.Base.Branch, Commit: p.Head.Commit, Verdict: string(v),
		}}, err
	})
	return err
}

// Dismiss takes back what a person said of a pull request so far.
func (f *Forge) Dismiss(ctx context.Context, number int, who string) error {
	_, err := f.write(ctx, func(s state) (entry, error) {
		_, err := f.found(s, number)
		return entry{ref: flowRef, file: pullFile(number), record: record{Kind: dismissed, Pull: number, Who: who}}, err
	})
	return err
}

// Reviews implements forge.Judgements: every signed note that names the pull
// request, its branches and the commit that it is a note of.
func (f *Forge) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	s, err := f.read(ctx)
	if err != nil {
		return nil, err
	}
	p, err := f.found(s, number)
	if err != nil {
		return nil, err
	}
	notes, err := s.approvals.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []record
	for _, note := range notes {
		for _, r := range f.records(s.approvals, note.Name) {
			if r.Kind == reviewed && r.Pull == number && r.Commit == note.Name && r.Head == p.Head.Branch && r.Base == p.Base.Branch {
				all = append(all, r)
			}
		}
	}
	return f.reviews(s, number, all), nil
}

func (f *Forge) reviews(s state, number int, all []record) []forge.Review {
	var out []forge.Review
	for _, r := range byTime(all) {
		out = append(out, forge.Review{ID: r.Commit + " " + r.By, Reviewer: user(r.By), Verdict: forge.Verdict(r.Verdict), Commit: r.Commit, Submitted: r.At, Signed: true})
	}
	for _, d := range f.records(s.flow, pullFile(number)) {
		for i := range out {
			if d.Kind == dismissed && d.Pull == number && out[i].Reviewer.ID == d.Who && !out[i].Submitted.After(d.At) {
				out[i].Dismissed = true
			}
		}
	}
	return out
}

func statusFile(commit string) string { return "statuses/" + commit }

// Statuses implements forge.Judgements.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]forge.Status, error) {
	s, err := f.read(ctx)
	if err != nil {
		return nil, err
	}
	var out []forge.Status
	for _, r := range f.records(s.flow, statusFile(commit)) {
		if r.Kind == status && r.Commit == commit {
			out = append(out, forge.Status{Context: r.Context, State: forge.CheckState(r.State), Description: r.Description, URL: r.URL, Creator: user(r.By), Updated: r.At})
		}
	}
	return forge.LastOfEach(out), nil
}

// SetStatus implements forge.Judgements.
func (f *Forge) SetStatus(ctx context.Context, commit string, st forge.Status) error {
	_, err := f.write(ctx, func(state) (entry, error) {
		return entry{ref: flowRef, file: statusFile(commit), record: record{
			Kind: status, Commit: commit, Context: st.Context, State: string(st.State), Description: forge.Describe(st.Description), URL: st.URL,
		}}, nil
	})
	return err
}
