package github

import (
	"encoding/json"
	"net/http"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/hub"
	"github.com/leat-dev/leat/internal/secret"
)

// Webhook implements forge.Webhook: X-Hub-Signature-256 is sha256= and the
// HMAC-SHA256 of the body.
func Webhook(header http.Header, body []byte, secrets []secret.Value) (forge.Event, error) {
	if err := forge.SignedSHA256(header.Get("X-Hub-Signature-256"), body, secrets); err != nil {
		return forge.Event{}, err
	}
	var p struct {
		Ref    string `json:"ref"`
		After  string `json:"after"`
		Number int    `json:"number"`
		Issue  struct {
			Number int              `json:"number"`
			Pull   *json.RawMessage `json:"pull_request"`
		} `json:"issue"`
		Pull *hub.Pull `json:"pull_request"`
		Repo struct {
			FullName string `json:"full_name"`
		} `json:"repository"`
		Sender *hub.Account `json:"sender"`
	}
	if err := forge.ReadHook(body, &p); err != nil {
		return forge.Event{}, err
	}
	e := forge.Event{Repo: p.Repo.FullName, Sender: (&Forge{}).user(p.Sender), ID: header.Get("X-Github-Delivery")}
	switch header.Get("X-Github-Event") {
	case "push":
		e.Moved(p.Ref, p.After)
	case "pull_request":
		e.Kind = forge.PullChanged
	case "pull_request_review", "pull_request_review_comment":
		e.Kind = forge.Reviewed
	case "issue_comment":
		if p.Issue.Pull != nil {
			e.Kind, e.Number = forge.CommentChanged, p.Issue.Number
		}
	}
	if p.Pull != nil {
		e.Number, e.Commit = p.Pull.Number, p.Pull.Head.SHA
	}
	return e, nil
}
