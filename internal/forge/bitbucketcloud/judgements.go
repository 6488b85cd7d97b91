package bitbucketcloud

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
)

// participant is somebody with what he says of a pull request now.
type participant struct {
	User  *user  `json:"user"`
	State string `json:"state"` // approved, changes_requested, null
}

// happening is one thing that happened to a pull request.
type happening struct {
	Update *struct {
		Date   time.Time `json:"date"`
		Author *user     `json:"author"`
		Source end       `json:"source"`
	} `json:"update"`
	Approval *said `json:"approval"`
	Changes  *said `json:"changes_requested"`
}

type said struct {
	Date time.Time `json:"date"`
	User *user     `json:"user"`
}

// activity returns what happened, the newest first.
func (f *Forge) activity(ctx context.Context, number int) ([]happening, error) {
	return all[happening](ctx, f, f.path(number, "/activity"), nil)
}

// pusher is who moved the head last. The oldest update is that it was opened.
func (f *Forge) pusher(happened []happening) forge.User {
	head, by := "", (*user)(nil)
	for _, h := range slices.Backward(happened) {
		if h.Update == nil || h.Update.Source.Commit == nil {
			continue
		}
		if at := h.Update.Source.Commit.Hash; at != head {
			if head != "" {
				by = h.Update.Author
			}
			head = at
		}
	}
	return f.user(by)
}

// Reviews implements forge.Judgements: what happened, in its order. Of approvals and
// requests only those stand that Bitbucket still counts.
func (f *Forge) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	p, err := f.get(ctx, number)
	if err != nil {
		return nil, err
	}
	happened, err := f.activity(ctx, number)
	if err != nil {
		return nil, err
	}
	heads, err := f.heads(ctx, p, happened)
	if err != nil {
		return nil, err
	}
	standing := map[string]string{}
	for _, who := range p.Participants {
		standing[f.user(who.User).ID] = who.State
	}
	var out []forge.Review
	for _, h := range slices.Backward(happened) {
		what, verdict, state := h.Approval, forge.Approved, "approved"
		if what == nil {
			what, verdict, state = h.Changes, forge.Rejected, "changes_requested"
		}
		if what == nil || what.User == nil {
			continue
		}
		who := f.user(what.User)
		out = append(out, forge.Review{
			ID: who.ID + " " + what.Date.UTC().Format(time.RFC3339Nano), Reviewer: who, Verdict: verdict,
			Commit: forge.HeadAt(heads, what.Date), Submitted: what.Date, Dismissed: standing[who.ID] != state,
		})
	}
	return out, nil
}

// heads are those that the pull request had, with whole commits.
func (f *Forge) heads(ctx context.Context, p pull, happened []happening) ([]forge.Head, error) {
	repo := p.Source.side().Repo
	if repo == "" {
		repo = f.at.Path()
	}
	var out []forge.Head
	for _, h := range happened {
		if h.Update == nil || h.Update.Source.Commit == nil {
			continue
		}
		whole, err := f.commit(ctx, repo, h.Update.Source.Commit.Hash)
		if err != nil {
			return nil, err
		}
		out = append(out, forge.Head{Commit: whole, Since: h.Update.Date})
	}
	return out, nil
}

type comment struct {
	ID      int64 `json:"id"`
	Content struct {
		Raw string `json:"raw"`
	} `json:"content"`
	User    *user     `json:"user"`
	Deleted bool      `json:"deleted"`
	Inline  *struct{} `json:"inline"` // it is about a line
	Created time.Time `json:"created_on"`
	Updated time.Time `json:"updated_on"`
}

func (f *Forge) comment(number int, c comment) forge.Comment {
	return forge.Comment{ID: strconv.FormatInt(c.ID, 10), Number: number, Author: f.user(c.User), Body: c.Content.Raw, Created: c.Created, Updated: c.Updated}
}

// Comments implements forge.Comments.
func (f *Forge) Comments(ctx context.Context, number int) ([]forge.Comment, error) {
	list, err := all[comment](ctx, f, f.path(number, "/comments"), nil)
	var out []forge.Comment
	for _, c := range list {
		if !c.Deleted && c.Inline == nil {
			out = append(out, f.comment(number, c))
		}
	}
	slices.SortStableFunc(out, func(a, b forge.Comment) int { return a.Created.Compare(b.Created) })
	return out, err
}

func text(body string) any {
	return map[string]any{"type": "pullrequest_comment", "content": map[string]string{"raw": body}}
}

// Comment implements forge.Comments.
func (f *Forge) Comment(ctx context.Context, number int, body string) (forge.Comment, error) {
	var c comment
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.path(number, "/comments"), Body: text(body), Into: &c})
	return f.comment(number, c), err
}

// EditComment implements forge.Comments.
func (f *Forge) EditComment(ctx context.Context, c forge.Comment, body string) error {
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.path(c.Number, "/comments/"+rest.Escape(c.ID)), Body: text(body)})
	return err
}

// maxText is how many characters Bitbucket takes, of a comment and a description.
const maxText = 32_768

// MaxText implements forge.Narrow.
func (f *Forge) MaxText() int { return maxText }

// The states of a build status.
var states = map[forge.CheckState]string{forge.Pending: "INPROGRESS", forge.Success: "SUCCESSFUL", forge.Failure: "FAILED", forge.Errored: "STOPPED"}

// maxKey is how long the key of a status may be.
const maxKey = 40

// keyOf is the key of a context: itself, or as much of it as fits with its digest. The
// whole stands in the status's name.
func keyOf(context string) string {
	if len(context) <= maxKey {
		return context
	}
	digest := fmt.Sprintf("-%x", sha256.Sum256([]byte(context)))[:13]
	return strings.ToValidUTF8(context[:maxKey-len(digest)], "") + digest
}

// Statuses implements forge.Judgements; nobody is named as the creator.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]forge.Status, error) {
	type status struct {
		Key         string    `json:"key"`
		Name        string    `json:"name"`
		State       string    `json:"state"`
		Description string    `json:"description"`
		URL         string    `json:"url"`
		Updated     time.Time `json:"updated_on"`
	}
	list, err := all[status](ctx, f, f.repo("/commit/"+rest.Escape(commit)+"/statuses"), nil)
	var out []forge.Status
	for _, s := range list {
		context := s.Key
		if keyOf(s.Name) == s.Key {
			context = s.Name
		}
		out = append(out, forge.Status{Context: context, State: forge.StateOf(states, s.State), Description: s.Description, URL: s.URL, Updated: s.Updated})
	}
	return out, err
}

// SetStatus implements forge.Judgements. Bitbucket wants an address: without one it is
// the repository's.
func (f *Forge) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	body := map[string]string{
		"type": "build", "key": keyOf(s.Context), "name": s.Context, "state": states[s.State], "url": cmp.Or(s.URL, f.conf.Page()), "description": forge.Describe(s.Description),
	}
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.repo("/commit/" + rest.Escape(commit) + "/statuses/build"), Body: body})
	return err
}
