package azure

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/secret"
)

// Webhook implements forge.Webhook. A service hook signs nothing: the secret is the
// password of its basic authentication, so the endpoint must be https. Of a push of
// several branches the first is told; a vote is a pull request that changed.
func Webhook(header http.Header, body []byte, secrets []secret.Value) (forge.Event, error) {
	if err := forge.Shared(passwordOf(header.Get("Authorization")), body, secrets); err != nil {
		return forge.Event{}, err
	}
	type resource struct {
		pull
		PushedBy *identity `json:"pushedBy"`
		Updates  []struct {
			Name string `json:"name"`
			New  string `json:"newObjectId"`
		} `json:"refUpdates"`
		Comment *comment `json:"comment"`
		Pull    *pull    `json:"pullRequest"` // of a comment
	}
	var p struct {
		ID       string    `json:"id"`
		Type     string    `json:"eventType"`
		Resource resource  `json:"resource"`
		Created  time.Time `json:"createdDate"`
	}
	if err := forge.ReadHook(body, &p); err != nil {
		return forge.Event{}, err
	}
	e := forge.Event{ID: p.ID, At: p.Created}
	of := p.Resource.pull
	f := &Forge{}
	switch {
	case p.Type == "git.push":
		e.Kind, e.Sender = forge.Pushed, f.user(p.Resource.PushedBy)
		if len(p.Resource.Updates) > 0 {
			e.Moved(p.Resource.Updates[0].Name, p.Resource.Updates[0].New)
		}
	case strings.HasPrefix(p.Type, "git.pullrequest."):
		e.Kind = forge.PullChanged
	case p.Type == "ms.vss-code.git-pullrequest-comment-event" && p.Resource.Pull != nil:
		e.Kind, of = forge.CommentChanged, *p.Resource.Pull
		if p.Resource.Comment != nil {
			e.Sender = f.user(p.Resource.Comment.Author)
		}
	}
	e.Number, e.Repo = of.ID, of.Repo.path()
	if e.Number != 0 {
		e.Commit = of.SourceAt.ID
	}
	return e, nil
}

// passwordOf reads the password of basic authentication; the user may be anything.
func passwordOf(authorization string) string {
	encoded, is := strings.CutPrefix(authorization, "Basic ")
	clear, err := base64.StdEncoding.DecodeString(encoded)
	_, password, two := strings.Cut(string(clear), ":")
	if !is || err != nil || !two {
		return ""
	}
	return password
}
