package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/tree"
)

// EnvState is how an environment stands.
type EnvState struct {
	Name      string     `json:"name"`
	Branch    string     `json:"branch"`
	Directory string     `json:"directory,omitempty"`
	Follows   string     `json:"follows,omitempty"`
	Move      flow.Move  `json:"move,omitempty"`
	Head      *EnvHead   `json:"head,omitempty"` // nil where the branch is not there
	Waiting   *Waiting   `json:"waiting,omitempty"`
	Fixes     *EnvFixes  `json:"fixes,omitempty"` // nil where main has all of it
	Opening   EnvOpening `json:"opening"`
	Pulls     []EnvPull  `json:"pullRequests,omitempty"`
	Problem   string     `json:"problem,omitempty"`
}

// EnvHead is the last commit that changed an environment.
type EnvHead struct {
	Commit  string    `json:"commit"`
	Subject string    `json:"subject"`
	Author  string    `json:"author"`
	When    time.Time `json:"when"`
	Local   bool      `json:"local,omitempty"` // the remote does not have the branch
}

// Waiting is what waits in the environment before.
type Waiting struct {
	Commits int `json:"commits"` // there, that are not here
	Files   int `json:"files"`   // that would be promoted
	// Own counts the commits here that the environment before lacks, where branches
	// are merged and for what is no promotion; Drifted the files that were changed here alone.
	Own      int      `json:"own"`
	Drifted  int      `json:"drifted"`
	Subjects []string `json:"subjects,omitempty"` // of the newest commits
}

// EnvFixes are commits of an environment's branch that the main branch lacks.
type EnvFixes struct {
	Commits int       `json:"commits"`
	Main    string    `json:"main"`
	Since   time.Time `json:"since"` // when the oldest came
	Authors []string  `json:"authors"`
}

// EnvOpening tells whether changes may reach an environment now.
type EnvOpening struct {
	gate.Opened
}

// EnvPull is an open pull request into an environment's branch.
type EnvPull struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	URL    string `json:"url"`
}

// EnvsConfig says whose environments are looked at.
type EnvsConfig struct {
	Dir   string
	Names []string // of the environments that are looked at; none means all
	Now   time.Time
	Fetch bool // ask the forge for open pull requests
}

// Envs tells how each environment stands, each after the one that it follows.
func Envs(ctx context.Context, cfg EnvsConfig) ([]EnvState, error) {
	f, err := OpenFlow(cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	chosen, err := f.chosen(cfg.Names)
	if err != nil {
		return nil, err
	}
	var out []EnvState
	for _, e := range chosen {
		s := EnvState{Name: e.Name, Branch: e.Branch, Directory: e.Directory, Follows: e.Follows, Opening: EnvOpening{f.Flow.Opening(e.Name, cfg.Now)}}
		if e.Follows != "" {
			s.Move = e.Move
		}
		if err := f.fill(ctx, e, &s); err != nil {
			s.Problem = err.Error()
		}
		if cfg.Fetch && f.Flow.Forge != nil {
			if s.Pulls, err = f.pulls(ctx, e, cfg.Now); err != nil && s.Problem == "" {
				s.Problem = "pull requests: " + err.Error()
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// pulls are the open pull requests into an environment's branch, as the forge has them.
// Where environments share the branch, those that a verb opened for one of the others
// are theirs.
func (f *FlowRepo) pulls(ctx context.Context, e flow.Environment, now time.Time) ([]EnvPull, error) {
	of, err := f.readForge(ctx, now)
	if err != nil {
		return nil, err
	}
	open, err := of.List(ctx, forge.Query{State: forge.Open, Base: e.Branch})
	if err != nil {
		return nil, err
	}
	var out []EnvPull
	for _, p := range open {
		if other, known := f.Flow.Environment(carry.MeantFor(p.Head.Branch)); known && other.Name != e.Name {
			continue
		}
		out = append(out, EnvPull{p.Number, p.Title, p.URL})
	}
	return out, nil
}

// fill reads the head of an environment, and what waits before it.
func (f *FlowRepo) fill(ctx context.Context, e flow.Environment, s *EnvState) error {
	h, err := f.Head(ctx, e.Branch)
	if err != nil {
		return err
	}
	last, err := f.last(ctx, h, e)
	if err != nil {
		return err
	}
	if s.Fixes, err = f.fixes(ctx, h, e); err != nil {
		return err
	}
	s.Head = &EnvHead{Commit: last.ID.String(), Subject: last.Subject(), Author: last.Author.Name, When: last.Committer.When.UTC(), Local: h.Local}
	before, ok := f.Flow.Environment(e.Follows)
	if !ok {
		return nil
	}
	if f.Repo.Shallow() {
		return fmt.Errorf("what waits is not known: %w", errShallow)
	}
	way, err := f.Way(ctx, before, e)
	if err != nil {
		return err
	}
	w := Waiting{Commits: len(way.Commits), Own: way.Own}
	for _, d := range f.Flow.Differences(way.From, way.To, way.Base) {
		if d.Has(flow.Moves) {
			w.Files++
		}
		if d.Has(flow.Drifted) {
			w.Drifted++
		}
	}
	for _, c := range way.Commits[:min(len(way.Commits), maxSubjects)] {
		w.Subjects = append(w.Subjects, c.Subject())
	}
	s.Waiting = &w
	return nil
}

// fixes are what an environment that is a branch has and main lacks.
func (f *FlowRepo) fixes(ctx context.Context, h Head, e flow.Environment) (*EnvFixes, error) {
	main := f.Repo.DefaultBranch()
	if main == "" || main == e.Branch || e.Copied() {
		return nil, nil
	}
	found, err := carry.MissingFixes(ctx, f.Repo, h.Commit.ID, main)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	out := &EnvFixes{Commits: len(found), Main: main, Since: found[0].Since}
	for _, c := range found {
		if c.Since.Before(out.Since) {
			out.Since = c.Since
		}
		if !slices.Contains(out.Authors, c.Author.Name) {
			out.Authors = append(out.Authors, c.Author.Name)
		}
	}
	return out, nil
}

// maxSubjects is how many of the commits that wait are named; maxLog how many are
// looked at.
const (
	maxSubjects = 3
	maxLog      = 2000
)

// last is the last commit that changed an environment.
func (f *FlowRepo) last(ctx context.Context, h Head, e flow.Environment) (repo.Commit, error) {
	found, err := f.Repo.Log(ctx, repo.Range{From: h.Commit.ID, Paths: []string{f.in(e.Directory)}, Limit: 1})
	if err != nil || len(found) == 0 {
		return h.Commit, err
	}
	return found[0], nil
}

// Way is what lies between two environments.
type Way struct {
	From, To flow.Side
	// Base is the environment before when something last moved from it.
	Base    tree.Tree
	Commits []repo.Commit // of the one before that are not in the other, the newest first
	Own     int           // commits that only the other has, where branches are merged
	Heads   [2]Head
}

// Way reads what lies between two environments. Where branches are merged, what last
// moved is where they parted; where directories are copied, it is the state that the
// source had when the target was last changed.
func (f *FlowRepo) Way(ctx context.Context, from, to flow.Environment) (Way, error) {
	var w Way
	var err error
	for i, e := range []flow.Environment{from, to} {
		if w.Heads[i], err = f.Head(ctx, e.Branch); err != nil {
			return w, err
		}
	}
	w.From = flow.Side{Environment: from, Tree: sub(w.Heads[0].Tree, from.Directory)}
	w.To = flow.Side{Environment: to, Tree: sub(w.Heads[1].Tree, to.Directory)}
	if from.Directory == "" && to.Directory == "" {
		return w, f.parted(ctx, &w)
	}
	return w, f.copied(ctx, &w)
}

func (f *FlowRepo) parted(ctx context.Context, w *Way) error {
	a, b := w.Heads[0].Commit.ID, w.Heads[1].Commit.ID
	base, err := f.Repo.MergeBase(ctx, a, b)
	if err != nil {
		return fmt.Errorf("compare %s and %s: %w", w.Heads[0].Branch, w.Heads[1].Branch, err)
	}
	if w.Base, err = f.at(ctx, base); err != nil {
		return err
	}
	own, err := carry.Missing(ctx, f.Repo, b, a)
	if err != nil {
		return err
	}
	w.Own = len(own)
	w.Commits, err = f.Repo.Log(ctx, repo.Range{From: a, Not: []repo.Hash{b}, Limit: maxLog})
	return err
}

// copied finds for each file that differs the source's text at the time when the
// target's was last changed: on one branch the commit says when, on two the clock.
func (f *FlowRepo) copied(ctx context.Context, w *Way) error {
	source, target := f.in(w.From.Environment.Directory), f.in(w.To.Environment.Directory)
	theirs, err := f.Repo.Log(ctx, repo.Range{From: w.Heads[1].Commit.ID, Paths: []string{target}, Limit: maxLog, Files: true})
	if err != nil {
		return err
	}
	ours, err := f.Repo.Log(ctx, repo.Range{From: w.Heads[0].Commit.ID, Paths: []string{source, target}, Limit: maxLog, Files: true})
	if err != nil {
		return err
	}
	moved := map[string]repo.Commit{} // the last change of each file of the target
	for _, c := range theirs {
		for _, file := range c.Files {
			if name, ok := strings.CutPrefix(file, target+"/"); ok && moved[name].ID.IsZero() {
				moved[name] = c
			}
		}
	}
	h := hindsight{f: f, dir: w.From.Environment.Directory, same: w.Heads[0].Commit.ID == w.Heads[1].Commit.ID, ours: ours, trees: map[repo.Hash]tree.Tree{}}
	waiting := map[repo.Hash]bool{}
	for _, file := range tree.Changed(w.From.Tree, w.To.Tree) {
		at := len(ours)
		if c, ok := moved[file]; ok {
			at = h.at(c)
			if err := h.take(ctx, file, at, &w.Base); err != nil {
				return err
			}
		}
		for _, c := range ours[:at] {
			if slices.Contains(c.Files, source+"/"+file) {
				waiting[c.ID] = true
			}
		}
	}
	for _, c := range ours {
		if waiting[c.ID] {
			w.Commits = append(w.Commits, c)
		}
	}
	return nil
}

// hindsight reads a source as it was.
type hindsight struct {
	f     *FlowRepo
	dir   string
	same  bool          // both are on one branch
	ours  []repo.Commit // of the source's branch, the newest first
	trees map[repo.Hash]tree.Tree
}

// at is the index of the commit at which the source stood when a commit was made: beyond
// the last one where the source is younger than that.
func (h hindsight) at(c repo.Commit) int {
	at := slices.IndexFunc(h.ours, func(o repo.Commit) bool {
		return h.same && o.ID == c.ID || !h.same && !o.Committer.When.After(c.Committer.When)
	})
	switch {
	case at >= 0:
		return at
	case len(h.ours) == maxLog: // older than what was read
		return maxLog - 1
	}
	return len(h.ours)
}

// take puts a file of the source as it was into a tree.
func (h hindsight) take(ctx context.Context, file string, at int, into *tree.Tree) error {
	if at >= len(h.ours) {
		return nil
	}
	id := h.ours[at].ID
	t, ok := h.trees[id]
	if !ok {
		whole, err := h.f.at(ctx, id)
		if err != nil {
			return err
		}
		t = sub(whole, h.dir)
		h.trees[id] = t
	}
	data, err := t.ReadFile(file)
	if err != nil {
		return nil // it was not there
	}
	*into, err = into.With(file, tree.BlobOf(data))
	return err
}
