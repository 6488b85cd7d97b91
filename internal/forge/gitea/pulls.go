package gitea

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/hub"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

func errNoTeam(org, name string) error {
	return fmt.Errorf("the organisation %s has no team %q that this account sees", org, name)
}

func (f *Forge) pull(p hub.Pull) forge.PullRequest {
	out := f.Request(p)
	if out.State == forge.Open && p.Mergeable != nil && *p.Mergeable {
		out.Mergeable = forge.Clean // false also says «not yet known»
	}
	return out
}

// Pull implements forge.Pulls.
func (f *Forge) Pull(ctx context.Context, number int) (forge.PullRequest, error) {
	var p hub.Pull
	if err := f.Rest.Get(ctx, f.Path(number, ""), nil, &p); err != nil {
		return forge.PullRequest{}, err
	}
	out := f.pull(p)
	var err error
	out.Pusher, err = f.pusher(ctx, out)
	return out, err
}

// pusher finds who pushed last: in the pull request's history, or, where nobody
// pushed since it was opened, among what happened in the repository.
func (f *Forge) pusher(ctx context.Context, p forge.PullRequest) (forge.User, error) {
	type event struct {
		Type string       `json:"type"`
		User *hub.Account `json:"user"`
	}
	events, err := rest.All[event](ctx, f.Rest, f.Issue(p.Number, "/timeline"), f.Page)
	if err != nil {
		return forge.User{}, err
	}
	for _, e := range slices.Backward(events) {
		if e.Type == "pull_push" {
			return f.user(e.User), nil
		}
	}
	if p.Fork() {
		return forge.User{}, nil
	}
	return f.feed(ctx, p.Head.Branch)
}

// feed looks at the last page of the repository's activities for a push.
func (f *Forge) feed(ctx context.Context, branch string) (forge.User, error) {
	var feed []struct {
		Op   string       `json:"op_type"`
		Ref  string       `json:"ref_name"`
		User *hub.Account `json:"act_user"`
	}
	err := f.Rest.Get(ctx, f.Repo+"/activities/feeds", url.Values{"limit": {"50"}}, &feed)
	if fault.ClassOf(err) == fault.NotFound {
		return forge.User{}, nil // versions before 1.20
	}
	for _, a := range feed {
		if a.Op == "commit_repo" && strings.TrimPrefix(a.Ref, "refs/heads/") == branch {
			return f.user(a.User), err
		}
	}
	return forge.User{}, err
}

// List implements forge.Pulls.
func (f *Forge) List(ctx context.Context, q forge.Query) ([]forge.PullRequest, error) {
	query := maps.Clone(f.Page)
	query.Set("state", map[forge.State]string{"": "all", forge.Open: "open", forge.Closed: "closed", forge.Merged: "closed"}[q.State])
	query.Set("sort", "recentupdate")
	if q.Base != "" {
		query.Set("base_branch", q.Base) // since 1.23; checked below for those before
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
	labels, err := f.labels(ctx, d.Labels)
	if err != nil {
		return forge.PullRequest{}, err
	}
	body := map[string]any{"head": d.Head, "base": d.Base, "title": d.Title, "body": d.Body}
	if len(labels) > 0 {
		body["labels"] = labels
	}
	var p hub.Pull
	_, err = f.Rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.Repo + "/pulls", Body: body, Into: &p})
	return f.pull(p), err
}

// labels finds or makes labels; one that may not be made is left out.
func (f *Forge) labels(ctx context.Context, names []string) ([]int64, error) {
	if len(names) == 0 {
		return nil, nil
	}
	list, err := rest.All[hub.Label](ctx, f.Rest, f.Repo+"/labels", f.Page)
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, name := range names {
		i := slices.IndexFunc(list, func(l hub.Label) bool { return l.Name == name })
		if i >= 0 {
			out = append(out, list[i].ID)
			continue
		}
		var made hub.Label
		_, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.Repo + "/labels", Body: map[string]any{"name": name, "color": "#3b82a0"}, Into: &made})
		switch fault.ClassOf(err) {
		case "":
			out = append(out, made.ID)
		case fault.Forbidden, fault.Conflict, fault.Invalid:
		default:
			return nil, err
		}
	}
	return out, nil
}

// Edit implements forge.Pulls.
func (f *Forge) Edit(ctx context.Context, number int, e forge.Edit) (forge.PullRequest, error) {
	body := hub.Changes(e)
	if e.Labels != nil {
		ids, err := f.labels(ctx, *e.Labels)
		if err != nil {
			return forge.PullRequest{}, err
		}
		body["labels"] = append([]int64{}, ids...)
	}
	var p hub.Pull
	_, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPatch, Path: f.Path(number, ""), Body: body, Into: &p})
	return f.pull(p), err
}

// Merge implements forge.Pulls. Gitea answers «try again later» both while it
// computes and for a real conflict.
func (f *Forge) Merge(ctx context.Context, number int, m forge.Merge) error {
	how := map[forge.Method]string{"": "merge", forge.MergeCommit: "merge", forge.Squash: "squash", forge.Rebase: "rebase"}[m.Method]
	body := map[string]any{
		"do": how, "merge_title_field": m.Title, "merge_message_field": m.Message, "head_commit_id": m.Commit, "delete_branch_after_merge": m.Delete,
		"Do": how, "MergeTitleField": m.Title, "MergeMessageField": m.Message, // before 1.26, and in Forgejo
	}
	return rest.Patiently(ctx, func() (bool, error) {
		_, err := f.Rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.Path(number, "/merge"), Body: body})
		if err == nil || !strings.Contains(err.Error(), "try again later") {
			return false, err
		}
		return true, f.Rest.Fault(fault.Conflict, fmt.Errorf("it still cannot be merged; perhaps both branches change the same lines: %w", err))
	})
}
