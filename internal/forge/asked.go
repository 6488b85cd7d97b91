package forge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Matches tells whether a pull request is one that q asks for. Services filter by some
// of it, and some of them not exactly; a head means a branch of the repository itself.
func (q Query) Matches(p PullRequest) bool {
	return (q.State == "" || p.State == q.State) && (q.Base == "" || p.Base.Branch == q.Base) &&
		(q.Head == "" || p.Head.Branch == q.Head && !p.Fork())
}

// Select returns those of a service's list that q asks for, the newest first.
func (q Query) Select(list []PullRequest) []PullRequest {
	out := slices.DeleteFunc(slices.Clone(list), func(p PullRequest) bool { return !q.Matches(p) })
	slices.SortFunc(out, func(a, b PullRequest) int { return cmp.Compare(b.Number, a.Number) })
	return out
}

// Into writes the title and the body, where they change, into a request under the names
// that a service has for them.
func (e Edit) Into(request map[string]any, title, body string) {
	if e.Title != nil {
		request[title] = *e.Title
	}
	if e.Body != nil {
		request[body] = *e.Body
	}
}

// Text is the message of the merge commit, "" to leave it to the forge.
func (m Merge) Text() string { return strings.TrimSpace(m.Title + "\n\n" + m.Message) }

// Against says what keeps m from being about a pull request as it stands now: it is not
// open, or its head is not the one that was looked at. Services that lock a merge to a
// commit do so themselves.
func (m Merge) Against(p PullRequest) error {
	switch {
	case p.State != Open:
		return fmt.Errorf("pull request %d is %s", p.Number, p.State)
	case p.Head.Commit != m.Commit:
		return fmt.Errorf("pull request %d is at %s, and %s was looked at: somebody pushed; look again", p.Number, p.Head.Commit, m.Commit)
	}
	return nil
}
