package azure

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/rest"
)

// thread is a conversation below a pull request, or a note of Azure's own.
type thread struct {
	ID         int                 `json:"id"`
	Published  time.Time           `json:"publishedDate"`
	Deleted    bool                `json:"isDeleted"`
	File       *struct{}           `json:"threadContext"` // it is about lines
	Comments   []comment           `json:"comments"`
	Properties map[string]property `json:"properties"`
	Identities map[string]identity `json:"identities"`
}

type property struct {
	Value any `json:"$value"`
}

// text is a property's, "" where it is no text.
func (t thread) text(name string) string {
	s, _ := t.Properties[name].Value.(string)
	return s
}

type comment struct {
	ID        int       `json:"id"`
	Author    *identity `json:"author"`
	Content   string    `json:"content"`
	Type      string    `json:"commentType"`
	Deleted   bool      `json:"isDeleted"`
	Published time.Time `json:"publishedDate"`
	Updated   time.Time `json:"lastUpdatedDate"`
}

func (f *Forge) threads(ctx context.Context, number int) ([]thread, error) {
	all, err := list[thread](ctx, f, f.below(number, "/threads"), versioned())
	slices.SortStableFunc(all, func(a, b thread) int { return a.Published.Compare(b.Published) })
	return all, err
}

// comment translates; its id is that of the thread and its own.
func (f *Forge) comment(number int, t thread, c comment) forge.Comment {
	id := strconv.Itoa(t.ID) + "/comments/" + strconv.Itoa(c.ID)
	return forge.Comment{ID: id, Number: number, Author: f.user(c.Author), Body: c.Content, Created: c.Published, Updated: c.Updated}
}

// Comments implements forge.Comments: what begins a thread; answers are not among them.
func (f *Forge) Comments(ctx context.Context, number int) ([]forge.Comment, error) {
	all, err := f.threads(ctx, number)
	var out []forge.Comment
	for _, t := range all {
		if len(t.Comments) == 0 || t.Deleted || t.File != nil {
			continue
		}
		if c := t.Comments[0]; c.Type == "text" && !c.Deleted {
			out = append(out, f.comment(number, t, c))
		}
	}
	return out, err
}

// Comment implements forge.Comments. The thread is closed, so that a policy that asks
// for every comment to be resolved does not wait for it.
func (f *Forge) Comment(ctx context.Context, number int, body string) (forge.Comment, error) {
	said := []any{map[string]any{"parentCommentId": 0, "content": body, "commentType": "text"}}
	var t thread
	err := f.do(ctx, http.MethodPost, f.below(number, "/threads"), map[string]any{"comments": said, "status": "closed"}, &t)
	if err != nil || len(t.Comments) == 0 {
		return forge.Comment{}, err
	}
	return f.comment(number, t, t.Comments[0]), nil
}

// EditComment implements forge.Comments.
func (f *Forge) EditComment(ctx context.Context, c forge.Comment, body string) error {
	return f.do(ctx, http.MethodPatch, f.below(c.Number, "/threads/"+rest.Elements(c.ID)), map[string]string{"content": body}, nil)
}

// The lengths that Azure takes in characters, of a description and of a comment.
const (
	maxDescription = 4000
	maxComment     = 150_000
)

// MaxText implements forge.Narrow.
func (f *Forge) MaxText() int { return maxDescription }

// MaxComment implements forge.NarrowComment.
func (f *Forge) MaxComment() int { return maxComment }

// verdictOf reads a vote: 10 approved, 5 with suggestions, -5 waits for the author, -10
// rejected; 0 takes back what was said before.
func verdictOf(vote int) forge.Verdict {
	switch {
	case vote > 0:
		return forge.Approved
	case vote < 0:
		return forge.Rejected
	}
	return ""
}

// Reviews implements forge.Judgements: Azure's own notes of votes in their order. Only
// those stand that are the reviewer's vote now: a push may have reset them.
func (f *Forge) Reviews(ctx context.Context, number int) ([]forge.Review, error) {
	type reviewer struct {
		identity
		Vote int `json:"vote"`
	}
	reviewers, err := list[reviewer](ctx, f, f.below(number, "/reviewers"), versioned())
	if err != nil {
		return nil, err
	}
	threads, err := f.threads(ctx, number)
	if err != nil {
		return nil, err
	}
	versions, err := f.iterations(ctx, number)
	if err != nil {
		return nil, err
	}
	var heads []forge.Head
	for _, v := range versions {
		heads = append(heads, forge.Head{Commit: v.Source.ID, Since: v.Created})
	}
	now := map[string]forge.Verdict{}
	known := map[string]identity{}
	for _, r := range reviewers {
		now[strings.ToLower(r.ID)], known[strings.ToLower(r.ID)] = verdictOf(r.Vote), r.identity
	}
	var out []forge.Review
	for _, t := range threads {
		who, vote, is := t.vote(known)
		if !is || who.Container { // a group's vote is that of its members
			continue
		}
		u := f.user(&who)
		verdict := verdictOf(vote)
		out = forge.Hear(out, forge.Review{
			ID: strconv.Itoa(t.ID), Reviewer: u, Verdict: verdict, Commit: forge.HeadAt(heads, t.Published), Submitted: t.Published, Dismissed: now[u.ID] != verdict,
		})
	}
	return out, nil
}

// vote reads a note of a vote. Who voted stands in it by the place among its identities,
// or by the account's number. Whoever may comment may give a thread properties and
// identities, so that one of anybody else's is none.
func (t thread) vote(known map[string]identity) (who identity, vote int, is bool) {
	if t.text("CodeReviewThreadType") != "VoteUpdate" {
		return who, 0, false
	}
	who, vote, is = t.voted(known)
	return who, vote, is && t.by(who)
}

// own is the service that writes Azure's own notes; on servers it is a group.
const own = "00000002-0000-8888-8000-000000000000"

// by tells whether Azure itself wrote a note, or the one whom it is about.
func (t thread) by(who identity) bool {
	if len(t.Comments) == 0 || t.Comments[0].Type != "system" || t.Comments[0].Author == nil {
		return false
	}
	author := *t.Comments[0].Author
	return author.Container || strings.EqualFold(author.ID, own) || strings.EqualFold(author.ID, who.ID)
}

func (t thread) voted(known map[string]identity) (who identity, vote int, is bool) {
	vote, err := strconv.Atoi(t.text("CodeReviewVoteResult"))
	if err != nil {
		return who, 0, false
	}
	if who, is = t.Identities[t.text("CodeReviewVotedByIdentity")]; is {
		return who, vote, true
	}
	id := strings.ToLower(t.text("CodeReviewVotedByTfId"))
	if who, is = known[id]; !is {
		who = identity{ID: id, Display: t.text("CodeReviewVotedByDisplayName")}
	}
	return who, vote, id != ""
}

// The states of a status; notSet and notApplicable are pending.
var states = map[forge.CheckState]string{forge.Pending: "pending", forge.Success: "succeeded", forge.Failure: "failed", forge.Errored: "error"}

// A context is a genre and a name to Azure.
func joined(genre, name string) string {
	if genre == "" {
		return name
	}
	return genre + "/" + name
}

func parted(context string) map[string]string {
	if genre, name, two := strings.Cut(context, "/"); two {
		return map[string]string{"genre": genre, "name": name}
	}
	return map[string]string{"name": context}
}

type status struct {
	ID      int    `json:"id"`
	State   string `json:"state"`
	Context struct {
		Genre string `json:"genre"`
		Name  string `json:"name"`
	} `json:"context"`
	Description string    `json:"description"`
	URL         string    `json:"targetUrl"`
	Creator     *identity `json:"createdBy"`
	Created     time.Time `json:"creationDate"`
}

// Statuses implements forge.Judgements: Azure keeps all that were ever set.
func (f *Forge) Statuses(ctx context.Context, commit string) ([]forge.Status, error) {
	all, err := paged[status](ctx, f, pages{f.repo("/commits/" + rest.Escape(commit) + "/statuses"), versioned(), "top", "skip"}).All()
	slices.SortFunc(all, func(a, b status) int { return cmp.Compare(a.ID, b.ID) })
	var out []forge.Status
	for _, s := range all {
		out = append(out, forge.Status{
			Context: joined(s.Context.Genre, s.Context.Name), State: forge.StateOf(states, s.State), Description: s.Description, URL: s.URL, Creator: f.user(s.Creator), Updated: s.Created,
		})
	}
	return forge.LastOfEach(out), err
}

// SetStatus implements forge.Judgements: on the commit, and on the last iteration of
// every open pull request whose head it is, which is where policies look.
func (f *Forge) SetStatus(ctx context.Context, commit string, s forge.Status) error {
	body := map[string]any{"context": parted(s.Context), "state": states[s.State], "description": forge.Describe(s.Description)}
	if s.URL != "" {
		body["targetUrl"] = s.URL
	}
	if err := f.do(ctx, http.MethodPost, f.repo("/commits/"+rest.Escape(commit)+"/statuses"), body, nil); err != nil {
		return err
	}
	open, err := paged[pull](ctx, f, pages{path: f.repo("/pullrequests"), query: versioned("searchCriteria.status", "active")}).Newest()
	if err != nil {
		return err
	}
	for _, p := range open {
		if p.SourceAt.ID != commit {
			continue
		}
		all, err := f.iterations(ctx, p.ID)
		if err == nil && len(all) > 0 && all[len(all)-1].Source.ID == commit {
			err = f.do(ctx, http.MethodPost, f.below(p.ID, "/iterations/"+strconv.Itoa(all[len(all)-1].ID)+"/statuses"), body, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
