package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/source/git"
)

// CheckConfig says which change is checked.
type CheckConfig struct {
	Previews PreviewConfig
	Dir      string
	// Base is the branch that the change goes into, Head the change: a branch, tag or
	// commit; empty is the directory as it is.
	Base, Head string
	// Environments are looked at though they follow another branch; empty are those
	// that follow Base.
	Environments []string
	Now          time.Time
}

// Check says whether a change may go in: for each environment of the branch that it
// goes into, by the rules of that branch. No forge is asked.
func Check(ctx context.Context, cfg CheckConfig) (check.Report, error) {
	f, err := OpenFlowRepo(cfg.Dir)
	if err != nil {
		return check.Report{}, err
	}
	defer f.Close()
	into, err := f.into(ctx, cfg)
	if err != nil {
		return check.Report{}, err
	}
	rules, err := check.RulesOf(into.Branch, into.Tree)
	if err != nil {
		return check.Report{}, err
	}
	environments, err := checked(rules.Flow, into.Branch, cfg.Environments)
	if err != nil {
		return check.Report{}, err
	}
	seal := rules.Seal()
	cfg.Previews.Saved, cfg.Previews.Options.Approvals.Seal = "", &seal
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return check.Report{}, err
	}
	defer previews.Close()
	base, head, err := f.change(ctx, previews, cfg, into)
	if err != nil {
		return check.Report{}, err
	}
	files, err := check.FilesOf(base.Tree, head.Tree)
	if err != nil {
		return check.Report{}, err
	}
	out := check.Report{Branch: into.Branch, Base: base.Commit, Head: head.Commit, Notes: files.Notes(into.Branch)}
	all := make([]check.Facts, len(environments))
	each(len(environments), func(i int) { all[i] = previews.facts(ctx, environments[i], changed{base, head, rules, cfg.Now}) })
	for i, e := range environments {
		if !check.Touches(rules.Flow, e, files, all[i]) {
			out.Untouched = append(out.Untouched, e.Name)
			continue
		}
		out.Environments = append(out.Environments, check.Judge(all[i], check.Case{
			Gates: check.Gates(rules.Flow, e.Name, files), Opening: rules.Flow.Opening(e.Name, cfg.Now), Problem: files.Problem,
		}))
	}
	return out.Sum(), nil
}

// into is the branch that a change goes into, where it stands.
func (f *FlowRepo) into(ctx context.Context, cfg CheckConfig) (Head, error) {
	name := cfg.Base
	if name == "" {
		history, err := git.OpenHistory(filepath.Dir(f.File))
		if err != nil {
			return Head{}, err
		}
		if name = branchIn(history.Upstream()); name == "HEAD" {
			name = f.Repo.DefaultBranch()
		}
		if name == "" {
			return Head{}, errors.New("which branch does the change go into? pass --base")
		}
	}
	for _, branch := range []string{name, branchIn("refs/remotes/" + name)} {
		if h, err := f.Head(ctx, branch); err == nil {
			return h, nil
		}
	}
	id, err := f.Repo.Resolve(name)
	if err != nil {
		return Head{}, fmt.Errorf("--base: %w", err)
	}
	if len(cfg.Environments) == 0 {
		return Head{}, fmt.Errorf("--base %s is no branch, so that nothing says which environments are meant: pass --environment", name)
	}
	h := Head{Branch: name}
	if h.Commit, err = f.Repo.Look(id); err != nil {
		return h, err
	}
	h.Tree, err = f.at(ctx, id)
	return h, err
}

// branchIn is the branch that a ref names: refs/remotes/origin/main and refs/heads/main
// are main.
func branchIn(ref string) string {
	if rest, ok := strings.CutPrefix(ref, "refs/remotes/"); ok {
		_, branch, _ := strings.Cut(rest, "/")
		return branch
	}
	return strings.TrimPrefix(ref, "refs/heads/")
}

// change are both sides of a change: where it left the branch, and what it is now.
func (f *FlowRepo) change(ctx context.Context, p *Previews, cfg CheckConfig, into Head) (base, head Revision, err error) {
	name := cfg.Head
	if name == "" {
		name = "HEAD"
	}
	id, err := f.Repo.Resolve(name)
	if err != nil {
		return base, head, fmt.Errorf("--head: %w", err)
	}
	left, err := f.Repo.MergeBase(ctx, into.Commit.ID, id)
	if err != nil {
		return base, head, fmt.Errorf("find where the change left %s: %w", into.Branch, err)
	}
	of := Revisions{Dir: filepath.Dir(f.File), Base: left.String()}
	if cfg.Head != "" {
		of.Head = id.String()
	}
	base, head, err = of.Read(ctx, p.pool)
	head.Name, base.Branch, head.Branch = name, into.Branch, into.Branch
	base.Name = into.Branch
	return base, head, err
}

// checked are the environments that a change is checked for.
func checked(declared flow.Flow, branch string, named []string) ([]flow.Environment, error) {
	var out []flow.Environment
	for _, e := range declared.Environments {
		if slices.Contains(named, e.Name) || len(named) == 0 && e.Branch == branch {
			out = append(out, e)
		}
	}
	for _, name := range named {
		if _, known := declared.Environment(name); !known {
			return nil, fmt.Errorf("%s has no environment %s; it has %s", flow.FileName, name, strings.Join(declared.Names(), ", "))
		}
	}
	return out, nil
}
