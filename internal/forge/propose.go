package forge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/source/fault"
)

// Proposal is a pull request that is wanted, however often it is said.
type Proposal struct {
	Head, Base string // branches; the head is pushed already
	Title      string
	Body       string // ours alone: what people write around it stays
	Labels     []string

	// Digest names what is proposed: one that a person closed is not opened
	// again while the digest is the same. "" takes the commit of the head.
	Digest string
}

// Outcome is what Propose found or did.
type Outcome string

// The outcomes.
const (
	Created  Outcome = "created"
	Updated  Outcome = "updated"
	Same     Outcome = "unchanged"
	Declined Outcome = "closed by a person"
)

// Propose opens the pull request, or brings the open one up to date. A title
// that a person changed stays, and so does what a person wrote around our part
// of the body. A pull request that was closed without merging is an answer: with
// the same digest it is returned as Declined, and nothing is opened.
func Propose(ctx context.Context, f Forge, p Proposal) (PullRequest, Outcome, error) {
	open, err := f.List(ctx, Query{State: Open, Head: p.Head, Base: p.Base})
	if err != nil {
		return PullRequest{}, "", fmt.Errorf("look for the pull request of %s: %w", p.Head, err)
	}
	if p.Digest == "" {
		if p.Digest, err = headOf(ctx, f, p.Head); err != nil {
			return PullRequest{}, "", err
		}
	}
	if len(open) > 0 {
		one, err := settle(ctx, f, open)
		if err != nil {
			return PullRequest{}, "", err
		}
		return refresh(ctx, f, one, p)
	}
	declined, found, err := declinedBefore(ctx, f, p)
	if err != nil || found {
		return declined, Declined, err
	}
	made, err := f.Create(ctx, Draft{Head: p.Head, Base: p.Base, Title: p.Title, Body: p.into("", room(f)), Labels: p.Labels})
	if err != nil && fault.ClassOf(err) != fault.Conflict {
		return PullRequest{}, "", fmt.Errorf("open a pull request of %s into %s: %w", p.Head, p.Base, err)
	}
	return afterRace(ctx, f, p, attempt{made, err})
}

func headOf(ctx context.Context, f Forge, branch string) (string, error) {
	b, err := f.Branch(ctx, branch)
	if err != nil {
		return "", fmt.Errorf("look for the branch %s: %w", branch, err)
	}
	return b.Commit, nil
}

// attempt is what came of opening a pull request.
type attempt struct {
	made PullRequest
	err  error
}

// afterRace looks whether somebody else opened one between our look and our
// attempt. Some forges refuse the second, Gitea takes both.
func afterRace(ctx context.Context, f Forge, p Proposal, try attempt) (PullRequest, Outcome, error) {
	made, cause := try.made, try.err
	open, err := f.List(ctx, Query{State: Open, Head: p.Head, Base: p.Base})
	switch {
	case err != nil && cause == nil:
		return made, Created, nil // the next run settles it
	case err != nil || len(open) == 0 && cause != nil:
		return PullRequest{}, "", errors.Join(fmt.Errorf("open a pull request of %s into %s: %w", p.Head, p.Base, cause), err)
	case len(open) == 0:
		return made, Created, nil
	}
	first := firstOf(open)
	if first.Number == made.Number {
		return made, Created, nil // whoever opened the other one closes it
	}
	if made.Number != 0 {
		if err := twice(ctx, f, made, first); err != nil {
			return PullRequest{}, "", err
		}
	}
	return refresh(ctx, f, first, p)
}

func firstOf(open []PullRequest) PullRequest {
	return slices.MinFunc(open, func(a, b PullRequest) int { return a.Number - b.Number })
}

// settle takes the first of several open pull requests for the same branches, and
// closes the others that we opened: a run that raced ended before it could.
func settle(ctx context.Context, f Forge, open []PullRequest) (PullRequest, error) {
	first := firstOf(open)
	if len(open) == 1 {
		return first, nil
	}
	me, err := f.Me(ctx)
	if err != nil {
		return first, fmt.Errorf("ask the forge who we are: %w", err)
	}
	for _, pr := range open {
		if pr.Number == first.Number || pr.Author.ID != me.ID {
			continue
		}
		if err := twice(ctx, f, pr, first); err != nil {
			return first, err
		}
	}
	return first, nil
}

// twice closes one that was opened beside another. It loses our section, so that
// nobody takes it for declined.
func twice(ctx context.Context, f Forge, pr, first PullRequest) error {
	body, state := fmt.Sprintf("Opened at the same time as #%d, which is the one.", first.Number), Closed
	_, err := f.Edit(ctx, pr.Number, Edit{Body: &body, State: &state})
	if err == nil || fault.ClassOf(err) == fault.Conflict || gone(ctx, f, pr.Number) {
		return nil // somebody is at it, too
	}
	return fmt.Errorf("close pull request %d, which was opened twice: %w", pr.Number, err)
}

// gone tells whether somebody else closed it meanwhile: both who raced settle.
func gone(ctx context.Context, f Forge, number int) bool {
	pr, err := f.Pull(ctx, number)
	return err == nil && pr.State != Open
}

func declinedBefore(ctx context.Context, f Forge, p Proposal) (PullRequest, bool, error) {
	closed, err := f.List(ctx, Query{State: Closed, Head: p.Head, Base: p.Base})
	if err != nil {
		return PullRequest{}, false, fmt.Errorf("look for closed pull requests of %s: %w", p.Head, err)
	}
	for _, pr := range closed {
		if s, ok := sectionOf(pr.Body); ok && s.digest == p.Digest {
			return pr, true, nil
		}
	}
	return PullRequest{}, false, nil
}

// refresh writes what differs from what is there.
func refresh(ctx context.Context, f Forge, pr PullRequest, p Proposal) (PullRequest, Outcome, error) {
	e, changed := p.changes(pr, room(f))
	if !changed {
		return pr, Same, nil
	}
	next, err := f.Edit(ctx, pr.Number, e)
	if err != nil {
		return pr, "", fmt.Errorf("update pull request %d: %w", pr.Number, err)
	}
	next.Pusher = cmp.Or(next.Pusher, pr.Pusher)
	return next, Updated, nil
}

// changes says what of an open pull request must be edited.
func (p Proposal) changes(pr PullRequest, room int) (Edit, bool) {
	var e Edit
	old, had := sectionOf(pr.Body)
	if body := p.into(pr.Body, room); body != pr.Body {
		e.Body = &body
	}
	// A title is ours while it is the one that we set last.
	if p.Title != pr.Title && had && old.title == titleMark(pr.Title) {
		e.Title = &p.Title
	}
	return e, e.Body != nil || e.Title != nil
}

// into puts our section into a body, shortened so that both fit.
func (p Proposal) into(body string, room int) string {
	s := section{digest: p.Digest, title: titleMark(p.Title), text: strings.TrimSpace(p.Body)}
	out := s.into(body)
	if over := len(out) - room; over > 0 {
		s.text = clip(s.text, max(minSection, len(s.text)-over))
		out = s.into(body)
	}
	return out
}

// minSection is what is left of our part, in bytes, however much people write.
const minSection = 500

// Narrow is a forge that takes shorter texts than MaxBody.
type Narrow interface {
	// MaxText is how many bytes a description or comment may have.
	MaxText() int
}

// NarrowComment is a forge that takes another length of comments than of descriptions.
type NarrowComment interface {
	// MaxComment is how many bytes a comment may have.
	MaxComment() int
}

// RoomToSay is how many bytes a comment may have.
func RoomToSay(f Forge) int {
	if n, ok := f.(NarrowComment); ok {
		return min(n.MaxComment(), MaxBody)
	}
	return room(f)
}

func room(f Forge) int {
	if n, ok := f.(Narrow); ok {
		return min(n.MaxText(), MaxBody)
	}
	return MaxBody
}

// Remark is what Say keeps below a pull request.
type Remark struct {
	Number int    // of the pull request
	Marker string // tells our remarks apart
	Body   string
}

// Say keeps one comment of ours below a pull request: it is the one that bears
// the marker and was written by us, whoever else copied the marker; it is edited
// in place. It returns whether anything was written.
func Say(ctx context.Context, f Forge, r Remark) (bool, error) {
	me, err := f.Me(ctx)
	if err != nil {
		return false, fmt.Errorf("ask the forge who we are: %w", err)
	}
	all, err := f.Comments(ctx, r.Number)
	if err != nil {
		return false, fmt.Errorf("read the comments of pull request %d: %w", r.Number, err)
	}
	mark := commentMark(r.Marker) + "\n"
	text := mark + clip(r.Body, RoomToSay(f)-len(mark))
	for _, c := range all {
		if c.Author.ID != me.ID || !bears(c.Body, r.Marker) {
			continue
		}
		if sameText(c.Body, text) {
			return false, nil
		}
		if err := f.EditComment(ctx, c, text); err != nil {
			return false, fmt.Errorf("edit the comment on pull request %d: %w", r.Number, err)
		}
		return true, nil
	}
	if _, err := f.Comment(ctx, r.Number, text); err != nil {
		return false, fmt.Errorf("comment on pull request %d: %w", r.Number, err)
	}
	return true, nil
}
