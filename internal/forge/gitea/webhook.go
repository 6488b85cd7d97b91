package gitea

import (
	"net/http"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/hub"
	"github.com/leat-dev/leat/internal/secret"
)

// Webhook implements forge.Webhook: X-Gitea-Signature is the HMAC-SHA256 of the
// body (services/webhook/deliver.go); Forgejo sends the same headers.
func Webhook(header http.Header, body []byte, secrets []secret.Value) (forge.Event, error) {
	if err := forge.SignedSHA256(header.Get("X-Gitea-Signature"), body, secrets); err != nil {
		return forge.Event{}, err
	}
	var p struct {
		Ref    string `json:"ref"`
		After  string `json:"after"`
		Number int    `json:"number"`
		IsPull bool   `json:"is_pull"`
		Issue  struct {
			Number int `json:"number"`
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
	e := forge.Event{Repo: p.Repo.FullName, Sender: (&Forge{}).user(p.Sender), ID: header.Get("X-Gitea-Delivery")}
	switch kind := header.Get("X-Gitea-Event"); {
	case kind == "push":
		e.Moved(p.Ref, p.After)
	case kind == "issue_comment" && (p.IsPull || p.Pull != nil):
		e.Kind, e.Number = forge.CommentChanged, max(p.Issue.Number, p.Number)
	case strings.HasPrefix(kind, "pull_request_review_request"):
		e.Kind = forge.PullChanged
	case kind == "pull_request_approved", kind == "pull_request_rejected", kind == "pull_request_comment", strings.HasPrefix(kind, "pull_request_review"):
		e.Kind = forge.Reviewed
	case strings.HasPrefix(kind, "pull_request"):
		e.Kind = forge.PullChanged
	}
	if p.Pull != nil {
		e.Number, e.Commit = p.Pull.Number, p.Pull.Head.SHA
	}
	return e, nil
}
