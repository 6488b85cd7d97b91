package carry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

// RollbackBranch is what the branch of a rollback begins with.
const RollbackBranch = "rollback/"

// rolledBack is the trailer by which promotions and releases know that changes were
// taken back on purpose.
const rolledBack = "Rolled-Back: "

// broughtBack is the trailer of a commit that undoes a rollback.
const broughtBack = "Brought-Back: "

// Rolling is a rollback of an environment to what it was.
type Rolling struct {
	Fleet       Onto
	Environment flow.Environment
	// To is the commit whose files the environment gets back; zero is the state before
	// the last change of its branch that touched it.
	To repo.Hash
	// DryRun pushes nothing.
	DryRun bool
}

// Rolled is what a rollback does.
type Rolled struct {
	From, To repo.Hash
	Commit   repo.Hash     // on the new branch
	Undone   []repo.Commit // the newest first
	Proposed
}

// Rollback makes the files of an environment what they were, in a commit on top of its
// branch, and proposes it: history goes on, so that whoever promoted, approved or
// automated the changes sees that they were taken back. Files beside the environment's
// directory stay, and so does leat.yaml.
func Rollback(ctx context.Context, in Rolling, f forge.Forge, body func(Rolled) string) (Rolled, error) {
	var out Rolled
	r, e := in.Fleet.Repo, in.Environment
	head, err := r.Branch(e.Branch)
	if err != nil {
		return out, fmt.Errorf("environment %s: %w", e.Name, err)
	}
	out.From = head
	if out.To, err = in.target(ctx, head); err != nil {
		return out, err
	}
	if out.Undone, err = r.Log(ctx, repo.Range{From: head, Not: []repo.Hash{out.To}, Paths: paths(in.directory()), Files: true}); err != nil {
		return out, err
	}
	out.Undone = slices.DeleteFunc(out.Undone, in.onlyDeclares)
	if len(out.Undone) == 0 {
		return out, fmt.Errorf("%s has not changed since %s", e.Name, out.To.String()[:10])
	}
	kept, err := in.kept(ctx, out.To, head)
	if err != nil {
		return out, err
	}
	out.Commit, err = r.Commit(ctx, repo.Draft{
		Parents: []repo.Hash{head}, Author: in.Fleet.Author, Message: rollbackMessage(e.Name, out), Dir: in.directory(), As: out.To, Changes: kept,
	})
	if errors.Is(err, repo.ErrNoChange) {
		return out, fmt.Errorf("%s is what it was at %s already", e.Name, out.To.String()[:10])
	}
	if err != nil {
		return out, err
	}
	name := RollbackBranch + e.Name + "-" + out.To.String()[:10]
	if out.Commit, err = in.Fleet.made(name, out.Commit); err != nil {
		return out, err
	}
	out.Proposed = Proposed{Head: name, Base: e.Branch, Commits: out.Undone}
	if in.DryRun {
		return out, nil
	}
	if err := in.Fleet.push(ctx, name, out.Commit, head); err != nil {
		return out, err
	}
	proposed, err := propose(ctx, r, f, request{name, e.Branch, fmt.Sprintf("Roll %s back to %s", e.Name, out.To.String()[:10]), body(out)})
	if err == nil {
		out.Proposed = proposed
	}
	return out, err
}

// target is the commit to go back to.
func (in Rolling) target(ctx context.Context, head repo.Hash) (repo.Hash, error) {
	if (in.To != repo.Hash{}) {
		known, err := in.Fleet.Repo.Contains(head, in.To)
		if err == nil && !known {
			err = fmt.Errorf("%s was never on %s", in.To.String()[:10], in.Environment.Branch)
		}
		return in.To, err
	}
	log, err := in.Fleet.Repo.Log(ctx, repo.Range{From: head, Paths: paths(in.directory()), Limit: maxOfFlow, Files: true})
	if err != nil {
		return repo.Hash{}, err
	}
	at := slices.IndexFunc(log, func(c repo.Commit) bool { return !in.onlyDeclares(c) })
	if at < 0 || len(log[at].Parents) == 0 {
		return repo.Hash{}, fmt.Errorf("%s has no state before its present one", in.Environment.Name)
	}
	return log[at].Parents[0], nil
}

// onlyDeclares tells whether a commit changes leat.yaml alone, which stays as it is.
func (in Rolling) onlyDeclares(c repo.Commit) bool {
	return slices.Equal(c.Files, []string{path.Join(in.Fleet.Dir, flow.FileName)})
}

// maxOfFlow is how many commits that change leat.yaml alone, which stays, are passed over.
const maxOfFlow = 50

// kept are the files that stay as they are: leat.yaml, which is no environment's. An
// environment that was not there then cannot become what it was.
func (in Rolling) kept(ctx context.Context, then, head repo.Hash) (map[string]*tree.Blob, error) {
	if _, err := in.Fleet.Repo.Tree(ctx, then, in.directory()); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s was not there at %s: there is no %s", in.Environment.Name, then.String()[:10], in.directory())
	} else if err != nil {
		return nil, err
	}
	if in.Environment.Directory != "" {
		return nil, nil
	}
	now, err := in.Fleet.Repo.Tree(ctx, head, in.Fleet.Dir)
	if err != nil {
		return nil, err
	}
	if kept := now.Lookup(flow.FileName); kept.Kind == tree.File {
		return in.Fleet.below(map[string]*tree.Blob{flow.FileName: kept.Blob}), nil
	}
	return nil, nil
}

// directory is that of the environment in the repository; empty is the root.
func (in Rolling) directory() string { return in.Fleet.directory(in.Environment) }

// directory is that of an environment in the repository; empty is the root.
func (o Onto) directory(e flow.Environment) string {
	if dir := path.Join(o.Dir, e.Directory); dir != "." {
		return dir
	}
	return ""
}

func paths(dir string) []string {
	if dir == "" {
		return nil
	}
	return []string{dir}
}

func rollbackMessage(environment string, r Rolled) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Roll %s back to %s\n\nThis takes back:\n", environment, r.To.String()[:10])
	for _, c := range r.Undone {
		fmt.Fprintf(&b, "  %s %s\n", c.ID.String()[:10], c.Subject())
	}
	fmt.Fprintf(&b, "\n%s%s@%s\n", rolledBack, environment, r.To)
	return b.String()
}
