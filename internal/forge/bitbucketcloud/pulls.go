package bitbucketcloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	Title        string        `json:"title"`
	Description  string        `json:"description"`
	State        string        `json:"state"` // OPEN, MERGED, DECLINED, SUPERSEDED
	Draft        bool          `json:"draft"`
	Author       *user         `json:"author"`
	Source       end           `json:"source"`
	Destination  end           `json:"destination"`
	MergeCommit  *commit       `json:"merge_commit"`
	Reviewers    []user        `json:"reviewers"`
	Participants []participant `json:"participants"`
	Created      time.Time     `json:"created_on"`
	Updated      time.Time     `json:"updated_on"`
	Links        struct {
		HTML link `json:"html"`
	} `json:"links"`
}

type commit struct {
	Hash string `json:"hash"` // of a pull request: its first twelve digits
}

// end is a branch of a pull request; Repo is nil when the fork is gone.
type end struct {
	Branch struct {
		Name string `json:"name"`
	} `json:"branch"`
	Commit *commit `json:"commit"`
	Repo   *struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
}

func (e end) side() forge.Side {
	s := forge.Side{Branch: e.Branch.Name}
	if e.Commit != nil {
		s.Commit = e.Commit.Hash
	}
	if e.Repo != nil {
		s.Repo = e.Repo.FullName
	}
	return s
}

// pull translates; its commits are still short.
func (f *Forge) pull(p pull) forge.PullRequest {
	out := forge.PullRequest{
		Number: p.ID, URL: p.Links.HTML.Href, Title: p.Title, Body: p.Description, State: forge.Open, Draft: p.Draft, Author: f.user(p.Author),
		Head: p.Source.side(), Base: p.Destination.side(), Created: p.Created, Updated: p.Updated,
	}
	switch p.State {
	case "MERGED":
		out.State = forge.Merged
		if p.MergeCommit != nil {
			out.MergedAs = p.MergeCommit.Hash
		}
	case "DECLINED", "SUPERSEDED":
		out.State = forge.Closed
	}
	return out
}

// full is a pull request with whole commits.
func (f *Forge) full(ctx context.Context, p pull) (forge.PullRequest, error) {
	out := f.pull(p)
	for _, of := range []struct {
		repo   string
		commit *string
	}{{out.Head.Repo, &out.Head.Commit}, {out.Base.Repo, &out.Base.Commit}, {out.Base.Repo, &out.MergedAs}} {
		if of.repo == "" {
			continue // the fork is gone, and its commits with it
		}
		whole, err := f.commit(ctx, of.repo, *of.commit)
		if err = rest.Unless(err, fault.NotFound, fault.Forbidden); err != nil {
			return out, err
		}
		*of.commit = cmp.Or(whole, *of.commit)
	}
	return out, nil
}

// maxWhole bounds the commits that are remembered; shaLength is how long one is.
const (
	maxWhole  = 10_000
	shaLength = 40
)

// commit finds the whole name of a commit.
func (f *Forge) commit(ctx context.Context, repo, short string) (string, error) {
	if short == "" || len(short) >= shaLength {
		return short, nil
	}
	f.mu.Lock()
	known := f.whole[short]
	f.mu.Unlock()
	if known != "" {
		return known, nil
	}
	var c commit
	if err := f.rest.Get(ctx, "/repositories/"+rest.Elements(repo)+"/commit/"+rest.Escape(short), nil, &c); err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.whole) >= maxWhole {
		clear(f.whole)
	}
	f.whole[short] = c.Hash
	return c.Hash, nil
}

func (f *Forge) path(number int, more string) string {
	return f.repo("/pullrequests/" + strconv.Itoa(number) + more)
}

func (f *Forge) get(ctx context.Context, number int) (pull, error) {
	var p pull
	err := f.rest.Get(ctx, f.path(number, ""), nil, &p)
	return p, err
}

// Pull implements forge.Pulls. Who pushed last is known once somebody pushed after it
// was opened.
func (f *Forge) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	p, err := f.get(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	out, err := f.full(ctx, p)
	if err != nil {
		return out, err
	}
	happened, err := f.activity(ctx, number)
	out.Pusher = f.pusher(happened)
	return out, err
}

// List implements forge.Pulls; only open ones are given with whole commits. Bitbucket
// has no labels.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	states := map[forge.State][]string{"": {"OPEN", "MERGED", "DECLINED", "SUPERSEDED"}, forge.Open: {"OPEN"}, forge.Closed: {"DECLINED", "SUPERSEDED"}, forge.Merged: {"MERGED"}}[q.State]
	query := url.Values{"state": states, "sort": {"-created_on"}}
	var where []string
	for field, branch := range map[string]string{"source.branch.name": q.Head, "destination.branch.name": q.Base} {
		if branch != "" {
			where = append(where, field+" = "+quoted(branch))
		}
	}
	if len(where) > 0 {
		slices.Sort(where)
		query.Set("q", strings.Join(where, " AND "))
	}
	found, err := list[pull](ctx, f, f.repo("/pullrequests"), query).Newest()
	if err != nil {
		return nil, err
	}
	var out []forge.PullRequest
	for _, p := range found {
		pr := f.pull(p)
		if pr.State == forge.Open && q.Matches(pr) {
			if pr, err = f.full(ctx, p); err != nil {
				return nil, err
			}
		}
		out = append(out, pr)
	}
	return q.Select(out), nil
}

// quoted is a text of Bitbucket's query language.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Create implements forge.Pulls. Whether one is open already is asked for before and
// after: the API does not say what it does then.
func (f *Forge) Create(ctx context.Context, d forge.Draft) (forge.PullRequest, error) {
	if err := f.noneOpen(ctx, d); err != nil {
		return forge.PullRequest{}, err
	}
	branch := func(name string) any { return map[string]any{"branch": map[string]string{"name": name}} }
	body := map[string]any{"type": "pullrequest", "title": d.Title, "description": d.Body, "source": branch(d.Head), "destination": branch(d.Base)}
	var p pull
	if _, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.repo("/pullrequests"), Body: body, Into: &p}); err != nil {
		return forge.PullRequest{}, cmp.Or(f.noneOpen(ctx, d), err) // somebody was faster, or it cannot be
	}
	return f.full(ctx, p)
}

// noneOpen is a Conflict where one is open for the branches of d.
func (f *Forge) noneOpen(ctx context.Context, d forge.Draft) error {
	open, err := f.List(ctx, forge.Query{State: forge.Open, Head: d.Head, Base: d.Base})
	if err == nil && len(open) > 0 {
		err = f.rest.Fault(fault.Conflict, fmt.Errorf("pull request %d of %s into %s is open", open[0].Number, d.Head, d.Base))
	}
	return err
}

// Edit implements forge.Pulls. What was declined cannot be opened again.
func (f *Forge) Edit(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	p, err := f.get(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	if e.State != nil && *e.State == forge.Open && p.State != "OPEN" {
		return forge.PullRequest{}, f.rest.Fault(fault.Invalid, errors.New("Bitbucket Cloud cannot open a pull request again"))
	}
	if e.Title != nil || e.Body != nil {
		if p, err = f.rewrite(ctx, p, e); err != nil {
			return forge.PullRequest{}, err
		}
	}
	if e.State != nil && *e.State == forge.Closed {
		if _, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.path(number, "/decline"), Into: &p}); err != nil {
			return forge.PullRequest{}, err
		}
	}
	return f.full(ctx, p)
}

// rewrite changes title and description, and leaves the reviewers that are there.
func (f *Forge) rewrite(ctx context.Context, p pull, e forge.Edit) (pull, error) {
	body := map[string]any{"type": "pullrequest", "title": p.Title, "description": p.Description}
	e.Into(body, "title", "description")
	reviewers := []any{}
	for _, r := range p.Reviewers {
		reviewers = append(reviewers, map[string]string{"type": "user", "uuid": r.UUID})
	}
	body["reviewers"] = reviewers
	var next pull
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.path(p.ID, ""), Body: body, Into: &next})
	return next, err
}

// Merge implements forge.Pulls. Bitbucket takes no commit that must be the head: it is
// looked at just before.
func (f *Forge) Merge(ctx context.Context, number int, m forge.Merge) error {
	p, err := f.get(ctx, number)
	if err != nil {
		return err
	}
	pr, err := f.full(ctx, p)
	if err != nil {
		return err
	}
	if err := m.Against(pr); err != nil {
		return f.rest.Fault(fault.Conflict, err)
	}
	body := map[string]any{
		"type": "pullrequest_merge_parameters", "close_source_branch": m.Delete && !pr.Fork(),
		"merge_strategy": map[forge.Method]string{"": "merge_commit", forge.MergeCommit: "merge_commit", forge.Squash: "squash", forge.Rebase: "rebase_fast_forward"}[m.Method],
	}
	if text := m.Text(); text != "" {
		body["message"] = text
	}
	_, err = f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.path(number, "/merge"), Body: body})
	return err
}
