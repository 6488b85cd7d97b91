// Package keepertest drives a gate over a forge: what it sets, says and reads there is
// held to the same cases at every service.
//
//	keepertest.Gate(t, stage) // a stage of package forgetest whose World can be mirrored
package keepertest

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/keeper"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

// Stage is a strict server whose commits can be those of a real repository.
type Stage interface {
	forgetest.Stage
	// Mirror takes main, and asks commit for the commit of every push.
	Mirror(main string, commit func(branch, file string) string)
}

const rules = `apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: staging, branch: main, directory: staging}
  - {name: production, branch: main, directory: production}
gates:
  - {environments: [production], approvals: {count: 1, users: [bob]}}
`

// stage is a forge's with the repository and the gate.
type stage struct {
	*testing.T
	Stage
	gate   *keeper.Keeper
	number int
	writes atomic.Int32 // of the gate
}

// Gate runs leat gate --once over a change as people approve it, push to it and take
// their word back: a status for every environment, one comment that is edited in place,
// and approvals that count for what was looked at alone.
func Gate(t *testing.T, on Stage) {
	s := newStage(t, on)
	s.passes(forge.Pending, "waits for 1 approval of bob")
	said := s.comments()
	if len(said) != 1 || !strings.Contains(said[0].Body, "waits for 1 approval") {
		t.Fatalf("got the comments %+v, want one that says what it waits for", said)
	}

	s.approves(forgetest.Mallory)
	s.passes(forge.Pending, "waits for 1 approval of bob")
	s.approves(forgetest.Bob)
	s.passes(forge.Success, "approved by bob")
	again := s.comments()
	if len(again) != 1 || again[0].ID != said[0].ID || !strings.Contains(again[0].Body, "approved by bob") {
		t.Errorf("got the comments %+v, want the one edited in place", again)
	}

	// Bob saw another commit; what is rendered of it is the same, then it is not.
	s.Push(t, forgetest.Alice, "change", "README")
	s.passes(forge.Success, "approved by bob")
	s.Push(t, forgetest.Alice, "change", "production/more")
	s.passes(forge.Pending, "waits for 1 approval of bob")
	s.approves(forgetest.Bob)
	s.passes(forge.Success, "approved by bob")
	if err := s.Review(t, forgetest.Bob, s.number, forge.Rejected); err != nil {
		t.Fatal(err)
	}
	s.passes(forge.Failure, "bob asks for changes")
	if last := s.comments(); len(last) != 1 || last[0].ID != said[0].ID {
		t.Errorf("got the comments %+v, want the one edited in place", last)
	}
}

func newStage(t *testing.T, on Stage) *stage {
	up := repotest.New(t)
	main := up.Commit("main", map[string]string{"leat.yaml": rules, "staging/a": "1\n", "production/a": "1\n"})
	on.Mirror(main, func(branch, file string) string { return up.Commit(branch, map[string]string{file: "new\n"}) })
	copied, err := repo.Clone(t.Context(), up.Bare, repo.Options{Dir: t.TempDir(), Credential: &git.Credential{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { copied.Close() })
	s := &stage{T: t, Stage: on}
	s.gate = keeper.New(keeper.Config{
		Forge: on.Forge(t, forgetest.Leat, s.counted), Repo: copied, Render: s.render, Now: time.Now, Log: slog.New(slog.DiscardHandler), Tool: "leat",
	})
	on.Push(t, forgetest.Alice, "change", "production/new")
	pr, err := s.as(forgetest.Alice).Create(t.Context(), forge.Draft{Head: "change", Base: forgetest.Main, Title: "change"})
	if err != nil {
		t.Fatal(err)
	}
	s.number = pr.Number
	return s
}

// counted counts what the gate changes at the forge.
func (s *stage) counted(next http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodGet {
			s.writes.Add(1)
		}
		return next.RoundTrip(r)
	})
}

type trip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (s *stage) as(who string) forge.Forge {
	return s.Forge(s.T, who, func(rt http.RoundTripper) http.RoundTripper { return rt })
}

func (s *stage) approves(who string) {
	s.Helper()
	if err := s.Review(s.T, who, s.number, forge.Approved); err != nil {
		s.Fatal(err)
	}
}

// passes lets the gate look at all that is open, and wants production to stand so. The
// other environment is not touched. A second pass changes nothing, but for the statuses
// of services that do not tell who set one: those are set again.
func (s *stage) passes(want forge.CheckState, line string) {
	s.Helper()
	var told []keeper.Told
	if err := s.gate.Once(s.Context(), func(t keeper.Told) { told = append(told, t) }); err != nil {
		s.Fatal(err)
	}
	if len(told) != 1 || told[0].Number != s.number || forge.CheckState(told[0].State) != want {
		s.Fatalf("the gate told %+v, want %s of %d", told, want, s.number)
	}
	before, again := s.writes.Load(), int32(0)
	if !s.Can().Statuses {
		again = 2
	}
	if err := s.gate.Once(s.Context(), func(keeper.Told) {}); err != nil || s.writes.Load()-before != again {
		s.Errorf("a second pass changed %d things, want %d: %v", s.writes.Load()-before, again, err)
	}
	f := s.as(forgetest.Leat)
	pr, err := f.Pull(s.Context(), s.number)
	if err != nil {
		s.Fatal(err)
	}
	all, err := f.Statuses(s.Context(), pr.Head.Commit)
	if err != nil {
		s.Fatal(err)
	}
	for context, w := range map[string]forge.Status{
		"leat/production": {State: want, Description: line}, "leat/staging": {State: forge.Success, Description: "not touched"},
	} {
		i := slices.IndexFunc(all, func(have forge.Status) bool { return have.Context == context })
		if i < 0 || all[i].State != w.State || all[i].Description != "" && !strings.Contains(all[i].Description, w.Description) {
			s.Errorf("got the statuses %+v, want %s to be %s: %s", all, context, w.State, w.Description)
		}
	}
}

func (s *stage) comments() []forge.Comment {
	s.Helper()
	list, err := s.as(forgetest.Leat).Comments(s.Context(), s.number)
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// render is of the files of an environment's directory.
func (s *stage) render(ctx context.Context, r keeper.Rendering) (check.Facts, error) {
	out := check.Facts{Environment: r.Environment}
	for at, digest := range map[repo.Hash]*gate.Digest{r.Base: &out.Before, r.Head: &out.After} {
		all, err := s.gate.Repo.Tree(ctx, at, r.Environment)
		if err != nil {
			return out, err
		}
		var files []string
		if err := all.Walk(func(file string, _ *tree.Blob) error { files = append(files, file); return nil }); err != nil {
			return out, err
		}
		*digest = gate.Digest("sha256:" + hash.Of([]byte(strings.Join(files, "\n"))).Hex())
	}
	return out, nil
}
