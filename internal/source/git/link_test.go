package git

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git/wire"
)

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// packOf makes the pack of a commit that is in the work tree alone.
func packOf(t *testing.T, u *upstream, commit string) func([]AdvertisedRef) (io.ReadSeekCloser, error) {
	return func([]AdvertisedRef) (io.ReadSeekCloser, error) {
		out := u.in(strings.NewReader(commit+"\n"), "pack-objects", "--revs", "--stdout", "-q")
		return nopCloser{bytes.NewReader([]byte(out))}, nil
	}
}

// Pushes over SSH: with a key, and with a key that only an agent has.
func TestPushOverSSH(t *testing.T) {
	key, pub := newEd25519(t, "")
	for name, cred := range map[string]Credential{
		"identity": {Identity: secret.Of(key)},
		"agent":    {Agent: newAgent(t, key)},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			first := u.commit(map[string]string{"f": "1"})
			u.git("checkout", "-q", "-b", "aside")
			next := u.commit(map[string]string{"f": "2"})
			srv := newSSHServer(t, u.root, sshOptions{keys: []ssh.PublicKey{pub}})
			cred.KnownHosts = srv.known()
			l, err := NewLink(srv.repo(), cred, Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			push := func(old, to string) error {
				p := Push{Updates: []Update{{Name: "refs/heads/main", New: hashOf(t, to)}, {Name: "refs/heads/new", New: hashOf(t, to)}}, Pack: packOf(t, u, next)}
				p.Updates[0].Old = hashOf(t, old)
				return l.Push(ctx, p)
			}
			if err := push(next, next); fault.ClassOf(err) != fault.Conflict {
				t.Errorf("got %v (%s), want a Conflict: main stands elsewhere", err, fault.ClassOf(err))
			}
			if got := u.git("branch", "--list", "new"); got != "" {
				t.Error("one of two refs was made though the other was refused")
			}
			if err := push(first, next); err != nil {
				t.Fatal(err)
			}
			if got := u.git("rev-parse", "main"); got != next {
				t.Errorf("main is %s, want %s", got, next)
			}
		})
	}
}

func newAgent(t *testing.T, key string) string {
	t.Helper()
	parsed, err := ssh.ParseRawPrivateKey([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: parsed}); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "a") // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, conn)
		}
	}()
	return l.Addr().String()
}

func hashOf(t *testing.T, s string) Hash {
	t.Helper()
	h, err := wire.ParseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
