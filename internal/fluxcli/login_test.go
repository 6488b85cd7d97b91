package fluxcli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"sigs.k8s.io/yaml"
)

// A Secret for SSH holds a key that can be read and the key that the host shows,
// whatever algorithm is asked for.
func TestSecretForSSH(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	host, shown := hostKeyServer(t)
	for _, algorithm := range []string{"--ssh-key-algorithm=ecdsa", "--ssh-key-algorithm=ed25519", "--ssh-key-algorithm=rsa", "--ssh-ecdsa-curve=p521"} {
		var out, stderr bytes.Buffer
		code := Main(context.Background(), []string{"create", "secret", "git", "apps", "--url=ssh://git@" + host + "/apps", "--export", algorithm},
			Env{Out: &out, Err: &stderr, Version: Contract})
		if code != 0 {
			t.Fatalf("%s: %s", algorithm, stderr.String())
		}
		var made struct {
			StringData map[string]string `json:"stringData"`
		}
		if err := yaml.Unmarshal(out.Bytes(), &made); err != nil {
			t.Fatal(err)
		}
		signer, err := ssh.ParsePrivateKey([]byte(made.StringData["identity"]))
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if got, want := made.StringData["identity.pub"], string(ssh.MarshalAuthorizedKey(signer.PublicKey())); got != want {
			t.Errorf("%s: the public key is %s, want %s", algorithm, got, want)
		}
		_, port, _ := net.SplitHostPort(host)
		if got, want := made.StringData["known_hosts"], "[127.0.0.1]:"+port+" "+strings.TrimSpace(shown); got != want {
			t.Errorf("%s: known_hosts is %s, want %s", algorithm, got, want)
		}
	}
}

// hostKeyServer shows a host key and lets nobody in.
func hostKeyServer(t *testing.T) (address, key string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) {
		return nil, errors.New("nobody comes in")
	}}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _, _, _ = ssh.NewServerConn(conn, config)
			conn.Close()
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return listener.Addr().String(), string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}
