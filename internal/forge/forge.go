// Package forge is the port to what hosts a repository and its pull requests:
// Gitea and Forgejo, GitHub, GitLab, Bitbucket, Azure DevOps, or nothing but Git.
//
//	f, err := gitea.New(forge.Config{URL: "https://git.example.com/team/fleet", Token: token})
//	pr, how, err := forge.Propose(ctx, f, forge.Proposal{Head: "promote/production", Base: "main", Title: …, Body: …})
//	err = f.SetStatus(ctx, pr.Head.Commit, forge.Status{Context: "leat/production", State: forge.Pending})
//
// The port reports who did what; it trusts nothing. A status says who set it, a
// review which commit it saw, and whoever decides (the gate) looks at that.
// Everything that a person wrote into a pull request stays there: see Propose.
//
// Errors are faults (package source/fault): NotFound; Auth for a token that is
// refused and Forbidden for one that may not; Busy with After for a limit of
// rates; Conflict where somebody was faster; Protected for a branch that only
// pull requests may change; Unreachable and Timeout for a forge that is down,
// which trying again may mend; Invalid for what it can never do.
package forge

import (
	"context"
	"time"
)

// Forge is one repository at a forge, as one account sees it. It may be used by
// several goroutines.
type Forge interface {
	Pulls
	Comments
	Judgements

	// Me returns the account that the token belongs to.
	Me(ctx context.Context) (User, error)
	// Repository returns what is known of the repository.
	Repository(ctx context.Context) (Repository, error)
	// Branch returns the head of a branch and what protects it.
	Branch(ctx context.Context, name string) (Branch, error)
	// Members returns who is in a team or group, by the name that the forge has
	// for it (<organisation>/<team> where there are teams; docs/forges.md). It is
	// all of them or an error: NotFound or Forbidden say what the token lacks,
	// TooLarge that there are more than MaxListed.
	Members(ctx context.Context, team string) ([]User, error)
}

// Pulls are the pull requests of the repository.
type Pulls interface {
	// Pull returns one, by its number.
	Pull(ctx context.Context, number int) (PullRequest, error)
	// List returns those that q asks for, the newest first, at most MaxListed.
	List(ctx context.Context, q Query) ([]PullRequest, error)
	// Create opens one. Where one is open for head and base it is a Conflict.
	Create(ctx context.Context, d Draft) (PullRequest, error)
	// Edit changes what e sets.
	Edit(ctx context.Context, number int, e Edit) (PullRequest, error)
	// Merge merges it if its head is still the commit that m names.
	Merge(ctx context.Context, number int, m Merge) error
}

// Comments are what is said below a pull request.
type Comments interface {
	// Comments returns all, the oldest first.
	Comments(ctx context.Context, number int) ([]Comment, error)
	// Comment says something new.
	Comment(ctx context.Context, number int, body string) (Comment, error)
	// EditComment changes what we said.
	EditComment(ctx context.Context, c Comment, body string) error
}

// Judgements are what people and machines say about a change.
type Judgements interface {
	// Reviews returns every review, the oldest first; package gate says which count.
	Reviews(ctx context.Context, number int) ([]Review, error)
	// Statuses returns the last status of each context and creator on a commit.
	Statuses(ctx context.Context, commit string) ([]Status, error)
	// SetStatus sets one, as Me.
	SetStatus(ctx context.Context, commit string, s Status) error
}

// The limits of what is read from a forge.
const (
	MaxListed = 2000    // items of one list, over all its pages
	MaxBody   = 60_000  // bytes of a comment or description; GitHub takes 65,536 characters
	MaxAnswer = 8 << 20 // bytes of one answer
)

// User is an account. Accounts are compared by ID, which no renaming changes.
type User struct {
	ID    string
	Login string
	Bot   bool // the forge says that it is a machine
}

// Repository is what is known of a repository.
type Repository struct {
	Name          string // <owner>/<name>
	DefaultBranch string
	URL           string // for people
	CloneURL      string // over HTTP
	Private       bool
}

// Branch is a branch with what protects it.
type Branch struct {
	Name       string
	Commit     string
	Protected  bool
	Protection Protection // as far as the account may read it
}

// Protection is what a forge asks for before a branch moves.
type Protection struct {
	Approvals     int      // number of approving reviews
	Checks        []string // contexts of statuses that must be successful
	DismissStale  bool     // a push takes approvals back
	BlockRejected bool     // a review that asks for changes blocks
	EnforceAdmins bool     // administrators are bound too
	ForcePush     bool     // history may be rewritten
}

// State of a pull request.
type State string

// The states of a pull request.
const (
	Open   State = "open"
	Closed State = "closed" // without being merged
	Merged State = "merged"
)

// Mergeable says whether a pull request could be merged as far as contents go.
type Mergeable string

// What is known of it; forges compute it in the background.
const (
	Unknown     Mergeable = ""
	Clean       Mergeable = "clean"
	Conflicting Mergeable = "conflicting"
)

// Side is one end of a pull request.
type Side struct {
	Branch string
	Commit string
	Repo   string // <owner>/<name>; "" when it is gone
}

// PullRequest is a change that asks to be merged.
type PullRequest struct {
	Number    int
	URL       string // for people
	Title     string
	Body      string
	State     State
	Draft     bool
	Author    User
	Head      Side
	Base      Side
	Mergeable Mergeable
	Labels    []string
	MergedAs  string // the commit on the base branch
	Created   time.Time
	Updated   time.Time

	// Pusher pushed the head last; zero where the forge does not tell, which it
	// does only from Pull.
	Pusher User
}

// Fork tells whether the change comes from another repository.
func (p PullRequest) Fork() bool { return p.Head.Repo != p.Base.Repo }

// Query says which pull requests are meant; empty fields mean any.
type Query struct {
	State State
	Head  string // branch of this same repository
	Base  string
}

// Draft is a pull request to be.
type Draft struct {
	Head, Base  string // branches of this repository
	Title, Body string
	Labels      []string // those that do not exist are made where the forge allows, else left out
}

// Edit holds what changes; nil leaves as it is.
type Edit struct {
	Title, Body *string
	State       *State // Open or Closed
	Labels      *[]string
}

// Method is how a pull request becomes commits.
type Method string

// The methods.
const (
	MergeCommit Method = "merge"
	Squash      Method = "squash"
	Rebase      Method = "rebase"
)

// Merge says how to merge, and what.
type Merge struct {
	Method  Method // "" for MergeCommit
	Commit  string // the head that was looked at: another is a Conflict
	Title   string // of the merge commit; "" leaves it to the forge
	Message string
	Delete  bool // whether the head branch goes
}

// Comment is something said below a pull request.
type Comment struct {
	ID      string
	Number  int // of the pull request
	Author  User
	Body    string
	Created time.Time
	Updated time.Time
}

// Verdict of a review.
type Verdict string

// The verdicts.
const (
	Approved  Verdict = "approved"
	Rejected  Verdict = "changes requested"
	Commented Verdict = "commented"
)

// Review is what one person said of one commit.
type Review struct {
	ID        string
	Reviewer  User
	Verdict   Verdict
	Commit    string // the head that was looked at; "" where the forge does not say
	Dismissed bool   // somebody took it back
	Submitted time.Time
	Signed    bool // the reviewer's own key vouches for it (plain Git)
}

// CheckState is the state of a status.
type CheckState string

// The states of a status.
const (
	Pending CheckState = "pending"
	Success CheckState = "success"
	Failure CheckState = "failure"
	Errored CheckState = "error"
)

// Status is what a machine says of a commit. Anyone who may push can set any:
// Creator tells ours from others'.
type Status struct {
	Context     string
	State       CheckState
	Description string // at most MaxDescription runes are sent
	URL         string
	Creator     User
	Updated     time.Time
}

// MaxDescription bounds the description of a status in runes; GitHub refuses more.
const MaxDescription = 140
