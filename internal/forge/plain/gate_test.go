package plain

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/gate"
)

// judged is what package gate makes of the reviews of a pull request, where the digest
// of what is rendered is that of each commit.
func judged(t *testing.T, f *Forge, number int, digests map[string]gate.Digest) gate.Verdict {
	t.Helper()
	pr, err := f.Pull(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.Reviews(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	var reviews []gate.Review
	for _, r := range list {
		state := gate.ReviewState(r.Verdict)
		if r.Dismissed {
			state = gate.Dismissed
		}
		if !r.Signed {
			t.Errorf("%+v is not signed", r)
		}
		reviews = append(reviews, gate.Review{User: r.Reviewer.Login, State: state, At: r.Submitted, Digest: digests[r.Commit]})
	}
	rule := gate.Rule{Count: 1, Users: []string{forgetest.Leat, forgetest.Alice, forgetest.Bob}}
	return gate.Approvals(rule, gate.Change{Environment: "production", Author: pr.Author.Login, Digest: digests[pr.Head.Commit]}, reviews, gate.People{})
}

// Signed notes count by the rules of package gate: for what was rendered at the commit
// that they are notes of, and not of whoever signs besides.
func TestGate(t *testing.T) {
	s, ctx := newStage(t), context.Background()
	first := s.Push(t, forgetest.Leat, "change", "a.yaml")
	f := s.as(t, forgetest.Leat)
	pr, err := f.Create(ctx, forge.Draft{Head: "change", Base: forgetest.Main, Title: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Review(t, forgetest.Mallory, pr.Number, forge.Approved); err != nil {
		t.Fatal(err)
	}
	digests := map[string]gate.Digest{first: "sha256:one"}
	if v := judged(t, f, pr.Number, digests); v.Granted || len(v.Refused) != 1 || v.Refused[0].User != forgetest.Mallory {
		t.Errorf("a signer who is not designated: got %+v", v)
	}
	if err := s.Review(t, forgetest.Bob, pr.Number, forge.Approved); err != nil {
		t.Fatal(err)
	}
	if v := judged(t, f, pr.Number, digests); !v.Granted || !slices.Equal(v.By, []string{forgetest.Bob}) {
		t.Errorf("a designated person: got %+v", v)
	}
	second := s.Push(t, forgetest.Leat, "change", "README.md")
	digests[second] = "sha256:one"
	if v := judged(t, f, pr.Number, digests); !v.Granted {
		t.Errorf("what is rendered is the same: got %+v", v)
	}
	digests[second] = "sha256:two"
	if v := judged(t, f, pr.Number, digests); v.Granted || v.Missing != 1 {
		t.Errorf("what is rendered has changed: got %+v", v)
	}
	s.byHand(t, forgetest.Alice, second, `{"kind":"review","pull":1,"by":"alice","at":"2023-11-15T00:00:00Z","head":"change","base":"main","commit":"`+second+`","verdict":"approved"}`)
	if v := judged(t, f, pr.Number, digests); !v.Granted || !slices.Equal(v.By, []string{forgetest.Alice}) {
		t.Errorf("signed by ssh-keygen and written by git notes: got %+v", v)
	}
	if err := s.Review(t, forgetest.Bob, pr.Number, forge.Rejected); err != nil {
		t.Fatal(err)
	}
	if v := judged(t, f, pr.Number, digests); v.Granted || !slices.Equal(v.Against, []string{forgetest.Bob}) {
		t.Errorf("somebody asks for changes: got %+v", v)
	}
}

// byHand writes a note with the programs of the system alone.
func (s *stage) byHand(t *testing.T, who, commit, record string) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen on this machine")
	}
	dir := t.TempDir()
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, who)
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(seed), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"key": pem.EncodeToMemory(block), "record": []byte(record + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	run("ssh-keygen", "-q", "-Y", "sign", "-n", Namespace, "-f", "key", "record")
	run("sh", "-c", "cat record record.sig > note")
	s.up.InBare("notes", "--ref", "leat-approvals", "append", "-F", filepath.Join(dir, "note"), commit)
}
