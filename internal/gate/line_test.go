package gate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
)

// keyOf is the key of a person: the same in every run.
func keyOf(t *testing.T, person string) ssh.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte(person))
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signersOf(t *testing.T, persons ...string) []Signer {
	t.Helper()
	var text strings.Builder
	for _, person := range persons {
		text.WriteString(person + " " + string(ssh.MarshalAuthorizedKey(keyOf(t, person).PublicKey())))
	}
	out, err := Signers([]byte(text.String()), at(0))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	apps  = "flux-system_apps_kustomize.toolkit.fluxcd.io_Kustomization"
	infra = "flux-system_infra_kustomize.toolkit.fluxcd.io_Kustomization"
)

var (
	good  = Digest("sha256:" + strings.Repeat("ab", 32))
	other = Digest("sha256:" + strings.Repeat("cd", 32))
)

func signed(t *testing.T, person string, edit func(*Statement)) []byte {
	t.Helper()
	s := Statement{Environment: "production", Units: map[string]Digest{apps: good, infra: other}}
	if edit != nil {
		edit(&s)
	}
	out, err := Sign(s, keyOf(t, person))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A unit is held until as many designated people as are asked for signed exactly
// what it would become.
func TestLineHolds(t *testing.T) {
	line := Line{
		Environment: "production", Rule: Rule{Count: 2, Groups: []string{"platform"}},
		People:  People{Groups: map[string][]string{"platform": {"alice", "bob", "carol"}}, Same: map[string]string{"alice-laptop": "alice"}},
		Signers: signersOf(t, "alice", "bob", "mallory", "alice-laptop"),
	}
	bob := signed(t, "bob", nil)
	for name, c := range map[string]struct {
		signed [][]byte
		by     []string // nil passes
	}{
		"two people":                   {signed: [][]byte{signed(t, "alice", nil), bob}},
		"nobody":                       {by: []string{}},
		"one":                          {signed: [][]byte{bob}, by: []string{"bob"}},
		"one twice":                    {signed: [][]byte{bob, bob}, by: []string{"bob"}},
		"two keys of one person":       {signed: [][]byte{signed(t, "alice", nil), signed(t, "alice-laptop", nil)}, by: []string{"alice"}},
		"somebody else with a key":     {signed: [][]byte{bob, signed(t, "mallory", nil)}, by: []string{"bob"}},
		"a key that nobody knows":      {signed: [][]byte{bob, signed(t, "carol", nil)}, by: []string{"bob"}},
		"another environment":          {signed: [][]byte{bob, signed(t, "alice", func(s *Statement) { s.Environment = "playground" })}, by: []string{"bob"}},
		"another digest":               {signed: [][]byte{bob, signed(t, "alice", func(s *Statement) { s.Units[apps] = other })}, by: []string{"bob"}},
		"another unit":                 {signed: [][]byte{bob, signed(t, "alice", func(s *Statement) { delete(s.Units, apps) })}, by: []string{"bob"}},
		"ended":                        {signed: [][]byte{bob, signed(t, "alice", func(s *Statement) { s.Expires = at(5) })}, by: []string{"bob"}},
		"not ended":                    {signed: [][]byte{bob, signed(t, "alice", func(s *Statement) { s.Expires = at(6) })}},
		"a byte changed":               {signed: [][]byte{bob, bytes.Replace(signed(t, "alice", nil), []byte("sha256:ab"), []byte("sha256:aa"), 1)}, by: []string{"bob"}},
		"words before":                 {signed: [][]byte{bob, append([]byte("x\n"), signed(t, "alice", nil)...)}, by: []string{"bob"}},
		"the text without a signature": {signed: [][]byte{bob, Statement{Environment: "production", Units: map[string]Digest{apps: good}}.Text()}, by: []string{"bob"}},
		"rubbish beside it":            {signed: [][]byte{nil, []byte("x"), []byte("\n" + armour), signed(t, "alice", nil), bob}},
	} {
		t.Run(name, func(t *testing.T) {
			held := line.Holds(apps, good, c.signed, at(5))
			if (held == nil) != (c.by == nil) {
				t.Fatalf("held: %v", held)
			}
			if held == nil {
				return
			}
			if diff := cmp.Diff(c.by, append([]string{}, held.By...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestHeldSaysWhatToDo(t *testing.T) {
	held := &Held{Environment: "production", Digest: good, By: []string{"bob"}, Missing: 1, From: []string{"alice", "carol"}}
	want := string(good) + " in production waits for 1 more approval(s) of alice, carol: approved by bob; run leat approve production"
	if got := held.Error(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestStatementIsWhatItReads(t *testing.T) {
	s := Statement{Environment: "production", Units: map[string]Digest{apps: good, infra: other}, Expires: at(7)}
	got, err := ParseStatement(s.Text())
	if diff := cmp.Diff(s, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	for name, text := range map[string]string{
		"a line more":      string(s.Text()) + "note hello\n",
		"units not sorted": strings.Replace(strings.Replace(strings.Replace(string(s.Text()), apps, "x", 1), infra, apps, 1), "x", infra, 1),
		"a unit twice":     string(s.Text()) + "unit " + infra + " " + string(other) + "\n",
		"no head":          strings.TrimPrefix(string(s.Text()), statementHead+"\n"),
		"another digest":   strings.Replace(string(s.Text()), "\ndigest sha256:", "\ndigest sha256:0", 1),
		"spaces":           strings.Replace(string(s.Text()), "production", "production ", 1) + " ",
	} {
		if _, err := ParseStatement([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestSigners(t *testing.T) {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(keyOf(t, "alice").PublicKey())))
	for name, c := range map[string]struct {
		text string
		want int
		err  string
	}{
		"plain":             {text: "# who\n\nalice " + key, want: 1},
		"two names":         {text: "alice,alice@example.com " + key, want: 2},
		"for approvals":     {text: `alice namespaces="git,approval@leat.dev" ` + key, want: 1},
		"for other things":  {text: `alice namespaces="git" ` + key},
		"not yet":           {text: `alice valid-after="20261121" ` + key},
		"no more":           {text: `alice valid-before="202611201000Z" ` + key},
		"now":               {text: `alice valid-after="20261120",valid-before="20261121" ` + key, want: 1},
		"an authority":      {text: "alice cert-authority " + key, err: "signers, line 1: option cert-authority is not supported"},
		"no key":            {text: "\nalice", err: "signers, line 2: "},
		"a time of no kind": {text: `alice valid-after="tomorrow" ` + key, err: "signers, line 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Signers([]byte(c.text), at(0))
			if c.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || len(got) != c.want {
				t.Errorf("got %d, %v", len(got), err)
			}
		})
	}
}

// What ssh-keygen signs is taken, and it takes what Sign signs.
func TestSignaturesAreOpenSSHs(t *testing.T) {
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("there is no ssh-keygen on this machine")
	}
	dir := t.TempDir()
	run := func(stdin []byte, args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	file := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(nil, "-q", "-t", "ed25519", "-N", "", "-f", "id")
	write("signers", append([]byte("alice "), file("id.pub")...))
	signers, err := Signers(file("signers"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := Statement{Environment: "production", Units: map[string]Digest{apps: good}}
	write("text", s.Text())
	run(nil, "-q", "-Y", "sign", "-n", Namespace, "-f", "id", "text")
	if _, by, err := Read(append(s.Text(), file("text.sig")...), signers); err != nil || len(by) != 1 {
		t.Errorf("signed by %v, %v", by, err)
	}
	key, err := ssh.ParsePrivateKey(file("id"))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := Sign(s, key)
	if err != nil {
		t.Fatal(err)
	}
	write("ours.sig", ours[len(s.Text()):])
	run(s.Text(), "-Y", "verify", "-n", Namespace, "-f", "signers", "-I", "alice", "-s", "ours.sig")
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("leat.dev/approval/v1\nenvironment x\n" + armour))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, by, err := Read(b, nil); err == nil || by != nil {
			t.Errorf("taken: %q", b)
		}
	})
}
