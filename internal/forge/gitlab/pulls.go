package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// request is a merge request as GitLab writes it.
type request struct {
	IID           int       `json:"iid"`
	URL           string    `json:"web_url"`
	Title         string    `json:"title"`
	Description   string    `json:"description"`
	State         string    `json:"state"` // opened, closed, merged, locked
	Draft         bool      `json:"draft"`
	Author        *user     `json:"author"`
	Source        string    `json:"source_branch"`
	Target        string    `json:"target_branch"`
	SourceProject int       `json:"source_project_id"`
	TargetProject int       `json:"target_project_id"`
	SHA           string    `json:"sha"`
	MergedAs      string    `json:"merge_commit_sha"`
	SquashedAs    string    `json:"squash_commit_sha"`
	MergeStatus   string    `json:"detailed_merge_status"`
	Labels        []string  `json:"labels"`
	Created       time.Time `json:"created_at"`
	Updated       time.Time `json:"updated_at"`
}

func (f *Forge) pull(m request) forge.PullRequest {
	out := forge.PullRequest{
		Number: m.IID, URL: m.URL, Title: m.Title, Body: m.Description, State: forge.Open, Draft: m.Draft, Author: f.user(m.Author),
		Head:   forge.Side{Branch: m.Source, Commit: m.SHA, Repo: f.at.Path()},
		Base:   forge.Side{Branch: m.Target, Repo: f.at.Path()},
		Labels: m.Labels, Created: m.Created, Updated: m.Updated,
	}
	if m.SourceProject != m.TargetProject {
		out.Head.Repo = "project " + strconv.Itoa(m.SourceProject)
	}
	switch m.State {
	case "merged":
		out.State, out.MergedAs = forge.Merged, m.MergedAs
		if out.MergedAs == "" {
			out.MergedAs = m.SquashedAs
		}
		if out.MergedAs == "" {
			out.MergedAs = m.SHA // fast-forward
		}
	case "closed":
		out.State = forge.Closed
	}
	switch m.MergeStatus {
	case "conflict", "need_rebase":
		out.Mergeable = forge.Conflicting
	case "", "unchecked", "checking", "preparing", "approvals_syncing":
	default:
		out.Mergeable = forge.Clean // whatever blocks, it is not the contents
	}
	return out
}

func (f *Forge) path(number int, more string) string {
	return f.repo + "/merge_requests/" + strconv.Itoa(number) + more
}

// Pull implements forge.Pulls.
func (f *Forge) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	var m request
	if err := f.rest.Get(ctx, f.path(number, ""), nil, &m); err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(m)
	var err error
	out.Pusher, err = f.pusher(ctx, out)
	return out, err
}

// pusher finds who pushed last: GitLab notes «added 1 commit» in the name of who
// pushed; before the first such note the project's events tell.
func (f *Forge) pusher(ctx context.Context, p forge.PullRequest) (forge.User, error) {
	notes, err := f.notes(ctx, p.Number)
	if err != nil {
		return forge.User{}, err
	}
	for _, n := range slices.Backward(notes) {
		if n.System && strings.HasPrefix(n.Body, "added ") && strings.Contains(n.Body, " commit") {
			return f.user(n.Author), nil
		}
	}
	if p.Fork() {
		return forge.User{}, nil
	}
	var events []struct {
		Author *user `json:"author"`
		Push   struct {
			Ref string `json:"ref"`
		} `json:"push_data"`
	}
	err = f.rest.Get(ctx, f.repo+"/events", pages("action", "pushed"), &events)
	for _, e := range events {
		if e.Push.Ref == p.Head.Branch {
			return f.user(e.Author), err
		}
	}
	return forge.User{}, err
}

// List implements forge.Pulls.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	state := map[forge.State]string{"": "all", forge.Open: "opened", forge.Closed: "closed", forge.Merged: "merged"}[q.State]
	query := pages("state", state, "source_branch", q.Head, "target_branch", q.Base, "order_by", "created_at", "sort", "desc")
	list, err := rest.Linked[request](ctx, f.rest, f.repo+"/merge_requests", query).Newest()
	var out []forge.PullRequest
	for _, m := range list {
		out = append(out, f.pull(m))
	}
	return q.Select(out), err
}

// Create implements forge.Pulls.
func (f *Forge) Create(ctx context.Context, d forge.Draft) (forge.PullRequest, error) {
	body := map[string]any{"source_branch": d.Head, "target_branch": d.Base, "title": d.Title, "description": d.Body}
	if len(d.Labels) > 0 {
		body["labels"] = d.Labels
	}
	var m request
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.repo + "/merge_requests", Body: body, Into: &m})
	return f.pull(m), err
}

// Edit implements forge.Pulls.
func (f *Forge) Edit(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	body := map[string]any{}
	e.Into(body, "title", "description")
	if e.State != nil {
		body["state_event"] = map[forge.State]string{forge.Open: "reopen", forge.Closed: "close"}[*e.State]
	}
	if e.Labels != nil {
		body["labels"] = append([]string{}, *e.Labels...)
	}
	var m request
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.path(number, ""), Body: body, Into: &m})
	return f.pull(m), err
}

// Merge implements forge.Pulls. A refusal is 405 or 422 whatever the cause: the
// merge request's own status tells it. Rebase is not known here: the project's
// settings say whether merging fast-forwards.
func (f *Forge) Merge(ctx context.Context, number int, m forge.Merge) error {
	body := map[string]any{"sha": m.Commit, "squash": m.Method == forge.Squash, "should_remove_source_branch": m.Delete}
	if text := m.Text(); text != "" {
		body["merge_commit_message"] = text
	}
	return rest.Patiently(ctx, func() (bool, error) {
		_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.path(number, "/merge"), Body: body})
		var status *rest.StatusError
		if !errors.As(err, &status) || status.Code != http.StatusMethodNotAllowed && status.Code != http.StatusUnprocessableEntity && status.Code != http.StatusUnauthorized {
			return false, err
		}
		if status.Code == http.StatusUnauthorized { // GitLab says so of who may not merge, too
			if _, meErr := f.Me(ctx); meErr == nil {
				err = f.rest.Fault(fault.Forbidden, err)
			}
			return false, err
		}
		return f.whyNot(ctx, number, err)
	})
}

// whyNot classes a refusal to merge; true when GitLab is still computing.
func (f *Forge) whyNot(ctx context.Context, number int, cause error) (wait bool, err error) {
	var m request
	if err := f.rest.Get(ctx, f.path(number, ""), nil, &m); err != nil {
		return false, errors.Join(cause, err)
	}
	class := fault.Protected
	switch m.MergeStatus {
	case "unchecked", "checking", "preparing", "approvals_syncing":
		wait, class = true, fault.Conflict
	case "conflict", "need_rebase", "not_open", "commits_status":
		class = fault.Conflict
	}
	return wait, f.rest.Fault(class, fmt.Errorf("%w (%s)", cause, m.MergeStatus))
}
