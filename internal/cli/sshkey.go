package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/term"

	"github.com/leat-dev/leat/internal/app"
)

// keyUsage is the help of --key where a pull request is opened.
const keyUsage = "with forge.kind: git, the SSH key that signs: a private key, or the public half of one that an agent holds (default: as ssh has it)"

// signing is how this person signs what plain Git keeps of a pull request.
func signing(key string, say io.Writer) app.Signing {
	return app.Signing{
		Key: func() (ssh.Signer, func(), error) {
			signer, done, err := signerOf(key)
			if err != nil && key == "" { // nobody asked for that one
				err = fmt.Errorf("%w: %w", app.ErrNoKey, err)
			}
			return signer, done, err
		},
		Without: func(why string) { fmt.Fprintf(say, "No pull request is opened: %s.\n", why) },
	}
}

// defaultKeys are tried in this order where no key is named, as ssh does.
var defaultKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// signerOf finds the key that a person signs with: a private key, or a public one
// whose private half an agent holds ($SSH_AUTH_SOCK). The returned function lets go of
// the agent.
func signerOf(file string) (key ssh.Signer, done func(), err error) {
	if file == "" {
		if file, err = defaultKey(); err != nil {
			return nil, nil, err
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("--key: %w", err)
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		return agentSigner(file, public)
	}
	key, err = ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		key, err = unlocked(file, data)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--key %s: %w", file, err)
	}
	return key, func() {}, nil
}

func defaultKey() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("pass --key FILE: %w", err)
	}
	for _, name := range defaultKeys {
		file := filepath.Join(home, ".ssh", name)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("there is no key in %s; pass --key FILE", filepath.Join(home, ".ssh"))
}

// unlocked asks for the passphrase of a key, on a terminal only.
func unlocked(file string, data []byte) (ssh.Signer, error) {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("it has a passphrase and there is no terminal to ask for it: name the public key and let an agent sign")
	}
	defer terminal.Close()
	fmt.Fprintf(terminal, "Passphrase of %s: ", file)
	passphrase, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(terminal)
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	return ssh.ParsePrivateKeyWithPassphrase(data, passphrase)
}

// agentSigner finds a key in the agent of the person.
func agentSigner(file string, public ssh.PublicKey) (ssh.Signer, func(), error) {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, nil, fmt.Errorf("--key %s is a public key, and there is no agent ($SSH_AUTH_SOCK)", file)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("reach the agent: %w", err)
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ask the agent for its keys: %w", err), conn.Close())
	}
	for _, signer := range signers {
		if bytes.Equal(signer.PublicKey().Marshal(), public.Marshal()) {
			return signer, func() { _ = io.Closer(conn).Close() }, nil
		}
	}
	return nil, nil, errors.Join(fmt.Errorf("the agent does not hold the key of %s: run ssh-add", file), conn.Close())
}
