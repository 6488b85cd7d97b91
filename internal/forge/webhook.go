package forge

import (
	"net/http"
	"time"

	"github.com/leat-dev/leat/internal/secret"
)

// Happening is what a webhook tells of.
type Happening string

// What can happen; others are Ignored.
const (
	Pushed         Happening = "push"
	PullChanged    Happening = "pull request" // opened, closed, merged, pushed to, edited, retargeted
	Reviewed       Happening = "review"       // submitted or dismissed
	CommentChanged Happening = "comment"
	Ignored        Happening = ""
)

// Event is a webhook that was verified. It only says where to look: whoever
// hears of it reads the forge, since a webhook may be late, repeated or lost.
type Event struct {
	Kind   Happening
	Repo   string // <owner>/<name>
	Number int    // of the pull request, 0 for none
	Branch string // of a push; "" for a tag
	Commit string // the new head of a push or pull request; "" when the branch was deleted
	Sender User
	ID     string // of the delivery, the same when it is repeated; "" where there is none
	At     time.Time
}

// Webhook verifies a delivery and reads it. One of the secrets must have signed
// it; with none given everything is refused. The body is at most MaxAnswer bytes.
type Webhook func(header http.Header, body []byte, secrets []secret.Value) (Event, error)
