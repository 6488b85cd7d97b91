package github

import (
	"context"
	"net/http"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/hub"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

func (f *Forge) pull(p hub.Pull) forge.PullRequest {
	out := f.Request(p)
	switch {
	case out.State != forge.Open || p.Mergeable == nil:
	case *p.Mergeable:
		out.Mergeable = forge.Clean
	default:
		out.Mergeable = forge.Conflicting
	}
	return out
}

// Pull implements forge.Pulls. Who pushed last stands in the repository's
// activity, of the fork where there is one.
func (f *Forge) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	var p hub.Pull
	if err := f.Rest.Get(ctx, f.Path(number, ""), nil, &p); err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(p)
	if out.Head.Repo == "" {
		return out, nil
	}
	var activity []struct {
		Actor *hub.Account `json:"actor"`
	}
	query := pages("ref", "refs/heads/"+out.Head.Branch)
	query.Set("per_page", "1")
	err := f.Rest.Get(ctx, "/repos/"+rest.Elements(out.Head.Repo)+"/activity", query, &activity)
	if len(activity) > 0 {
		out.Pusher = f.user(activity[0].Actor)
	}
	return out, rest.Unless(err, fault.NotFound, fault.Forbidden) // a server or a fork that does not tell
}

// List implements forge.Pulls.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	state := map[forge.State]string{"": "all", forge.Open: "open", forge.Closed: "closed", forge.Merged: "closed"}[q.State]
	query := pages("state", state, "base", q.Base, "sort", "created", "direction", "desc")
	if q.Head != "" {
		query.Set("head", f.at.Owner+":"+q.Head)
	}
	list, err := rest.Linked[hub.Pull](ctx, f.Rest, f.Repo+"/pulls", query).Newest()
	var out []forge.PullRequest
	for _, p := range list {
		out = append(out, f.pull(p))
	}
	return q.Select(out), err
}

// Create implements forge.Pulls.
func (f *Forge) Create(ctx context.Context, d forge.Draft) (forge.PullRequest, error) {
	var p hub.Pull
	body := map[string]any{"head": d.Head, "base": d.Base, "title": d.Title, "body": d.Body}
	if _, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.Repo + "/pulls", Body: body, Into: &p}); err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(p)
	if len(d.Labels) == 0 {
		return out, nil
	}
	_, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.Issue(p.Number, "/labels"), Body: map[string]any{"labels": d.Labels}})
	out.Labels = d.Labels
	return out, rest.Unless(err, fault.Forbidden) // left out
}

// Edit implements forge.Pulls.
func (f *Forge) Edit(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	body := hub.Changes(e)
	if e.Labels != nil {
		if _, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.Issue(number, "/labels"), Body: map[string]any{"labels": append([]string{}, *e.Labels...)}}); err != nil {
			return forge.PullRequest{}, err
		}
	}
	var p hub.Pull
	_, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPatch, Path: f.Path(number, ""), Body: body, Into: &p})
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
	if _, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.Path(number, "/merge"), Body: body}); err != nil || !m.Delete {
		return err
	}
	return f.deleteHead(ctx, number)
}

// deleteHead deletes the branch of a merged pull request, unless it is a fork's.
func (f *Forge) deleteHead(ctx context.Context, number int) error {
	var p hub.Pull
	if err := f.Rest.Get(ctx, f.Path(number, ""), nil, &p); err != nil {
		return err
	}
	if pr := f.pull(p); pr.Fork() {
		return nil
	}
	_, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodDelete, Path: f.Repo + "/git/refs/heads/" + rest.Elements(p.Head.Ref)})
	return rest.Unless(err, fault.NotFound, fault.Invalid) // the repository deletes branches by itself: 422 «Reference does not exist»
}
