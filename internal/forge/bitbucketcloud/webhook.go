package bitbucketcloud

import (
	"net/http"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/secret"
)

// Webhook implements forge.Webhook: X-Hub-Signature is sha256= and the HMAC-SHA256 of
// the body. Of a push of several branches the first is told.
func Webhook(header http.Header, body []byte, secrets []secret.Value) (forge.Event, error) {
	if err := forge.SignedSHA256(header.Get("X-Hub-Signature"), body, secrets); err != nil {
		return forge.Event{}, err
	}
	var p struct {
		Actor *user `json:"actor"`
		Repo  struct {
			FullName string `json:"full_name"`
		} `json:"repository"`
		Push struct {
			Changes []struct {
				New *ref `json:"new"` // null when it was deleted
				Old *ref `json:"old"`
			} `json:"changes"`
		} `json:"push"`
		Pull *pull `json:"pullrequest"`
	}
	if err := forge.ReadHook(body, &p); err != nil {
		return forge.Event{}, err
	}
	e := forge.Event{Repo: p.Repo.FullName, Sender: (&Forge{}).user(p.Actor), ID: header.Get("X-Request-Uuid")}
	if p.Pull != nil {
		e.Number = p.Pull.ID // its commit is shortened
	}
	switch key := header.Get("X-Event-Key"); {
	case key == "repo:push":
		e.Kind = forge.Pushed
		if len(p.Push.Changes) > 0 {
			e.Branch, e.Commit = moved(p.Push.Changes[0].Old, p.Push.Changes[0].New)
		}
	case strings.HasPrefix(key, "pullrequest:comment_"):
		e.Kind = forge.CommentChanged
	case key == "pullrequest:approved" || key == "pullrequest:unapproved" || strings.HasPrefix(key, "pullrequest:changes_request_"):
		e.Kind = forge.Reviewed
	case strings.HasPrefix(key, "pullrequest:"):
		e.Kind = forge.PullChanged
	}
	return e, nil
}

// ref is a branch or a tag.
type ref struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Target commit `json:"target"`
}

// moved is the branch that a push changed, "" for a tag, and its new head.
func moved(before, after *ref) (branch, commit string) {
	of := after
	if after == nil {
		of = before
	} else {
		commit = after.Target.Hash
	}
	if of != nil && of.Type == "branch" {
		branch = of.Name
	}
	return branch, commit
}
