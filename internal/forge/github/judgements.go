package github

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
)

// comment is one below a pull request.
type comment struct {
	ID      int64     `json:"id"`
	Body    string    `json:"body"`
	User    *user     `json:"user"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

func (f *Forge) comment(number int, c comment) forge.Comment {
	return forge.Comment{ID: strconv.FormatInt(c.ID, 10), Number: number, Author: f.user(c.User), Body: c.Body, Created: c.Created, Updated: c.Updated}
}

// Comments implements forge.Comments.
func (f *Forge) Comments(ctx context.Context, number int) ([]forge.Comment, error) {
	list, err := rest.All[comment](ctx, f.rest, f.issue(number, "/comments"), pages())
	var out []forge.Comment
	for _, c := range list {
		out = append(out, f.comment(number, c))
	}
	return out, err
}

// Comment implements forge.Comments.
func (f *Forge) Comment(ctx context.Context, number int, body string) (forge.Comment, error) {
	var c comment
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.issue(number, "/comments"), Body: map[string]string{"body": body}, Into: &c})
	return f.comment(number, c), err
}

// EditComment implements forge.Comments.
func (f *Forge) EditComment(ctx context.Context, c forge.Comment, body string) error {
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPatch, Path: f.repo + "/issues/comments/" + rest.Escape(c.ID), Body: map[string]string{"body": body}})
	return err
}

// Reviews implements forge.Judgements. GitHub forgets what a dismissed review
// said: it is given as an approval that was dismissed.
func (f *Forge) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	type review struct {
		ID        int64     `json:"id"`
		User      *user     `json:"user"`
		State     string    `json:"state"`
		Commit    string    `json:"commit_id"`
		Submitted time.Time `json:"submitted_at"`
	}
	list, err := rest.All[review](ctx, f.rest, f.path(number, "/reviews"), pages())
	if err != nil {
		return nil, err
	}
	verdicts := map[string]forge.Verdict{"APPROVED": forge.Approved, "DISMISSED": forge.Approved, "CHANGES_REQUESTED": forge.Rejected, "COMMENTED": forge.Commented}
	var out []forge.Review
	for _, r := range list {
		v, ok := verdicts[r.State]
		if !ok || r.User == nil {
			continue // begun and not submitted, or by an account that is gone
		}
		out = append(out, forge.Review{
			ID: strconv.FormatInt(r.ID, 10), Reviewer: f.user(r.User), Verdict: v, Commit: r.Commit, Dismissed: r.State == "DISMISSED", Submitted: r.Submitted,
		})
	}
	return out, nil
}

// Statuses implements forge.Judgements: GitHub keeps all that were ever set.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]forge.Status, error) {
	type status struct {
		ID          int64     `json:"id"`
		State       string    `json:"state"`
		Context     string    `json:"context"`
		Description string    `json:"description"`
		URL         string    `json:"target_url"`
		Creator     *user     `json:"creator"`
		Updated     time.Time `json:"updated_at"`
	}
	list, err := rest.All[status](ctx, f.rest, f.repo+"/commits/"+rest.Escape(commit)+"/statuses", pages())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b status) int { return cmp.Compare(a.ID, b.ID) })
	var out []forge.Status
	for _, s := range list {
		out = append(out, forge.Status{Context: s.Context, State: forge.CheckState(s.State), Description: s.Description, URL: s.URL, Creator: f.user(s.Creator), Updated: s.Updated})
	}
	return forge.LastOfEach(out), nil
}

// SetStatus implements forge.Judgements.
func (f *Forge) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	body := map[string]string{"context": s.Context, "state": string(s.State), "description": forge.Describe(s.Description)}
	if s.URL != "" {
		body["target_url"] = s.URL
	}
	_, err := f.rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: f.repo + "/statuses/" + rest.Escape(commit), Body: body})
	return err
}
