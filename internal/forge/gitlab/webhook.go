package gitlab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Webhook implements forge.Webhook. GitLab signs nothing: the secret itself is in
// X-Gitlab-Token, so the endpoint must be https.
func Webhook(header http.Header, body []byte, secrets []secret.Value) (forge.Event, error) {
	if err := forge.Shared(header.Get("X-Gitlab-Token"), body, secrets); err != nil {
		return forge.Event{}, err
	}
	var p struct {
		Kind    string `json:"object_kind"`
		Ref     string `json:"ref"`
		After   string `json:"after"`
		UserID  int64  `json:"user_id"`
		Name    string `json:"user_username"`
		User    *user  `json:"user"`
		Project struct {
			Path string `json:"path_with_namespace"`
		} `json:"project"`
		Attributes struct {
			IID    int    `json:"iid"`
			Action string `json:"action"`
			Last   struct {
				ID string `json:"id"`
			} `json:"last_commit"`
		} `json:"object_attributes"`
		Request *struct {
			IID  int `json:"iid"`
			Last struct {
				ID string `json:"id"`
			} `json:"last_commit"`
		} `json:"merge_request"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return forge.Event{}, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("read webhook: %w", err)}
	}
	sender := p.User
	if sender == nil {
		sender = &user{ID: p.UserID, Username: p.Name}
	}
	e := forge.Event{Repo: p.Project.Path, Sender: (&Forge{}).user(sender), ID: header.Get("X-Gitlab-Event-Uuid")}
	switch p.Kind {
	case "push", "tag_push":
		e.Kind = forge.Pushed
		if branch, is := strings.CutPrefix(p.Ref, "refs/heads/"); is {
			e.Branch = branch
		}
		if strings.Trim(p.After, "0") != "" {
			e.Commit = p.After
		}
	case "merge_request":
		e.Kind, e.Number, e.Commit = forge.PullChanged, p.Attributes.IID, p.Attributes.Last.ID
		if strings.Contains(p.Attributes.Action, "approv") {
			e.Kind = forge.Reviewed
		}
	case "note":
		if p.Request != nil {
			e.Kind, e.Number, e.Commit = forge.CommentChanged, p.Request.IID, p.Request.Last.ID
		}
	}
	return e, nil
}
