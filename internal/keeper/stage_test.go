package keeper

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/plain"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

const rules = `apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: staging, branch: main, directory: staging}
  - {name: production, branch: main, directory: production}
  - {name: elsewhere, branch: other, directory: production}
groups: {platform: [bob, carol]}
gates:
  - {environments: [production], approvals: {count: 2, users: [alice], groups: [platform]}}
  - {environments: [elsewhere], approvals: {count: 1, users: [dave]}}
`

// stage is a repository served over HTTP with its records in notes, people with keys,
// and a gate. What is rendered of an environment is the files of its directory that are
// no comment.
type stage struct {
	*testing.T
	up      *repotest.Upstream
	url     string
	signers []gate.Signer
	keys    map[string]ssh.Signer
	gate    *Keeper
	renders int

	mu  sync.Mutex
	now time.Time
}

const leat = "leat"

// slow keeps a test out of the quick suite: each step is a push and a fetch.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not in the quick suite; go test without -short runs it")
	}
}

func newStage(t *testing.T) *stage {
	s := &stage{T: t, up: repotest.New(t), keys: map[string]ssh.Signer{}, now: time.Unix(1_800_000_000, 0)}
	for _, who := range []string{leat, "alice", "bob", "carol", "dave", "mallory", "ann"} {
		seed := make([]byte, ed25519.SeedSize)
		copy(seed, who)
		key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
		s.must(err)
		s.keys[who] = key
		s.signers = append(s.signers, gate.Signer{Person: who, Key: key.PublicKey()})
	}
	files := map[string]string{"leat.yaml": rules, "staging/a": "1\n", "production/a": "1\n", "README": "fleet\n"}
	s.up.Commit("main", files)
	s.up.Commit("other", files)
	s.url = repotest.Serve(t, s.up)
	s.gate = New(Config{
		Forge: s.as(leat), Repo: s.clone(s.url), Now: s.tick, Log: slog.New(slog.DiscardHandler), Tool: "leat", Render: s.render,
	})
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// tick is the clock: no two things happen at once.
func (s *stage) tick() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(time.Second)
	return s.now
}

// clone is a copy: the gate's comes over HTTP, people's from the disk.
func (s *stage) clone(url string) *repo.Repo {
	s.Helper()
	r, err := repo.Clone(context.Background(), url, repo.Options{Dir: s.TempDir(), Credential: &git.Credential{}})
	s.must(err)
	s.Cleanup(func() { r.Close() })
	return r
}

func (s *stage) as(who string) *plain.Forge {
	s.Helper()
	f, err := plain.New(plain.Config{Repo: s.clone(s.up.Bare), Signers: s.signers, Key: s.keys[who], Now: s.tick})
	s.must(err)
	return f
}

// render renders a directory: every line that begins with # is a comment. A file named
// broken cannot be built.
func (s *stage) render(ctx context.Context, r Rendering) (check.Facts, error) {
	s.mu.Lock()
	s.renders++
	s.mu.Unlock()
	out := check.Facts{Environment: r.Environment}
	for i, at := range []repo.Hash{r.Base, r.Head} {
		all, err := s.gate.Repo.Tree(ctx, at, "")
		if err != nil {
			return out, err
		}
		dir := strings.Replace(r.Environment, "elsewhere", "production", 1)
		var lines []string
		if sub, err := all.Sub(dir); err == nil {
			s.must(sub.Walk(func(file string, _ *tree.Blob) error {
				data, err := sub.ReadFile(file)
				for line := range strings.Lines(string(data)) {
					if !strings.HasPrefix(line, "#") {
						lines = append(lines, file+": "+line)
					}
				}
				if file == "broken" && i == 1 {
					out.Plan.Clusters = []present.Cluster{{NeverReady: []present.Cause{{Unit: "Kustomization/x/a", State: "failed", Message: "broken"}}}}
				}
				return err
			}))
		}
		digest := gate.Digest("sha256:" + hash.Of([]byte(strings.Join(lines, ""))).Hex())
		if i == 0 {
			out.Before = digest
		} else {
			out.After = digest
		}
	}
	return out, nil
}

// push commits files onto a branch, from main where it is new; an empty text deletes.
func (s *stage) push(who, branch string, files map[string]string) {
	s.Helper()
	r, ctx := s.clone(s.up.Bare), context.Background()
	old, err := r.Branch(branch)
	parent := old
	if err != nil {
		parent, err = r.Branch("main")
		s.must(err)
	}
	changes := map[string]*tree.Blob{}
	for name, text := range files {
		if changes[name] = nil; text != "" {
			changes[name] = tree.BlobOf([]byte(text))
		}
	}
	id, err := r.Commit(ctx, repo.Draft{Parents: []repo.Hash{parent}, Message: "change", Author: repo.Person{Name: who, Email: who, When: s.tick()}, Changes: changes})
	s.must(err)
	s.must(r.Push(ctx, repo.Update{Branch: branch, Old: old, New: id}))
}

// opens opens a pull request.
func (s *stage) opens(who, branch string) int {
	s.Helper()
	pr, err := s.as(who).Create(context.Background(), forge.Draft{Head: branch, Base: "main", Title: branch})
	s.must(err)
	return pr.Number
}

func (s *stage) reviews(who string, number int, v forge.Verdict) {
	s.Helper()
	s.must(s.as(who).Review(context.Background(), number, v))
}

// judged judges a pull request and wants its environments to stand so.
func (s *stage) judged(number int, want ...string) Outcome {
	s.Helper()
	out, err := s.gate.Judge(context.Background(), number)
	s.must(err)
	var got []string
	for _, e := range out.Report.Environments {
		got = append(got, fmt.Sprintf("%s %s: %s", e.Name, e.State, e.Line))
	}
	if !slices.Equal(got, want) {
		s.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return out
}

// told is what stands at the forge: the gate's own statuses, and its comment.
func (s *stage) told(number int) (statuses map[string]forge.Status, comment string) {
	s.Helper()
	f, ctx := s.as(leat), context.Background()
	pr, err := f.Pull(ctx, number)
	s.must(err)
	all, err := f.Statuses(ctx, pr.Head.Commit)
	s.must(err)
	statuses = map[string]forge.Status{}
	for _, one := range forge.SetBy(all, forge.User{ID: leat}) {
		statuses[one.Context] = one
	}
	comments, err := f.Comments(ctx, number)
	s.must(err)
	for _, c := range comments {
		if c.Author.ID == leat {
			comment += c.Body
		}
	}
	return statuses, comment
}
