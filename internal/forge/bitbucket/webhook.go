package bitbucket

import (
	"net/http"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/secret"
)

// Webhook implements forge.Webhook: X-Hub-Signature is sha256= and the HMAC-SHA256
// of the body. Of a push of several branches the first is told.
func Webhook(header http.Header, body []byte, secrets []secret.Value) (forge.Event, error) {
	if err := forge.SignedSHA256(header.Get("X-Hub-Signature"), body, secrets); err != nil {
		return forge.Event{}, err
	}
	var p struct {
		Actor *user `json:"actor"`
		Repo  struct {
			Slug    string `json:"slug"`
			Project struct {
				Key string `json:"key"`
			} `json:"project"`
		} `json:"repository"`
		Changes []struct {
			Ref struct {
				ID string `json:"id"`
			} `json:"ref"`
			To string `json:"toHash"`
		} `json:"changes"`
		Pull *pull `json:"pullRequest"`
	}
	if err := forge.ReadHook(body, &p); err != nil {
		return forge.Event{}, err
	}
	e := forge.Event{Sender: (&Forge{}).user(p.Actor), ID: header.Get("X-Request-Id"), Repo: p.Repo.Project.Key + "/" + p.Repo.Slug}
	if p.Pull != nil {
		e.Number, e.Commit, e.Repo = p.Pull.ID, p.Pull.From.Commit, p.Pull.To.side().Repo
	}
	switch key := header.Get("X-Event-Key"); {
	case key == "repo:refs_changed":
		e.Kind = forge.Pushed
		if len(p.Changes) > 0 {
			e.Moved(p.Changes[0].Ref.ID, p.Changes[0].To)
		}
	case strings.HasPrefix(key, "pr:comment:"):
		e.Kind = forge.CommentChanged
	case strings.HasPrefix(key, "pr:reviewer:") && key != "pr:reviewer:updated":
		e.Kind = forge.Reviewed
	case strings.HasPrefix(key, "pr:"):
		e.Kind = forge.PullChanged
	}
	return e, nil
}
