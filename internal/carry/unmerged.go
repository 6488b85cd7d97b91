package carry

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/repo"
)

// Unmerged is a branch that environments run and that has fixes which main lacks.
type Unmerged struct {
	Component    string   `json:"component,omitempty"` // empty is the fleet's own repository
	Branch       string   `json:"branch"`
	Main         string   `json:"main"`
	Environments []string `json:"environments"`
	Commits      []Fix    `json:"-"` // the newest first
	// Why says what could not be found out.
	Why string `json:"why,omitempty"`
}

// Fix is a commit that a branch has and main lacks.
type Fix struct {
	repo.Commit
	// Since is when it came into the branch: its own time, or that of the merge that
	// brought it.
	Since time.Time
}

// Overdue are the fixes that have been in the branch for longer than they may be without
// being in main.
func (u Unmerged) Overdue(now time.Time, after time.Duration) []Fix {
	var out []Fix
	for _, c := range u.Commits {
		if now.Sub(c.Since) > after {
			out = append(out, c)
		}
	}
	return out
}

// Oldest is when the first of the fixes came into the branch; zero where there is none.
func (u Unmerged) Oldest() time.Time {
	var out time.Time
	for _, c := range u.Commits {
		if out.IsZero() || c.Since.Before(out) {
			out = c.Since
		}
	}
	return out
}

// Status lists every fix that runs somewhere and that the next release would lose. What
// waits longest stands first, what could not be looked into last.
func (in Fixing) Status(ctx context.Context) ([]Unmerged, error) {
	var out []Unmerged
	seen := map[[2]string]int{}
	for _, e := range in.Flow.Environments {
		for _, component := range append([]string{""}, in.components()...) {
			if component == "" && e.Copied() {
				continue
			}
			in.Environment, in.Component = e.Name, component
			at, err := in.Find(ctx)
			if ctx.Err() != nil {
				return out, ctx.Err()
			}
			if at.Branch == "" || at.Branch == at.Main {
				continue // it does not run there, or it runs what main has
			}
			key := [2]string{component, at.Branch}
			if i, known := seen[key]; known {
				out[i].Environments = append(out[i].Environments, e.Name)
				continue
			}
			u := Unmerged{Component: component, Branch: at.Branch, Main: at.Main, Environments: []string{e.Name}}
			if err == nil {
				u.Commits, err = MissingFixes(ctx, at.Repo, at.Head, at.Main)
			}
			if err != nil {
				u.Why = err.Error()
			}
			if len(u.Commits) > 0 || u.Why != "" {
				seen[key] = len(out)
				out = append(out, u)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Unmerged) int { return byAge(a.Oldest(), b.Oldest()) })
	return out, nil
}

// byAge puts the oldest first, and what has no age last.
func byAge(a, b time.Time) int {
	switch {
	case a.IsZero() && !b.IsZero():
		return 1
	case b.IsZero() && !a.IsZero():
		return -1
	}
	return a.Compare(b)
}

// Missing are the commits of a head that a base lacks, by any name, the newest first:
// without merges, and without those that only a flow makes, promotions and rollbacks.
func Missing(ctx context.Context, r *repo.Repo, head, base repo.Hash) ([]repo.Commit, error) {
	out, err := r.Missing(ctx, head, base, repo.SamePatch)
	return slices.DeleteFunc(out, func(c repo.Commit) bool { return carried(c.Message) }), err
}

// MissingFixes are the commits that are Missing in a branch of a head's repository, and
// since when.
func MissingFixes(ctx context.Context, r *repo.Repo, head repo.Hash, main string) ([]Fix, error) {
	base, err := r.Branch(main)
	if err != nil {
		return nil, err
	}
	missing, err := Missing(ctx, r, head, base)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	since, err := arrivals(ctx, r, head, base)
	if err != nil {
		return nil, err
	}
	out := make([]Fix, len(missing))
	for i, c := range missing {
		out[i] = Fix{Commit: c, Since: since[c.ID]}
	}
	return out, nil
}

// arrivals says when each commit that a head has and a base lacks came into the branch:
// with the first of the commits that were made on the branch itself that holds it.
func arrivals(ctx context.Context, r *repo.Repo, head, base repo.Hash) (map[repo.Hash]time.Time, error) {
	log, err := r.Log(ctx, repo.Range{From: head, Not: []repo.Hash{base}})
	if err != nil {
		return nil, err
	}
	parents := make(map[repo.Hash][]repo.Hash, len(log))
	for _, c := range log {
		parents[c.ID] = c.Parents
	}
	out := make(map[repo.Hash]time.Time, len(log))
	for _, on := range slices.Backward(firstParents(head, log)) {
		for todo := []repo.Hash{on.ID}; len(todo) > 0; {
			id := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			_, has := parents[id]
			if _, known := out[id]; known || !has {
				continue
			}
			out[id] = on.Committer.When
			todo = append(todo, parents[id]...)
		}
	}
	return out, nil
}

// carried tells whether a commit was made by a verb that carries changes: it has no fix
// of its own.
func carried(message string) bool {
	for line := range strings.Lines(message) {
		for _, trailer := range []string{promotedWhole, promotedPart, rolledBack, broughtBack, retired} {
			if strings.HasPrefix(line, trailer) {
				return true
			}
		}
	}
	return false
}

// components are those that have a repository.
func (in Fixing) components() []string {
	var out []string
	for _, c := range in.Flow.Components {
		if c.Repository != "" {
			out = append(out, c.Name)
		}
	}
	return out
}
