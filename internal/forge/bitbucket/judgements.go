package bitbucket

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
)

// activity is what happened to a pull request.
type activity struct {
	Action        string   `json:"action"`
	CommentAction string   `json:"commentAction"`
	User          *user    `json:"user"`
	Created       int64    `json:"createdDate"`
	From          string   `json:"fromHash"` // of RESCOPED, as the next one
	PreviousFrom  string   `json:"previousFromHash"`
	Comment       *comment `json:"comment"`
}

type comment struct {
	ID      int64  `json:"id"`
	Version int    `json:"version"`
	Text    string `json:"text"`
	Author  *user  `json:"author"`
	Created int64  `json:"createdDate"`
	Updated int64  `json:"updatedDate"`
}

// activities returns all, the newest first.
func (f *Forge) activities(ctx context.Context, number int) ([]activity, error) {
	return all[activity](ctx, f, f.path(number, "/activities"), nil)
}

func (f *Forge) comment(number int, c comment) forge.Comment {
	return forge.Comment{ID: strconv.FormatInt(c.ID, 10), Number: number, Author: f.user(c.Author), Body: c.Text, Created: stamp(c.Created), Updated: stamp(c.Updated)}
}

// Comments implements forge.Comments; answers to comments are not among them.
func (f *Forge) Comments(ctx context.Context, number int) ([]forge.Comment, error) {
	list, err := f.activities(ctx, number)
	var out []forge.Comment
	for _, a := range slices.Backward(list) {
		if a.Action == "COMMENTED" && a.CommentAction == "ADDED" && a.Comment != nil {
			out = append(out, f.comment(number, *a.Comment))
		}
	}
	return out, err
}

// Comment implements forge.Comments.
func (f *Forge) Comment(ctx context.Context, number int, body string) (forge.Comment, error) {
	var c comment
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.path(number, "/comments"), Body: map[string]string{"text": body}, Into: &c})
	return f.comment(number, c), err
}

// maxText is how many characters Bitbucket takes, of a comment and a description.
const maxText = 32_768

// MaxText implements forge.Narrow.
func (f *Forge) MaxText() int { return maxText }

// EditComment implements forge.Comments.
func (f *Forge) EditComment(ctx context.Context, c forge.Comment, body string) error {
	path := f.path(c.Number, "/comments/"+rest.Escape(c.ID))
	var now comment
	if err := f.rest.Get(ctx, path, nil, &now); err != nil {
		return err
	}
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: path, Body: map[string]any{"text": body, "version": now.Version}})
	return err
}

// Reviews implements forge.Judgements: what each participant says now, of the
// commit that Bitbucket notes as reviewed last.
func (f *Forge) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	p, err := f.get(ctx, number)
	if err != nil {
		return nil, err
	}
	list, err := f.activities(ctx, number)
	if err != nil {
		return nil, err
	}
	var out []forge.Review
	for _, who := range append(slices.Clone(p.Reviewers), p.Participants...) {
		verdict := map[string]forge.Verdict{"APPROVED": forge.Approved, "NEEDS_WORK": forge.Rejected}[who.Status]
		if verdict == "" || who.User == nil {
			continue
		}
		u := f.user(who.User)
		out = append(out, forge.Review{ID: u.ID, Reviewer: u, Verdict: verdict, Commit: who.Commit, Submitted: f.when(list, u, verdict)})
	}
	slices.SortStableFunc(out, func(a, b forge.Review) int { return a.Submitted.Compare(b.Submitted) })
	return out, nil
}

// when finds the moment of a verdict.
func (f *Forge) when(list []activity, who forge.User, v forge.Verdict) time.Time {
	action := map[forge.Verdict]string{forge.Approved: "APPROVED", forge.Rejected: "REVIEWED"}[v]
	for _, a := range list {
		if a.Action == action && f.user(a.User).ID == who.ID {
			return stamp(a.Created)
		}
	}
	return time.Time{}
}

// The states of a build status.
var states = map[forge.CheckState]string{forge.Pending: "INPROGRESS", forge.Success: "SUCCESSFUL", forge.Failure: "FAILED", forge.Errored: "FAILED"}

// Statuses implements forge.Judgements; nobody is named as the creator.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]forge.Status, error) {
	type status struct {
		State       string `json:"state"`
		Key         string `json:"key"`
		URL         string `json:"url"`
		Description string `json:"description"`
		Added       int64  `json:"dateAdded"`
	}
	list, err := all[status](ctx, f, "/rest/build-status/1.0/commits/"+rest.Escape(commit), nil)
	var out []forge.Status
	for _, s := range list {
		out = append(out, forge.Status{Context: s.Key, State: forge.StateOf(states, s.State), Description: s.Description, URL: s.URL, Updated: stamp(s.Added)})
	}
	return out, err
}

// SetStatus implements forge.Judgements. Bitbucket wants an address: without one
// it is the repository's.
func (f *Forge) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	body := map[string]string{"key": s.Context, "name": s.Context, "state": states[s.State], "url": cmp.Or(s.URL, f.conf.Page()), "description": forge.Describe(s.Description)}
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.repo("/commits/" + rest.Escape(commit) + "/builds"), Body: body})
	return err
}
