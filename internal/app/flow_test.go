package app

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/repo/repotest"
)

// Where the source stood when a file of the target was last changed, by the clock of two
// branches: what came later than that is a change of it, be it all of the source.
func TestHindsight(t *testing.T) {
	at := func(minute int) repo.Commit {
		return repo.Commit{ID: repo.Hash{byte(minute)}, Committer: repo.Person{When: time.Unix(0, 0).Add(time.Duration(minute) * time.Minute)}}
	}
	ours := []repo.Commit{at(30), at(20), at(10)}
	for minute, want := range map[int]int{40: 0, 30: 0, 25: 1, 10: 2, 5: 3} {
		if got := (hindsight{ours: ours}).at(at(minute)); got != want {
			t.Errorf("at minute %d it stood at %d, want %d", minute, got, want)
		}
	}
	if got := (hindsight{ours: ours, same: true}).at(at(20)); got != 1 {
		t.Errorf("on one branch it stood at %d", got)
	}
	if got := (hindsight{ours: make([]repo.Commit, maxLog), same: true}).at(at(5)); got != maxLog-1 {
		t.Errorf("before what was read it stood at %d", got)
	}
}

// A promotion is no change of the target's own: neither its merge, nor one that a forge
// squashed.
func TestOwnCommits(t *testing.T) {
	up := repotest.New(t)
	up.Commit("main", map[string]string{flow.FileName: "apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments:\n  - {name: dev, branch: main}\n  - {name: prod, branch: prod, follows: dev}\n"})
	up.Git("push", "-q", "origin", "HEAD:refs/heads/prod")
	up.Commit("main", map[string]string{"a": "2\n"})
	up.Git("fetch", "-q", "origin")
	up.Git("checkout", "-q", "-B", "prod", "origin/prod")
	up.Git("merge", "-q", "--no-ff", "-m", "Promote dev to prod\n\nPromoted-From: dev@0123 to prod", "origin/main")
	up.Git("commit", "-q", "--allow-empty", "-m", "Promote more\n\nPromoted-From: dev@0123 to prod")
	up.Git("push", "-q", "origin", "prod")
	for _, want := range []int{0, 1} {
		f, err := OpenFlow(up.Work)
		if err != nil {
			t.Fatal(err)
		}
		way, err := f.Way(t.Context(), f.Flow.Environments[0], f.Flow.Environments[1])
		if err != nil || way.Own != want {
			t.Errorf("got %d of its own, want %d: %v", way.Own, want, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		up.Commit("prod", map[string]string{"fix": "1\n"})
	}
}

// Where the branch that is checked out has no leat.yaml, as that of an environment
// whose hot-fix is being made, the default branch's counts.
func TestOpenFlowOnABranchWithout(t *testing.T) {
	const text = "apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments:\n  - {name: prod, branch: prod}\n"
	for at, from := range map[string]string{"": "core", "fleet": "fleet/core"} {
		up := repotest.New(t)
		up.Commit("main", map[string]string{"a": "1\n"})
		up.Commit("prod", map[string]string{filepath.Join(from, "b"): "1\n"})
		up.Git("checkout", "-q", "main")
		up.Commit("main", map[string]string{filepath.Join(at, flow.FileName): text})
		up.Git("remote", "set-head", "origin", "main")
		up.Git("checkout", "-q", "prod")
		f, err := OpenFlow(filepath.Join(up.Work, from))
		if err != nil {
			t.Errorf("%q: %v", at, err)
			continue
		}
		if got := f.Flow.Names(); len(got) != 1 || got[0] != "prod" || f.File != filepath.Join(up.Work, at, flow.FileName) || f.in("x") != filepath.ToSlash(filepath.Join(at, "x")) {
			t.Errorf("%q: got environments %v of %s, below %q", at, got, f.File, f.in(""))
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
