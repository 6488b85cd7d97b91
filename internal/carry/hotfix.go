package carry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/source/fault"
)

// FixBranch is what the branch of a hot-fix begins with: hotfix/<id>.
const FixBranch = "hotfix/"

// Fixing is a hot-fix of what an environment runs.
type Fixing struct {
	Flow  flow.Flow
	Fleet Onto
	Repos Repositories
	// Environment that needs the fix.
	Environment string
	// Component whose code it is in; empty is the fleet's own repository.
	Component string
	// ID names the fix: a number of a ticket.
	ID string
	// DryRun pushes nothing and opens no pull request.
	DryRun bool
}

// Running is what an environment runs of a component.
type Running struct {
	Repo   *repo.Repo
	Branch string // that the environment follows
	Head   repo.Hash
	Main   string // where the fix goes at last
	// Pin says where the branch is pinned; zero for the fleet's own repository, whose
	// branch the environment follows.
	Pin flow.Pin
	// Followers are all environments that follow that branch, and so get the fix.
	Followers []flow.Environment
}

// Find finds the branch that an environment really runs, whatever the numbers say that
// it should.
func (in Fixing) Find(ctx context.Context) (Running, error) {
	e, known := in.Flow.Environment(in.Environment)
	if !known {
		return Running{}, fmt.Errorf("there is no environment %s; leat.yaml has %s", in.Environment, strings.Join(in.Flow.Names(), ", "))
	}
	var out Running
	var err error
	if in.Component == "" {
		out = Running{Repo: in.Fleet.Repo, Branch: e.Branch}
		for _, other := range in.Flow.Environments {
			if other.Branch == e.Branch {
				out.Followers = append(out.Followers, other)
			}
		}
	} else if out, err = in.component(ctx, e); err != nil {
		return out, err
	}
	main := ""
	if c, declared := in.Flow.Component(in.Component); declared {
		main = c.Branch
	}
	if out.Main, _, err = branchOr(out.Repo, main); err != nil {
		return out, err
	}
	out.Head, err = out.Repo.Branch(out.Branch)
	if fault.ClassOf(err) == fault.NotFound && in.Component == "" {
		return out, fmt.Errorf("%s follows the branch %s of the fleet, which does not exist: %w", e.Name, out.Branch, err)
	}
	if fault.ClassOf(err) == fault.NotFound {
		return out, fmt.Errorf("%s runs the branch %s of %s (%s), which does not exist: %w", e.Name, out.Branch, in.Component, out.Pin.At(), err)
	}
	return out, err
}

// component finds the branch that a component is pinned to, and who shares it.
func (in Fixing) component(ctx context.Context, e flow.Environment) (Running, error) {
	var out Running
	c, declared := in.Flow.Component(in.Component)
	if !declared || c.Repository == "" {
		return out, fmt.Errorf("component %s: leat.yaml does not say where its repository is: add - {name: %[1]s, repository: URL} under components", in.Component)
	}
	pin, err := in.pin(ctx, e)
	if err != nil {
		return out, err
	}
	out.Branch, out.Pin = pin.Value, pin
	for _, other := range in.Flow.Environments {
		if same, err := in.pin(ctx, other); err == nil && same.Value == pin.Value {
			out.Followers = append(out.Followers, other)
		}
	}
	if out.Repo, err = in.Repos.Repository(ctx, c.Repository); err != nil {
		return out, fmt.Errorf("component %s: %w", in.Component, err)
	}
	return out, nil
}

// pin is where an environment says which branch of the component it runs.
func (in Fixing) pin(ctx context.Context, e flow.Environment) (flow.Pin, error) {
	head, err := in.Fleet.Repo.Branch(e.Branch)
	if err != nil {
		return flow.Pin{}, err
	}
	files, err := in.Fleet.Repo.Tree(ctx, head, in.Fleet.Dir)
	if err != nil {
		return flow.Pin{}, err
	}
	pins, _ := flow.Pins(files, in.Flow, e)
	for _, pin := range pins {
		if pin.Component == in.Component && pin.Kind == flow.BranchPin {
			return pin, nil
		}
	}
	return flow.Pin{}, fmt.Errorf("%s pins no branch of %s: look with leat matrix", e.Name, in.Component)
}

// branch is that of the fix.
func (in Fixing) branch() (string, error) {
	if err := flow.CheckBranch(in.ID); err != nil {
		return "", fmt.Errorf("--id: %w", err)
	}
	return FixBranch + in.ID, nil
}

// Start cuts the branch of the fix from what the environment runs. One that is there,
// and goes on from there, is taken up again.
func (in Fixing) Start(ctx context.Context) (Running, Step, error) {
	name, err := in.branch()
	if err != nil {
		return Running{}, Step{}, err
	}
	at, err := in.Find(ctx)
	if err != nil {
		return at, Step{}, err
	}
	step := Step{Repository: at.Repo.URL(), Branch: name, Commit: at.Head, What: fmt.Sprintf("cut from %s at %s", at.Branch, at.Head.String()[:10])}
	there, err := at.Repo.Branch(name)
	switch {
	case err == nil:
		if goesOn, err := at.Repo.Contains(there, at.Head); err != nil || !goesOn {
			return at, step, errors.Join(err, fmt.Errorf("%s exists already and does not begin at what %s runs (%s): choose another name", name, in.Environment, at.Branch))
		}
		step.Commit, step.Done = there, true
		return at, step, nil
	case fault.ClassOf(err) != fault.NotFound:
		return at, step, err
	case in.DryRun:
		return at, step, nil
	}
	if err := at.Repo.Push(ctx, repo.Update{Branch: name, New: at.Head}); err != nil {
		return at, step, fmt.Errorf("cut %s: %w", name, err)
	}
	return at, step, nil
}

// Proposed is a pull request, or what a person has to do where there is no forge.
type Proposed struct {
	Head, Base  string
	Title, Body string        // what it says; empty before that is written
	Commits     []repo.Commit // that it brings, the newest first
	Request     forge.PullRequest
	Outcome     forge.Outcome
	// Instead says what to do by hand; empty where a pull request was opened.
	Instead string
}

// Submit proposes the fix to the branch that it was cut from, which Find found. f is nil
// where there is no forge.
func (in Fixing) Submit(ctx context.Context, at Running, f forge.Forge, body string) (Proposed, error) {
	name, err := in.branch()
	if err != nil {
		return Proposed{}, err
	}
	return in.propose(ctx, at.Repo, f, request{name, at.Branch, fmt.Sprintf("Hot-fix %s into %s", in.ID, at.Branch), body})
}

// Finish proposes what the release branch has and main lacks to main, so that the next
// release does not lose the fix.
func (in Fixing) Finish(ctx context.Context, at Running, f forge.Forge, body string) (Proposed, error) {
	return in.propose(ctx, at.Repo, f, request{at.Branch, at.Main, fmt.Sprintf("Carry the fixes of %s to %s", at.Branch, at.Main), body})
}

// request is a pull request to be.
type request struct{ head, base, title, body string }

// propose opens the pull request of a fix; a dry run only says which.
func (in Fixing) propose(ctx context.Context, r *repo.Repo, f forge.Forge, want request) (Proposed, error) {
	if in.DryRun {
		return want.brings(ctx, r)
	}
	return propose(ctx, r, f, want)
}

// brings is a pull request before it is opened; an error where it would bring nothing.
func (want request) brings(ctx context.Context, r *repo.Repo) (Proposed, error) {
	out := Proposed{Head: want.head, Base: want.base, Title: want.title, Body: want.body}
	head, err := r.Branch(want.head)
	if err != nil {
		return out, err
	}
	base, err := r.Branch(want.base)
	if err != nil {
		return out, err
	}
	if out.Commits, err = r.Missing(ctx, head, base, repo.SamePatch); err == nil && len(out.Commits) == 0 {
		err = fmt.Errorf("%s has nothing that %s does not have", want.head, want.base)
	}
	return out, err
}

// propose opens a pull request, if it would bring anything.
func propose(ctx context.Context, r *repo.Repo, f forge.Forge, want request) (Proposed, error) {
	out, err := want.brings(ctx, r)
	if err != nil {
		return out, err
	}
	if f == nil {
		out.Instead = fmt.Sprintf("merge %s into %s of %s", want.head, want.base, r.URL())
		return out, nil
	}
	out.Request, out.Outcome, err = forge.Propose(ctx, f, forge.Proposal{Head: want.head, Base: want.base, Title: want.title, Body: want.body})
	return out, err
}
