package gitserver_test

import (
	"os/exec"
	"testing"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/leat-dev/leat/bench/fleet"
	"github.com/leat-dev/leat/bench/gitserver"
)

// TestIncrementalFetch clones, commits one line, and fetches with haves: only
// the objects of that commit may come.
func TestIncrementalFetch(t *testing.T) {
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			f := fleet.New(fleet.Options{Apps: 20})
			repo, err := fleet.CreateRepository(t.TempDir(), f)
			if err != nil {
				t.Fatal(err)
			}
			s, err := gitserver.Start(backend(repo.Dir))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			local := memory.NewStorage()
			clone, err := git.Clone(local, nil, &git.CloneOptions{URL: s.URL(), NoCheckout: true})
			if err != nil {
				t.Fatal(err)
			}
			whole, sent := len(local.Objects), s.Usage().Bytes
			want, err := repo.Commit(f.SetMessage(7, "2"))
			if err != nil {
				t.Fatal(err)
			}
			if err := clone.Fetch(&git.FetchOptions{}); err != nil {
				t.Fatal(err)
			}
			ref, err := clone.Reference("refs/remotes/origin/main", true)
			if err != nil {
				t.Fatal(err)
			}
			if got := "main@sha1:" + ref.Hash().String(); got != want {
				t.Errorf("fetched %s, want %s", got, want)
			}
			// commit, root, apps, apps/app-0007, deployment.yaml
			if got := len(local.Objects) - whole; got != 5 {
				t.Errorf("the fetch brought %d new objects, want 5", got)
			}
			if got := s.Usage().Bytes - sent; got > sent/4 {
				t.Errorf("the fetch took %d bytes where the clone took %d", got, sent)
			}
			if u := s.Usage(); u.Refs != 2 || u.Packs != 2 {
				t.Errorf("counted %+v, want two of each", u)
			}
		})
	}
}

// TestGitBinaryShallow is what an engine that clones with a depth needs.
func TestGitBinaryShallow(t *testing.T) {
	exe, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git binary")
	}
	f := fleet.New(fleet.Options{Apps: 3})
	repo, err := fleet.CreateRepository(t.TempDir(), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit(f.SetMessage(1, "2")); err != nil {
		t.Fatal(err)
	}
	s, err := gitserver.Start(gitserver.Binary{Exe: exe, Dir: repo.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for version, want := range map[string]gitserver.Usage{
		"0": {Refs: 1, Packs: 1},
		"2": {Refs: 2, Packs: 1}, // what the server can do, the refs, the objects
	} {
		before := s.Usage()
		out, err := exec.Command(exe, "-c", "protocol.version="+version, "clone", "--depth=1", s.URL(), t.TempDir()).CombinedOutput()
		if err != nil {
			t.Errorf("protocol %s: %v\n%s", version, err, out)
		}
		if got := s.Usage().Sub(before); got.Refs != want.Refs || got.Packs < want.Packs || got.Packs > want.Packs+1 {
			t.Errorf("protocol %s: counted %+v, want about %+v", version, got, want)
		}
	}
	if _, err := git.Clone(memory.NewStorage(), nil, &git.CloneOptions{URL: s.URL(), Depth: 1}); err != nil {
		t.Errorf("go-git: %v", err)
	}
	if s.Usage().CPU == 0 {
		t.Error("no CPU time of the git binary was counted")
	}
}

func backends(t *testing.T) map[string]func(dir string) gitserver.Backend {
	all := map[string]func(string) gitserver.Backend{
		"go-git": func(dir string) gitserver.Backend { return gitserver.GoGit{Dir: dir} },
	}
	if exe, err := exec.LookPath("git"); err == nil {
		all["git"] = func(dir string) gitserver.Backend { return gitserver.Binary{Exe: exe, Dir: dir} }
	} else {
		t.Log("no git binary: only go-git is tested")
	}
	return all
}
