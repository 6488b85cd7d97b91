package github

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// pull is a pull request as GitHub writes it.
type pull struct {
	Number    int        `json:"number"`
	URL       string     `json:"html_url"`
	Title     string     `json:"title"`
	Body      string     `json:"body"`
	State     string     `json:"state"`
	Draft     bool       `json:"draft"`
	MergedAt  *time.Time `json:"merged_at"`
	MergedAs  string     `json:"merge_commit_sha"`
	Mergeable *bool      `json:"mergeable"` // null while it is computed
	User      *user      `json:"user"`
	Labels    []struct {
		Name string `json:"name"`
	} `json:"labels"`
	Head    end       `json:"head"`
	Base    end       `json:"base"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

type end struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		FullName string `json:"full_name"`
	} `json:"repo"`
}

func (e end) side() forge.Side {
	s := forge.Side{Branch: e.Ref, Commit: e.SHA}
	if e.Repo != nil {
		s.Repo = e.Repo.FullName
	}
	return s
}

func (f *Forge) pull(p pull) forge.PullRequest {
	out := forge.PullRequest{
		Number: p.Number, URL: p.URL, Title: p.Title, Body: p.Body, State: forge.Open, Draft: p.Draft,
		Author: f.user(p.User), Head: p.Head.side(), Base: p.Base.side(), Created: p.Created, Updated: p.Updated,
	}
	for _, l := range p.Labels {
		out.Labels = append(out.Labels, l.Name)
	}
	switch {
	case p.MergedAt != nil:
		out.State, out.MergedAs = forge.Merged, p.MergedAs
	case p.State == "closed":
		out.State = forge.Closed
	case p.Mergeable != nil && *p.Mergeable:
		out.Mergeable = forge.Clean
	case p.Mergeable != nil:
		out.Mergeable = forge.Conflicting
	}
	return out
}

func (f *Forge) path(number int, more string) string {
	return f.repo + "/pulls/" + strconv.Itoa(number) + more
}

func (f *Forge) issue(number int, more string) string {
	return f.repo + "/issues/" + strconv.Itoa(number) + more
}

// Pull implements forge.Pulls. Who pushed last stands in the repository's
// activity, of the fork where there is one.
func (f *Forge) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	var p pull
	if err := f.rest.Get(ctx, f.path(number, ""), nil, &p); err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(p)
	if out.Head.Repo == "" {
		return out, nil
	}
	var activity []struct {
		Actor *user `json:"actor"`
	}
	query := pages("ref", "refs/heads/"+out.Head.Branch)
	query.Set("per_page", "1")
	err := f.rest.Get(ctx, "/repos/"+rest.Elements(out.Head.Repo)+"/activity", query, &activity)
	if class := fault.ClassOf(err); class == fault.NotFound || class == fault.Forbidden {
		return out, nil // a server or a fork that does not tell
	}
	if len(activity) > 0 {
		out.Pusher = f.user(activity[0].Actor)
	}
	return out, err
}

// List implements forge.Pulls.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	state := map[forge.State]string{"": "all", forge.Open: "open", forge.Closed: "closed", forge.Merged: "closed"}[q.State]
	query := pages("state", state, "base", q.Base, "sort", "created", "direction", "desc")
	if q.Head != "" {
		query.Set("head", f.at.Owner+":"+q.Head)
	}
	list, err := rest.All[pull](ctx, f.rest, f.repo+"/pulls", query)
	if err != nil {
		return nil, err
	}
	var out []forge.PullRequest
	for _, p := range list {
		pr := f.pull(p)
		if (q.State == "" || pr.State == q.State) && (q.Head == "" || pr.Head.Branch == q.Head && !pr.Fork()) {
			out = append(out, pr)
		}
	}
	return out, nil
}

// Create implements forge.Pulls.
func (f *Forge) Create(ctx context.Context, d forge.Draft) (forge.PullRequest, error) {
	var p pull
	body := map[string]any{"head": d.Head, "base": d.Base, "title": d.Title, "body": d.Body}
	if _, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.repo + "/pulls", Body: body, Into: &p}); err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(p)
	if len(d.Labels) == 0 {
		return out, nil
	}
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.issue(p.Number, "/labels"), Body: map[string]any{"labels": d.Labels}})
	if fault.ClassOf(err) == fault.Forbidden {
		err = nil // left out
	}
	out.Labels = d.Labels
	return out, err
}

// Edit implements forge.Pulls.
func (f *Forge) Edit(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	body := map[string]any{}
	if e.Title != nil {
		body["title"] = *e.Title
	}
	if e.Body != nil {
		body["body"] = *e.Body
	}
	if e.State != nil {
		body["state"] = string(*e.State)
	}
	if e.Labels != nil {
		if _, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.issue(number, "/labels"), Body: map[string]any{"labels": *e.Labels}}); err != nil {
			return forge.PullRequest{}, err
		}
	}
	var p pull
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPatch, Path: f.path(number, ""), Body: body, Into: &p})
	return f.pull(p), err
}

// Merge implements forge.Pulls.
func (f *Forge) Merge(ctx context.Context, number int, m forge.Merge) error {
	how := m.Method
	if how == "" {
		how = forge.MergeCommit
	}
	body := map[string]any{"sha": m.Commit, "merge_method": string(how)}
	if m.Title != "" {
		body["commit_title"] = m.Title
	}
	if m.Message != "" {
		body["commit_message"] = m.Message
	}
	if _, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.path(number, "/merge"), Body: body}); err != nil || !m.Delete {
		return err
	}
	return f.deleteHead(ctx, number)
}

// deleteHead deletes the branch of a merged pull request, unless it is a fork's.
func (f *Forge) deleteHead(ctx context.Context, number int) error {
	var p pull
	if err := f.rest.Get(ctx, f.path(number, ""), nil, &p); err != nil {
		return err
	}
	if pr := f.pull(p); pr.Fork() {
		return nil
	}
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodDelete, Path: f.repo + "/git/refs/heads/" + rest.Elements(p.Head.Ref)})
	if class := fault.ClassOf(err); class == fault.NotFound || class == fault.Invalid {
		return nil // the repository deletes branches by itself: 422 «Reference does not exist»
	}
	return err
}

// Files implements forge.Pulls; GitHub lists at most 3,000.
func (f *Forge) Files(ctx context.Context, number int) ([]string, error) {
	type file struct {
		Name     string `json:"filename"`
		Previous string `json:"previous_filename"`
	}
	list, err := rest.All[file](ctx, f.rest, f.path(number, "/files"), pages())
	var out []string
	for _, x := range list {
		out = append(out, x.Name)
		if x.Previous != "" {
			out = append(out, x.Previous)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), err
}
