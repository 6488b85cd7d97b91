package forge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
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

// ReadHook reads the body of a webhook that was verified.
func ReadHook(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("read webhook: %w; is it one of this kind of forge?", err)}
	}
	return nil
}

// Moved sets what a push moved: the branch, "" for a tag, by the name of the ref, and its
// new head, "" when it was deleted, which Git and forges write as zeros.
func (e *Event) Moved(ref, after string) {
	e.Kind = Pushed
	if branch, is := strings.CutPrefix(ref, "refs/heads/"); is {
		e.Branch = branch
	}
	if strings.Trim(after, "0") != "" {
		e.Commit = after
	}
}

// Webhook verifies a delivery and reads it. One of the secrets must have signed
// it; with none given everything is refused. The body is at most MaxAnswer bytes.
type Webhook func(header http.Header, body []byte, secrets []secret.Value) (Event, error)
