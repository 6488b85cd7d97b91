package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// pull is a pull request as Azure writes it.
type pull struct {
	ID          int        `json:"pullRequestId"`
	Title       string     `json:"title"`
	Description string     `json:"description"` // its first 400 characters in lists
	Status      string     `json:"status"`      // active, abandoned, completed
	Draft       bool       `json:"isDraft"`
	Author      *identity  `json:"createdBy"`
	Source      string     `json:"sourceRefName"`
	Target      string     `json:"targetRefName"`
	SourceAt    commit     `json:"lastMergeSourceCommit"`
	TargetAt    commit     `json:"lastMergeTargetCommit"`
	MergedAt    commit     `json:"lastMergeCommit"`
	MergeStatus string     `json:"mergeStatus"`
	MergeFailed string     `json:"mergeFailureMessage"`
	Labels      []label    `json:"labels"`
	Repo        repository `json:"repository"`
	Fork        *struct {
		Repo repository `json:"repository"`
	} `json:"forkSource"`
	Created time.Time  `json:"creationDate"`
	Closed  *time.Time `json:"closedDate"`
}

type commit struct {
	ID string `json:"commitId"`
}

type label struct {
	Name   string `json:"name"`
	Active *bool  `json:"active"`
}

func (f *Forge) pull(p pull) forge.PullRequest {
	repo := p.Repo.path()
	out := forge.PullRequest{
		Number: p.ID, Title: p.Title, Body: p.Description, State: forge.Open, Draft: p.Draft, Author: f.user(p.Author),
		Head: forge.Side{Branch: strings.TrimPrefix(p.Source, heads), Commit: p.SourceAt.ID, Repo: repo},
		Base: forge.Side{Branch: strings.TrimPrefix(p.Target, heads), Commit: p.TargetAt.ID, Repo: repo},
		URL:  f.conf.Page() + "/pullrequest/" + strconv.Itoa(p.ID), Created: p.Created, Updated: p.Created,
		Mergeable: map[string]forge.Mergeable{"succeeded": forge.Clean, "conflicts": forge.Conflicting}[p.MergeStatus],
	}
	if p.Fork != nil {
		out.Head.Repo = p.Fork.Repo.path()
	}
	if p.Closed != nil {
		out.Updated = *p.Closed
	}
	for _, l := range p.Labels {
		if l.Active == nil || *l.Active {
			out.Labels = append(out.Labels, l.Name)
		}
	}
	switch p.Status {
	case "completed":
		out.State, out.MergedAs = forge.Merged, p.MergedAt.ID
	case "abandoned":
		out.State = forge.Closed
	}
	return out
}

func (f *Forge) path(number int) string { return f.repo("/pullrequests/" + strconv.Itoa(number)) }

// below is a path below a pull request, as the API writes those.
func (f *Forge) below(number int, more string) string {
	return f.repo("/pullRequests/" + strconv.Itoa(number) + more)
}

func (f *Forge) get(ctx context.Context, number int) (pull, error) {
	var p pull
	err := f.rest.Get(ctx, f.path(number), versioned(), &p)
	return p, err
}

// iteration is what one push made of a pull request.
type iteration struct {
	ID      int       `json:"id"`
	Author  *identity `json:"author"`
	Created time.Time `json:"createdDate"`
	Source  commit    `json:"sourceRefCommit"`
	Push    *struct {
		By *identity `json:"pushedBy"`
	} `json:"push"`
}

func (f *Forge) iterations(ctx context.Context, number int) ([]iteration, error) {
	return list[iteration](ctx, f, f.below(number, "/iterations"), versioned())
}

// Pull implements forge.Pulls. Who pushed last is told by the last iteration.
func (f *Forge) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	p, err := f.get(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(p)
	all, err := f.iterations(ctx, number)
	if n := len(all); n > 0 {
		out.Pusher = f.user(all[n-1].Author)
		if push := all[n-1].Push; push != nil && push.By != nil {
			out.Pusher = f.user(push.By)
		}
	}
	return out, err
}

// cutAt is where lists cut descriptions off.
const cutAt = 400

// List implements forge.Pulls. A description that a list may have cut off is read whole.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	query := versioned("searchCriteria.status", map[forge.State]string{"": "all", forge.Open: "active", forge.Closed: "abandoned", forge.Merged: "completed"}[q.State])
	for name, branch := range map[string]string{"searchCriteria.sourceRefName": q.Head, "searchCriteria.targetRefName": q.Base} {
		if branch != "" {
			query.Set(name, heads+branch)
		}
	}
	all, err := paged[pull](ctx, f, pages{path: f.repo("/pullrequests"), query: query}).Newest()
	if err != nil {
		return nil, err
	}
	var out []forge.PullRequest
	for _, p := range all {
		if utf8.RuneCountInString(p.Description) >= cutAt {
			if p, err = f.get(ctx, p.ID); err != nil {
				return nil, err
			}
		}
		out = append(out, f.pull(p))
	}
	return q.Select(out), nil
}

// Create implements forge.Pulls.
func (f *Forge) Create(ctx context.Context, d forge.Draft) (forge.PullRequest, error) {
	body := map[string]any{"sourceRefName": heads + d.Head, "targetRefName": heads + d.Base, "title": d.Title, "description": d.Body}
	if len(d.Labels) > 0 {
		labels := []any{}
		for _, name := range d.Labels {
			labels = append(labels, map[string]string{"name": name})
		}
		body["labels"] = labels
	}
	var p pull
	err := f.do(ctx, http.MethodPost, f.repo("/pullrequests"), body, &p)
	return f.pull(p), err
}

// Edit implements forge.Pulls.
func (f *Forge) Edit(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	body := map[string]any{}
	e.Into(body, "title", "description")
	if e.State != nil {
		body["status"] = map[forge.State]string{forge.Open: "active", forge.Closed: "abandoned"}[*e.State]
	}
	var p pull
	if err := f.do(ctx, http.MethodPatch, f.path(number), body, &p); err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(p)
	if e.Labels == nil {
		return out, nil
	}
	return out, f.relabel(ctx, &out, *e.Labels)
}

// relabel gives a pull request these labels and no others.
func (f *Forge) relabel(ctx context.Context, pr *forge.PullRequest, want []string) error {
	for _, name := range want {
		if !slices.Contains(pr.Labels, name) {
			if err := f.do(ctx, http.MethodPost, f.below(pr.Number, "/labels"), map[string]string{"name": name}, nil); err != nil {
				return err
			}
		}
	}
	for _, name := range pr.Labels {
		if !slices.Contains(want, name) {
			if err := f.do(ctx, http.MethodDelete, f.below(pr.Number, "/labels/"+rest.Escape(name)), nil, nil); err != nil {
				return err
			}
		}
	}
	pr.Labels = want
	return nil
}

// Merge implements forge.Pulls. Azure completes in the background.
func (f *Forge) Merge(ctx context.Context, number int, m forge.Merge) error {
	p, err := f.get(ctx, number)
	if err != nil {
		return err
	}
	if err := m.Against(f.pull(p)); err != nil {
		return f.conflict(err)
	}
	options := map[string]any{
		"mergeStrategy":      map[forge.Method]string{"": "noFastForward", forge.MergeCommit: "noFastForward", forge.Squash: "squash", forge.Rebase: "rebase"}[m.Method],
		"deleteSourceBranch": m.Delete && p.Fork == nil,
	}
	if text := m.Text(); text != "" {
		options["mergeCommitMessage"] = text
	}
	body := map[string]any{"status": "completed", "lastMergeSourceCommit": map[string]string{"commitId": m.Commit}, "completionOptions": options}
	if err := f.do(ctx, http.MethodPatch, f.path(number), body, &p); err != nil {
		return err
	}
	return rest.Patiently(ctx, func() (bool, error) {
		wait, err := f.completed(p)
		if !wait {
			return false, err
		}
		if p, err = f.get(ctx, number); err != nil {
			return false, err
		}
		return f.completed(p)
	})
}

func (f *Forge) conflict(err error) error {
	return f.rest.Fault(fault.Conflict, err)
}

// completed tells whether a merge is through, or what stopped it.
func (f *Forge) completed(p pull) (wait bool, err error) {
	switch {
	case p.Status == "completed":
		return false, nil
	case p.MergeStatus == "conflicts":
		return false, f.conflict(errors.New("both branches change the same lines"))
	case p.MergeStatus == "rejectedByPolicy":
		return false, f.rest.Fault(fault.Protected, errors.New("a policy of the branch refuses the merge"))
	case p.MergeStatus == "failure":
		return false, f.conflict(fmt.Errorf("the merge failed: %s", p.MergeFailed))
	}
	return true, f.conflict(errors.New("it is still not completed"))
}
