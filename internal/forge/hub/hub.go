// Package hub is what the APIs of GitHub and Gitea have in common: Gitea's was made
// after GitHub's, and pull requests, comments, reviews, statuses and lists of files read
// the same.
//
//	type Forge struct{ hub.Talk; … }
package hub

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
)

// Account is an account as both write it; Type is GitHub's alone.
type Account struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

// Label is a label of a pull request.
type Label struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// Pull is a pull request.
type Pull struct {
	Number    int        `json:"number"`
	URL       string     `json:"html_url"`
	Title     string     `json:"title"`
	Body      string     `json:"body"`
	State     string     `json:"state"` // open or closed
	Draft     bool       `json:"draft"`
	MergedAt  *time.Time `json:"merged_at"`
	MergedAs  string     `json:"merge_commit_sha"`
	Mergeable *bool      `json:"mergeable"` // null, in Gitea false, while it is computed
	User      *Account   `json:"user"`
	Labels    []Label    `json:"labels"`
	Head      End        `json:"head"`
	Base      End        `json:"base"`
	Created   time.Time  `json:"created_at"`
	Updated   time.Time  `json:"updated_at"`
}

// End is a branch of a pull request; Repo is nil when the fork is gone.
type End struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		FullName string `json:"full_name"`
	} `json:"repo"`
}

func (e End) side() forge.Side {
	s := forge.Side{Branch: e.Ref, Commit: e.SHA}
	if e.Repo != nil {
		s.Repo = e.Repo.FullName
	}
	return s
}

// Talk speaks with the service about one repository.
type Talk struct {
	Rest *rest.Client
	Repo string                    // path of the repository below the API
	Page url.Values                // the longest page
	Said url.Values                // the longest page of comments
	User func(*Account) forge.User // of the service
}

// Path returns the path of a pull request.
func (t Talk) Path(number int, more string) string {
	return t.Repo + "/pulls/" + strconv.Itoa(number) + more
}

// Issue returns the path of the issue that stands behind a pull request.
func (t Talk) Issue(number int, more string) string {
	return t.Repo + "/issues/" + strconv.Itoa(number) + more
}

// Request translates a pull request; whether it can be merged is left out.
func (t Talk) Request(p Pull) forge.PullRequest {
	out := forge.PullRequest{
		Number: p.Number, URL: p.URL, Title: p.Title, Body: p.Body, State: forge.Open, Draft: p.Draft,
		Author: t.User(p.User), Head: p.Head.side(), Base: p.Base.side(), Created: p.Created, Updated: p.Updated,
	}
	for _, l := range p.Labels {
		out.Labels = append(out.Labels, l.Name)
	}
	switch {
	case p.MergedAt != nil:
		out.State, out.MergedAs = forge.Merged, p.MergedAs
	case p.State == "closed":
		out.State = forge.Closed
	}
	return out
}

// Changes is the body of an edit, without labels.
func Changes(e forge.Edit) map[string]any {
	body := map[string]any{}
	e.Into(body, "title", "body")
	if e.State != nil {
		body["state"] = string(*e.State)
	}
	return body
}

// comment is one below a pull request.
type comment struct {
	ID      int64     `json:"id"`
	Body    string    `json:"body"`
	User    *Account  `json:"user"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

func (t Talk) comment(number int, c comment) forge.Comment {
	return forge.Comment{ID: strconv.FormatInt(c.ID, 10), Number: number, Author: t.User(c.User), Body: c.Body, Created: c.Created, Updated: c.Updated}
}

// Comments implements forge.Comments. Gitea gives all in one answer.
func (t Talk) Comments(ctx context.Context, number int) ([]forge.Comment, error) {
	list, err := rest.All[comment](ctx, t.Rest, t.Issue(number, "/comments"), t.Said)
	var out []forge.Comment
	for _, c := range list {
		out = append(out, t.comment(number, c))
	}
	return out, err
}

// Comment implements forge.Comments.
func (t Talk) Comment(ctx context.Context, number int, body string) (forge.Comment, error) {
	var c comment
	_, err := t.Rest.Do(ctx, rest.Call{Method: http.MethodPost, Path: t.Issue(number, "/comments"), Body: map[string]string{"body": body}, Into: &c})
	return t.comment(number, c), err
}

// EditComment implements forge.Comments.
func (t Talk) EditComment(ctx context.Context, c forge.Comment, body string) error {
	_, err := t.Rest.Do(ctx, rest.Call{Method: http.MethodPatch, Path: t.Repo + "/issues/comments/" + rest.Escape(c.ID), Body: map[string]string{"body": body}})
	return err
}
