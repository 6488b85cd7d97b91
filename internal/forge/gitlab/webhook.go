package gitlab

import (
	"net/http"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/secret"
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
	if err := forge.ReadHook(body, &p); err != nil {
		return forge.Event{}, err
	}
	sender := p.User
	if sender == nil {
		sender = &user{ID: p.UserID, Username: p.Name}
	}
	e := forge.Event{Repo: p.Project.Path, Sender: (&Forge{}).user(sender), ID: header.Get("X-Gitlab-Event-Uuid")}
	switch p.Kind {
	case "push", "tag_push":
		e.Moved(p.Ref, p.After)
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
