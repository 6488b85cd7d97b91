package gitlab

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/source/fault"
)

// note is what stands below a merge request: said by people, or by GitLab in the
// name of who did something (System).
type note struct {
	ID      int64     `json:"id"`
	Body    string    `json:"body"`
	Author  *user     `json:"author"`
	System  bool      `json:"system"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

// notes returns all, the oldest first.
func (f *Forge) notes(ctx context.Context, number int) ([]note, error) {
	return rest.All[note](ctx, f.rest, f.path(number, "/notes"), pages("sort", "asc", "order_by", "created_at"))
}

func (f *Forge) comment(number int, n note) forge.Comment {
	return forge.Comment{ID: strconv.FormatInt(n.ID, 10), Number: number, Author: f.user(n.Author), Body: n.Body, Created: n.Created, Updated: n.Updated}
}

// Comments implements forge.Comments.
func (f *Forge) Comments(ctx context.Context, number int) ([]forge.Comment, error) {
	list, err := f.notes(ctx, number)
	var out []forge.Comment
	for _, n := range list {
		if !n.System {
			out = append(out, f.comment(number, n))
		}
	}
	return out, err
}

// Comment implements forge.Comments.
func (f *Forge) Comment(ctx context.Context, number int, body string) (forge.Comment, error) {
	var n note
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.path(number, "/notes"), Body: map[string]string{"body": body}, Into: &n})
	return f.comment(number, n), err
}

// EditComment implements forge.Comments.
func (f *Forge) EditComment(ctx context.Context, c forge.Comment, body string) error {
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPut, Path: f.path(c.Number, "/notes/"+rest.Escape(c.ID)), Body: map[string]string{"body": body}})
	return err
}

// What GitLab's own notes say (app/services/system_notes/merge_requests_service.rb).
const (
	noteApproved   = "approved this merge request"
	noteUnapproved = "unapproved this merge request"
	noteRequested  = "requested changes"
)

// Reviews implements forge.Judgements: GitLab's own notes in their order, and of
// the approvals only those stand that GitLab still counts (a push may reset them).
func (f *Forge) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	notes, err := f.notes(ctx, number)
	if err != nil {
		return nil, err
	}
	type version struct {
		Head    string    `json:"head_commit_sha"`
		Created time.Time `json:"created_at"`
	}
	versions, err := rest.All[version](ctx, f.rest, f.path(number, "/versions"), pages())
	if err != nil {
		return nil, err
	}
	var heads []forge.Head
	for _, v := range versions {
		heads = append(heads, forge.Head{Commit: v.Head, Since: v.Created})
	}
	standing, err := f.approvedBy(ctx, number)
	if err != nil {
		return nil, err
	}
	var out []forge.Review
	for _, n := range notes {
		verdict, of := verdictOf(n)
		if !of {
			continue
		}
		who := f.user(n.Author)
		out = forge.Hear(out, forge.Review{
			ID: strconv.FormatInt(n.ID, 10), Reviewer: who, Verdict: verdict, Commit: forge.HeadAt(heads, n.Created), Submitted: n.Created,
			Dismissed: verdict == forge.Approved && !standing[who.ID],
		})
	}
	return out, nil
}

// verdictOf reads a note of GitLab's own; "" takes back what was said before.
func verdictOf(n note) (v forge.Verdict, of bool) {
	if !n.System || n.Author == nil {
		return "", false
	}
	switch {
	case strings.HasPrefix(n.Body, noteUnapproved):
		return "", true
	case strings.HasPrefix(n.Body, noteApproved):
		return forge.Approved, true
	case strings.HasPrefix(n.Body, noteRequested):
		return forge.Rejected, true
	}
	return "", false
}

// approvedBy returns the accounts whose approval GitLab counts now.
func (f *Forge) approvedBy(ctx context.Context, number int) (map[string]bool, error) {
	var a struct {
		By []struct {
			User *user `json:"user"`
		} `json:"approved_by"`
	}
	err := f.rest.Get(ctx, f.path(number, "/approvals"), nil, &a)
	out := map[string]bool{}
	for _, by := range a.By {
		out[f.user(by.User).ID] = true
	}
	return out, err
}

// states of GitLab by ours; running and the like are pending.
var states = map[forge.CheckState]string{forge.Pending: "pending", forge.Success: "success", forge.Failure: "failed", forge.Errored: "canceled"}

func stateOf(s string) forge.CheckState {
	switch s {
	case "success", "skipped":
		return forge.Success
	case "failed":
		return forge.Failure
	case "canceled", "canceling":
		return forge.Errored
	}
	return forge.Pending
}

// status is a commit status as GitLab writes it.
type status struct {
	ID          int64     `json:"id"`
	State       string    `json:"status"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	URL         string    `json:"target_url"`
	Author      *user     `json:"author"`
	Created     time.Time `json:"created_at"`
}

// Statuses implements forge.Judgements.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]forge.Status, error) {
	list, err := rest.All[status](ctx, f.rest, f.repo+"/repository/commits/"+rest.Escape(commit)+"/statuses", pages("all", "true"))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b status) int { return cmp.Compare(a.ID, b.ID) })
	var out []forge.Status
	for _, s := range list {
		out = append(out, forge.Status{Context: s.Name, State: stateOf(s.State), Description: s.Description, URL: s.URL, Creator: f.user(s.Author), Updated: s.Created})
	}
	return forge.LastOfEach(out), nil
}

// maxTarget is how many characters GitLab takes of a status's address
// (lib/api/commit_statuses.rb): a longer one is left out.
const maxTarget = 255

// SetStatus implements forge.Judgements. GitLab refuses to set again what is set, which
// is no error, and while somebody else sets a status of the commit, which passes.
func (f *Forge) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	body := map[string]string{"name": s.Context, "state": states[s.State], "description": forge.Describe(s.Description)}
	if s.URL != "" && utf8.RuneCountInString(s.URL) <= maxTarget {
		body["target_url"] = s.URL
	}
	err := rest.Patiently(ctx, func() (bool, error) {
		_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.repo + "/statuses/" + rest.Escape(commit), Body: body})
		return fault.ClassOf(err) == fault.Conflict, err
	})
	if err != nil && strings.Contains(err.Error(), "Cannot transition status") && strings.Contains(err.Error(), "from :"+states[s.State]+" ") {
		return nil
	}
	return err
}
