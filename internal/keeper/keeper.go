// Package keeper stands at the gate of a fleet's repository: it judges every open
// pull request by the rules of the branch that it goes into, and says so at the forge,
// as a commit status per environment and one comment that is edited in place.
//
//	k := keeper.New(keeper.Config{Forge: f, Repo: r, Render: render, Now: time.Now, Log: log})
//	out, err := k.Judge(ctx, 7)        // one pull request
//	err = k.Serve(ctx, heard, options) // all of them, until ctx ends
//
// It keeps nothing that it could not find out again: who approved is read from the
// forge, what they saw is rendered from the commits that they looked at, and what a
// status or a comment says is never believed. What it must never do: merge, push,
// or take a rule from the change that is judged.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

// Rendering is one environment, without and with a change.
type Rendering struct {
	Branch      string    // that the change goes into
	Base, Head  repo.Hash // the branch, and what it would be with the change
	Environment string
	// Fork tells that somebody wrote the change who need not be trusted with anything.
	Fork bool
}

// Render says what a change does in an environment. Both commits are in the
// repository. What cannot be rendered is no error but among the facts.
type Render func(ctx context.Context, r Rendering) (check.Facts, error)

// Config is what a Keeper needs.
type Config struct {
	Forge forge.Forge
	Repo  *repo.Repo // a kept copy
	// Dir is the fleet's directory in the repository; empty for all of it.
	Dir    string
	Render Render
	Now    func() time.Time
	Log    *slog.Logger
	Tool   string // name and version, for the comment
}

// Keeper judges the pull requests of one repository. It may be used by several
// goroutines.
type Keeper struct {
	Config
	known known
	teams teams
}

// New returns a keeper.
func New(c Config) *Keeper {
	return &Keeper{Config: c, known: known{facts: map[Rendering]check.Facts{}}, teams: teams{known: map[string]*answer{}}}
}

// Outcome is what became of judging a pull request.
type Outcome struct {
	Report check.Report
	// Judged is false for one that is closed, or goes where nothing guards.
	Judged bool
	// Again is when time alone changes the verdict; zero is never.
	Again time.Time
}

// ErrMoved says that a pull request or its base moved while it was judged: what was
// found out is not told, and it must be judged again.
var ErrMoved = errors.New("it moved meanwhile")

// Judge finds out how a pull request stands and says so at the forge.
func (k *Keeper) Judge(ctx context.Context, number int) (Outcome, error) {
	pr, err := k.Forge.Pull(ctx, number)
	switch {
	case fault.ClassOf(err) == fault.NotFound:
		return Outcome{}, nil // a webhook may name any number
	case err != nil:
		return Outcome{}, fmt.Errorf("look at pull request %d: %w", number, err)
	case pr.State != forge.Open:
		return Outcome{}, nil
	}
	c, err := k.gather(ctx, pr)
	var open *check.Unguarded
	switch {
	case errors.As(err, &open):
		return Outcome{}, nil
	case err != nil:
		return Outcome{}, fmt.Errorf("judge pull request %d: %w", number, err)
	}
	out := Outcome{Judged: true, Report: k.report(c)}
	for _, e := range out.Report.Environments {
		if next := e.Opening.Next; !next.IsZero() && (out.Again.IsZero() || next.Before(out.Again)) {
			out.Again = next
		}
		if o := e.Override; o != nil && (out.Again.IsZero() || check.Lapses(*o).Before(out.Again)) {
			out.Again = check.Lapses(*o)
		}
	}
	if err := k.unmoved(ctx, c); err != nil {
		return Outcome{}, err
	}
	return out, k.tell(ctx, c, &out.Report)
}

// candidate is a pull request with all that its verdict rests on.
type candidate struct {
	pr           forge.PullRequest
	me           forge.User
	base, head   repo.Hash
	merged       repo.Hash
	rules        check.Rules
	files        check.Files
	environments []flow.Environment
	facts        []check.Facts
	reviews      []forge.Review
	teams        map[string]flow.Team
	said         []check.Said
	saw          map[sight]gate.Digest
}

// sight is what the reviewer of a commit saw of an environment, and when.
type sight struct {
	environment, commit string
	at                  time.Time
}

// gather reads all that is needed. The rules are those of the base as it stands.
func (k *Keeper) gather(ctx context.Context, pr forge.PullRequest) (*candidate, error) {
	c := &candidate{pr: pr, saw: map[sight]gate.Digest{}}
	if err := k.Repo.Fetch(ctx); err != nil {
		return nil, err
	}
	var err error
	if c.base, err = k.Repo.Branch(pr.Base.Branch); err != nil {
		return nil, err
	}
	if c.head, err = hashOf(pr.Head.Commit); err != nil {
		return nil, err
	}
	if c.rules, err = k.rules(ctx, pr.Base.Branch, c.base); err != nil {
		return nil, err
	}
	if c.environments = c.rules.Of(pr.Base.Branch); len(c.environments) == 0 {
		return nil, &check.Unguarded{Branch: pr.Base.Branch}
	}
	if c.me, err = k.Forge.Me(ctx); err != nil {
		return nil, err
	}
	if err := k.Repo.Bring(ctx, c.head); err != nil {
		return nil, fmt.Errorf("bring its head: %w", err)
	}
	if err := k.renderAll(ctx, c); err != nil {
		return nil, err
	}
	return c, k.listen(ctx, c)
}

// listen reads what people said, what they looked at when they approved, and who are in
// the teams that have a say.
func (k *Keeper) listen(ctx context.Context, c *candidate) error {
	var err error
	if c.reviews, err = k.Forge.Reviews(ctx, c.pr.Number); err != nil {
		return err
	}
	comments, err := k.Forge.Comments(ctx, c.pr.Number)
	if err != nil {
		return err
	}
	for _, s := range comments {
		c.said = append(c.said, check.Said{
			User: s.Author.Login, ID: s.Author.ID, Bot: s.Author.Bot, Body: s.Body, At: s.Created, Edited: s.Updated.After(s.Created.Add(editedAfter)),
		})
	}
	if err := k.seen(ctx, c); err != nil {
		return err
	}
	c.teams, err = k.teamsOf(ctx, c) // last: what is said of them counts for a moment only
	return err
}

// editedAfter is how far apart the times of a comment that nobody edited may be: some
// forges write it in two steps.
const editedAfter = 2 * time.Second

// report judges every environment of the branch.
func (k *Keeper) report(c *candidate) check.Report {
	out := check.Report{
		Tool: k.Tool, Branch: c.pr.Base.Branch, Base: c.base.String(), Head: c.head.String(), Notes: c.files.Notes(c.pr.Base.Branch),
	}
	now := k.Now()
	for i, e := range c.environments {
		f := c.facts[i]
		if f.Error == "" && c.files.Problem == "" && !check.Touches(c.rules.Flow, e, c.files, f) {
			out.Untouched = append(out.Untouched, e.Name)
			continue
		}
		of := check.Case{
			Gates: check.Gates(c.rules.Flow, e.Name, c.files), Opening: c.rules.Flow.Opening(e.Name, now), Problem: c.files.Problem,
			People: c.rules.Flow.People(c.teams), Change: c.change(e.Name, f), Reviews: c.reviewed(e.Name),
		}
		of.Override = check.LetIn(c.said, e.Name, of, now)
		out.Environments = append(out.Environments, check.Judge(f, of))
	}
	return out.Sum()
}

// change is what people approve in an environment.
func (c *candidate) change(environment string, f check.Facts) *gate.Change {
	out := &gate.Change{Environment: environment, Author: c.pr.Author.Login, Digest: check.Bound(f.After, c.files.Guards)}
	if c.pr.Pusher.Login != "" {
		out.Pushers = []string{c.pr.Pusher.Login}
	}
	return out
}

// reviewed are the reviews as they count for an environment.
func (c *candidate) reviewed(environment string) []gate.Review {
	var out []gate.Review
	for _, r := range c.reviews {
		state := map[forge.Verdict]gate.ReviewState{forge.Approved: gate.Approved, forge.Rejected: gate.Rejected}[r.Verdict]
		if state == "" {
			state = gate.Commented
		}
		if r.Dismissed {
			state = gate.Dismissed
		}
		out = append(out, gate.Review{
			User: r.Reviewer.Login, ID: r.Reviewer.ID, Bot: r.Reviewer.Bot, State: state, At: r.Submitted, Digest: c.saw[sight{environment, r.Commit, r.Submitted}],
		})
	}
	return out
}

// unmoved makes sure that what was judged is still what there is.
func (k *Keeper) unmoved(ctx context.Context, c *candidate) error {
	now, err := k.Forge.Pull(ctx, c.pr.Number)
	if err != nil {
		return err
	}
	base, err := k.Forge.Branch(ctx, c.pr.Base.Branch)
	if err != nil {
		return err
	}
	if now.State != forge.Open || now.Head.Commit != c.pr.Head.Commit || now.Base.Branch != c.pr.Base.Branch || base.Commit != c.base.String() {
		return ErrMoved
	}
	return nil
}

func hashOf(commit string) (repo.Hash, error) {
	h, err := wire.ParseHash(commit)
	if err != nil {
		return h, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("the forge names a commit %q: %w", commit, err)}
	}
	return h, nil
}
