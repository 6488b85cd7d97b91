package plain

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

// stage is a bare repository and people with keys.
type stage struct {
	up      *repotest.Upstream
	signers []gate.Signer
	keys    map[string]ssh.Signer
	copies  string

	mu  sync.Mutex
	now time.Time
}

func keyOf(t *testing.T, who string) ssh.Signer {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, who)
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newStage(t *testing.T) *stage {
	s := &stage{up: repotest.New(t), keys: map[string]ssh.Signer{}, copies: t.TempDir(), now: time.Unix(1_700_000_000, 0)}
	for _, who := range []string{forgetest.Leat, forgetest.Alice, forgetest.Bob, forgetest.Mallory} {
		s.keys[who] = keyOf(t, who)
		s.signers = append(s.signers, gate.Signer{Person: who, Key: s.keys[who].PublicKey()})
	}
	s.up.Commit(forgetest.Main, map[string]string{"README.md": "fleet\n"})
	return s
}

// tick is the clock: no two records are made at once.
func (s *stage) tick() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(time.Second)
	return s.now
}

func (s *stage) as(t *testing.T, who string) *Forge {
	t.Helper()
	r, err := repo.Clone(context.Background(), s.up.Bare, repo.Options{Dir: t.TempDir(), Credential: &git.Credential{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	key := s.keys[who]
	if key == nil {
		key = keyOf(t, who)
	}
	f, err := New(Config{Repo: r, Signers: s.signers, Key: key, Now: s.tick})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Forge implements forgetest.Stage.
func (s *stage) Forge(t *testing.T, who string, _ func(http.RoundTripper) http.RoundTripper) forge.Forge {
	return s.as(t, who)
}

// Push implements forgetest.Stage.
func (s *stage) Push(t *testing.T, who, branch, file string) string {
	t.Helper()
	f, ctx := s.as(t, who), context.Background()
	old, err := f.c.Repo.Branch(branch)
	parent := old
	if err != nil {
		if parent, err = f.c.Repo.Branch(forgetest.Main); err != nil {
			t.Fatal(err)
		}
	}
	id, err := f.c.Repo.Commit(ctx, repo.Draft{Parents: []repo.Hash{parent}, Message: "change", Author: repo.Person{Name: who, Email: who, When: s.tick()}, Changes: map[string]*tree.Blob{file: tree.BlobOf([]byte(file + "\n"))}})
	if err == nil {
		err = f.c.Repo.Push(ctx, repo.Update{Branch: branch, Old: old, New: id})
	}
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// Review implements forgetest.Stage.
func (s *stage) Review(t *testing.T, who string, number int, v forge.Verdict) error {
	return s.as(t, who).Review(context.Background(), number, v)
}

// Dismiss implements forgetest.Stage.
func (s *stage) Dismiss(t *testing.T, number int, who string) {
	if err := s.as(t, forgetest.Alice).Dismiss(context.Background(), number, who); err != nil {
		t.Fatal(err)
	}
}

// Can implements forgetest.Stage.
func (s *stage) Can() forgetest.Abilities {
	return forgetest.Abilities{Dismissal: true, Statuses: true, Titles: true, Local: true}
}

func TestPlain(t *testing.T) { forgetest.Run(t, newStage(t)) }

// Whoever may push may write into the notes: what is not signed by the person in
// whose name it stands does not count, and a review counts for one pull request.
func TestForgedRecords(t *testing.T) {
	s, ctx := newStage(t), context.Background()
	head := s.Push(t, forgetest.Alice, "change", "a.yaml")
	f := s.as(t, forgetest.Leat)
	one, err := f.Create(ctx, forge.Draft{Head: "change", Base: forgetest.Main, Title: "one"})
	if err != nil {
		t.Fatal(err)
	}
	s.up.Commit("other", map[string]string{"o": "1\n"})
	two, err := f.Create(ctx, forge.Draft{Head: "change", Base: "other", Title: "two"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Review(t, forgetest.Bob, one.Number, forge.Approved); err != nil {
		t.Fatal(err)
	}
	if list, err := f.Reviews(ctx, two.Number); err != nil || len(list) != 0 {
		t.Errorf("an approval of %d counts for %d: %v, %v", one.Number, two.Number, list, err)
	}
	for name, forged := range map[string]func() []byte{
		"another's key": func() []byte {
			return sealed(t, record{Kind: reviewed, Pull: 1, By: forgetest.Bob, Head: "change", Base: forgetest.Main, Commit: head, Verdict: string(forge.Approved), At: s.tick()}, s.keys[forgetest.Mallory])
		},
		"a stranger": func() []byte {
			return sealed(t, record{Kind: reviewed, Pull: 1, By: "eve", Head: "change", Base: forgetest.Main, Commit: head, Verdict: string(forge.Approved), At: s.tick()}, keyOf(t, "eve"))
		},
		"changed": func() []byte {
			b := sealed(t, record{Kind: reviewed, Pull: 2, By: forgetest.Bob, Head: "change", Base: "other", Commit: head, Verdict: string(forge.Approved), At: s.tick()}, s.keys[forgetest.Bob])
			return bytes.Replace(b, []byte(`"pull":2`), []byte(`"pull":1`), 1)
		},
		"unsigned": func() []byte { return []byte(`{"kind":"review","pull":1,"by":"bob"}` + "\n") },
		"garbage":  func() []byte { return []byte(strings.Repeat("-----END SSH SIGNATURE-----\n", 10)) },
	} {
		if got := unseal(forged(), s.signers); len(got) != 0 {
			t.Errorf("%s: %+v counts", name, got)
		}
	}
	// A note put under another commit counts for neither.
	good := sealed(t, record{Kind: reviewed, Pull: one.Number, By: forgetest.Alice, Head: "change", Base: forgetest.Main, Commit: strings.Repeat("1", 40), Verdict: string(forge.Approved), At: s.tick()}, s.keys[forgetest.Alice])
	st, err := f.read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id, err := f.c.Repo.Commit(ctx, repo.Draft{Parents: []repo.Hash{st.tips[approvalsRef]}, Message: "forged", Author: repo.Person{Name: "m", Email: "m", When: s.tick()}, Changes: map[string]*tree.Blob{head: tree.BlobOf(good)}})
	if err == nil {
		err = f.c.Repo.Push(ctx, repo.Update{Ref: approvalsRef, Old: st.tips[approvalsRef], New: id})
	}
	if err != nil {
		t.Fatal(err)
	}
	if list, err := f.Reviews(ctx, one.Number); err != nil || len(list) != 0 {
		t.Errorf("a note under another commit counts: %v, %v", list, err)
	}
}

func sealed(t *testing.T, r record, key ssh.Signer) []byte {
	t.Helper()
	b, err := seal(r, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// git itself shows the notes.
func TestGitShowsNotes(t *testing.T) {
	s := newStage(t)
	head := s.Push(t, forgetest.Alice, "change", "a.yaml")
	pr, err := s.as(t, forgetest.Leat).Create(context.Background(), forge.Draft{Head: "change", Base: forgetest.Main, Title: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Review(t, forgetest.Bob, pr.Number, forge.Approved); err != nil {
		t.Fatal(err)
	}
	got := s.up.InBare("notes", "--ref", "leat-approvals", "show", head)
	for _, want := range []string{`"verdict":"approved"`, `"by":"bob"`, "BEGIN SSH SIGNATURE"} {
		if !strings.Contains(got, want) {
			t.Errorf("git notes show lacks %s:\n%s", want, got)
		}
	}
	s.up.InBare("fsck", "--strict", "--no-dangling")
}
