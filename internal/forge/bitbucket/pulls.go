package bitbucket

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// pull is a pull request as Bitbucket writes it.
type pull struct {
	ID           int           `json:"id"`
	Version      int           `json:"version"`
	Title        string        `json:"title"`
	Description  string        `json:"description"`
	State        string        `json:"state"` // OPEN, MERGED, DECLINED
	Draft        bool          `json:"draft"`
	From         end           `json:"fromRef"`
	To           end           `json:"toRef"`
	Author       participant   `json:"author"`
	Reviewers    []participant `json:"reviewers"`
	Participants []participant `json:"participants"`
	Created      int64         `json:"createdDate"` // milliseconds
	Updated      int64         `json:"updatedDate"`
	Properties   struct {
		MergeResult struct {
			Outcome string `json:"outcome"` // CLEAN, CONFLICTED, UNKNOWN
		} `json:"mergeResult"`
		MergeCommit struct {
			ID string `json:"id"`
		} `json:"mergeCommit"`
	} `json:"properties"`
	Links struct {
		Self []link `json:"self"`
	} `json:"links"`
}

type participant struct {
	User   *user  `json:"user"`
	Status string `json:"status"` // UNAPPROVED, NEEDS_WORK, APPROVED
	Commit string `json:"lastReviewedCommit"`
}

type end struct {
	ID     string `json:"id"` // refs/heads/…
	Commit string `json:"latestCommit"`
	Repo   struct {
		Slug    string `json:"slug"`
		Project struct {
			Key string `json:"key"`
		} `json:"project"`
	} `json:"repository"`
}

func (e end) side() forge.Side {
	return forge.Side{Branch: strings.TrimPrefix(e.ID, "refs/heads/"), Commit: e.Commit, Repo: e.Repo.Project.Key + "/" + e.Repo.Slug}
}

func stamp(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func (f *Forge) pull(p pull) forge.PullRequest {
	out := forge.PullRequest{
		Number: p.ID, Title: p.Title, Body: p.Description, State: forge.Open, Draft: p.Draft, Author: f.user(p.Author.User),
		Head: p.From.side(), Base: p.To.side(), Created: stamp(p.Created), Updated: stamp(p.Updated),
		Mergeable: map[string]forge.Mergeable{"CLEAN": forge.Clean, "CONFLICTED": forge.Conflicting}[p.Properties.MergeResult.Outcome],
	}
	switch p.State {
	case "MERGED":
		out.State, out.MergedAs = forge.Merged, p.Properties.MergeCommit.ID
	case "DECLINED":
		out.State = forge.Closed
	}
	for _, l := range p.Links.Self {
		out.URL = l.Href
	}
	return out
}

func (f *Forge) path(number int, more string) string {
	return f.repo("/pull-requests/" + strconv.Itoa(number) + more)
}

func (f *Forge) get(ctx context.Context, number int) (pull, error) {
	var p pull
	err := f.rest.Get(ctx, f.path(number, ""), nil, &p)
	return p, err
}

// Pull implements forge.Pulls.
func (f *Forge) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	p, err := f.get(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(p)
	happened, err := f.activities(ctx, number)
	for _, a := range happened { // the newest first
		if a.Action == "RESCOPED" && a.From != a.PreviousFrom {
			out.Pusher = f.user(a.User)
			break
		}
	}
	return out, err
}

// List implements forge.Pulls. Bitbucket has no labels.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	query := url.Values{"order": {"NEWEST"}, "state": {map[forge.State]string{"": "ALL", forge.Open: "OPEN", forge.Closed: "DECLINED", forge.Merged: "MERGED"}[q.State]}}
	switch {
	case q.Head != "":
		query.Set("at", "refs/heads/"+q.Head)
		query.Set("direction", "OUTGOING")
	case q.Base != "":
		query.Set("at", "refs/heads/"+q.Base)
	}
	found, err := list[pull](ctx, f, f.repo("/pull-requests"), query).Newest()
	var out []forge.PullRequest
	for _, p := range found {
		out = append(out, f.pull(p))
	}
	return q.Select(out), err
}

// Create implements forge.Pulls.
func (f *Forge) Create(ctx context.Context, d forge.Draft) (forge.PullRequest, error) {
	ref := func(branch string) any {
		return map[string]any{"id": "refs/heads/" + branch, "repository": map[string]any{"slug": f.slug, "project": map[string]string{"key": f.project}}}
	}
	var p pull
	body := map[string]any{"title": d.Title, "description": d.Body, "fromRef": ref(d.Head), "toRef": ref(d.Base)}
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.repo("/pull-requests"), Body: body, Into: &p})
	return f.pull(p), err
}

// Edit implements forge.Pulls: a title and description are written with the
// version and the reviewers that are there, closing is an action of its own.
func (f *Forge) Edit(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	p, err := f.get(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	if e.Title != nil || e.Body != nil {
		if p, err = f.rewrite(ctx, p, e); err != nil {
			return forge.PullRequest{}, err
		}
	}
	if e.State != nil {
		action := map[forge.State]string{forge.Closed: "/decline", forge.Open: "/reopen"}[*e.State]
		call := rest.Call{Method: http.MethodPost, Path: f.path(number, action), Query: version(p), Body: map[string]any{}, Into: &p}
		if _, err := f.rest.Do(ctx, call); err != nil {
			return forge.PullRequest{}, err
		}
	}
	return f.pull(p), nil
}

func version(p pull) url.Values { return url.Values{"version": {strconv.Itoa(p.Version)}} }

func (f *Forge) rewrite(ctx context.Context, p pull, e forge.Edit) (pull, error) {
	body := map[string]any{"version": p.Version, "title": p.Title, "description": p.Description}
	e.Into(body, "title", "description")
	reviewers := []any{}
	for _, r := range p.Reviewers { // those that are left out are removed
		if r.User != nil {
			reviewers = append(reviewers, map[string]any{"user": map[string]string{"name": r.User.Name}})
		}
	}
	body["reviewers"] = reviewers
	var next pull
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.path(p.ID, ""), Body: body, Into: &next})
	return next, err
}

// Merge implements forge.Pulls. Bitbucket locks by a version, which a push moves.
func (f *Forge) Merge(ctx context.Context, number int, m forge.Merge) error {
	p, err := f.get(ctx, number)
	if err != nil {
		return err
	}
	pr := f.pull(p)
	if err := m.Against(pr); err != nil {
		return f.rest.Fault(fault.Conflict, err)
	}
	body := map[string]any{"version": p.Version}
	if text := m.Text(); text != "" {
		body["message"] = text
	}
	if id := map[forge.Method]string{forge.Squash: "squash", forge.Rebase: "rebase-no-ff", forge.MergeCommit: "no-ff"}[m.Method]; id != "" {
		body["strategyId"] = id
	}
	if _, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.path(number, "/merge"), Query: version(p), Body: body}); err != nil || !m.Delete || pr.Fork() {
		return err
	}
	path := "/rest/branch-utils/1.0/projects/" + rest.Escape(f.project) + "/repos/" + rest.Escape(f.slug) + "/branches"
	_, err = f.rest.Do(ctx, rest.Call{Method: http.MethodDelete, Path: path, Body: map[string]any{"name": p.From.ID, "dryRun": false}})
	return err
}
