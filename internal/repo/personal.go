package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
)

// address makes a URL, or a path, of what a person may give to git clone.
func address(raw string) string {
	if path, ok := strings.CutPrefix(raw, "file://"); ok {
		return path
	}
	if u, ok := mirror.FromSCP(raw); ok {
		return u
	}
	return raw
}

func withoutUser(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return raw
	}
	u.User = nil
	return u.String()
}

// linkTo connects with what is given, or with what the person has.
func linkTo(ctx context.Context, raw string, o Options) (*git.Link, error) {
	if !strings.Contains(raw, "://") {
		return git.LocalLink(raw, o.Git)
	}
	if o.Credential != nil {
		return git.NewLink(raw, *o.Credential, o.Git)
	}
	c, err := Personal(ctx, raw)
	if err != nil {
		return nil, err
	}
	return git.NewLink(raw, c, o.Git)
}

// helperTime bounds how long a credential helper may take; it must not ask.
const helperTime = 20 * time.Second

// Personal returns the credential that a person at this machine has for an
// address. Over SSH: the agent, or a key in ~/.ssh that needs no password, with
// ~/.ssh/known_hosts. Over HTTP: what git's own credential helpers say
// (gitcredentials(7)), where a git program is; nothing is asked on a terminal.
func Personal(ctx context.Context, raw string) (git.Credential, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return git.Credential{}, fmt.Errorf("the address of the remote cannot be read")
	}
	if u.Scheme == "ssh" {
		return personalSSH()
	}
	if _, has := u.User.Password(); has {
		return git.Credential{}, nil // NewLink takes it from the address
	}
	return fromHelper(ctx, u), nil
}

func personalSSH() (git.Credential, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return git.Credential{}, fmt.Errorf("look for SSH keys: %w", err)
	}
	c := git.Credential{Agent: os.Getenv("SSH_AUTH_SOCK")}
	for _, file := range []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"} {
		if b, err := os.ReadFile(file); err == nil {
			c.KnownHosts += string(b) + "\n"
		}
	}
	if c.Agent != "" {
		return c, nil
	}
	for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
		if b, err := os.ReadFile(filepath.Join(home, ".ssh", name)); err == nil {
			c.Identity = secret.OfBytes(b)
			return c, nil
		}
	}
	return c, &fault.Error{Class: fault.Auth, Err: errors.New("there is no SSH agent (SSH_AUTH_SOCK) and no key in ~/.ssh: start ssh-agent, or use an https address")}
}

// fromHelper asks git's credential helpers; without an answer there is none.
func fromHelper(ctx context.Context, u *url.URL) git.Credential {
	program, err := exec.LookPath("git")
	if err != nil {
		return git.Credential{}
	}
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "credential", "fill")
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=")
	ask := fmt.Sprintf("protocol=%s\nhost=%s\npath=%s\n", u.Scheme, u.Host, strings.TrimPrefix(u.Path, "/"))
	if name := u.User.Username(); name != "" {
		ask += "username=" + name + "\n"
	}
	cmd.Stdin = strings.NewReader(ask + "\n")
	out, err := cmd.Output()
	if err != nil {
		return git.Credential{}
	}
	var c git.Credential
	for line := range bytes.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), "=")
		switch key {
		case "username":
			c.Username = value
		case "password":
			c.Password = secret.Of(value)
		}
	}
	return c
}
