package gitea

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

// pushes go to the real server: a commit that package repo made becomes a pull
// request, and what the server refuses has the right class.
func (s *stage) pushes(t *testing.T) {
	ctx := context.Background()
	as := func(user string, password secret.Value) (*repo.Repo, error) {
		r, err := repo.Clone(ctx, s.URL+"/team/fleet.git", repo.Options{Dir: t.TempDir(), Credential: &git.Credential{Username: user, Password: password}})
		if err == nil {
			t.Cleanup(func() { r.Close() })
		}
		return r, err
	}
	r, err := as(forgetest.Leat, s.tokens[forgetest.Leat])
	if err != nil {
		t.Fatal(err)
	}
	head, err := r.Branch(forgetest.Main)
	if err != nil {
		t.Fatal(err)
	}
	commit := func(parent repo.Hash, text string) repo.Hash {
		t.Helper()
		id, err := r.Commit(ctx, repo.Draft{Parents: []repo.Hash{parent}, Message: "promote", Author: repo.Person{Name: "Leat", Email: "leat@example.com", When: time.Unix(1_700_000_000, 0)},
			Changes: map[string]*tree.Blob{"pushed/a.yaml": tree.BlobOf([]byte(text))}})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	one := commit(head, "a: 1\n")
	if err := r.Push(ctx, repo.Update{Branch: "promote/pushed", New: one}, repo.Update{Branch: "promote/beside", New: one}); err != nil {
		t.Fatal(err)
	}
	f := s.Forge(t, forgetest.Leat, plain)
	pr, _, err := forge.Propose(ctx, f, forge.Proposal{Head: "promote/pushed", Base: forgetest.Main, Title: "pushed", Body: "the plan"})
	if err != nil || pr.Head.Commit != one.String() {
		t.Fatalf("got %s, %v; want %s", pr.Head.Commit, err, one)
	}
	if err := r.Push(ctx, repo.Update{Branch: "promote/pushed", New: commit(one, "a: 2\n")}); fault.ClassOf(err) != fault.Conflict {
		t.Errorf("it is there already: got %v (%s), want a Conflict", err, fault.ClassOf(err))
	}
	guarded, err := r.Branch(forgetest.Guarded)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Push(ctx, repo.Update{Branch: forgetest.Guarded, Old: guarded, New: commit(guarded, "a: 3\n")}); fault.ClassOf(err) != fault.Protected {
		t.Errorf("a protected branch: got %v (%s), want Protected", err, fault.ClassOf(err))
	}
	wrong := secret.Of("0123456789abcdef0123456789abcdef01234567")
	if _, err := as(forgetest.Leat, wrong); fault.ClassOf(err) != fault.Auth || strings.Contains(err.Error(), wrong.Reveal()) {
		t.Errorf("a wrong token: got %v (%s), want Auth", err, fault.ClassOf(err))
	}
}
