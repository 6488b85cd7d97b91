package fluxcli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/leat-dev/leat/internal/flux/create"
	"github.com/leat-dev/leat/internal/secret"
)

// gitLogin are the flags of a login to a Git server.
type gitLogin struct {
	username         string
	password         secret.Value
	caFile, keyFile  string
	algorithm, curve string
	bits             rsaBits
}

func newGitLogin() *gitLogin { return &gitLogin{algorithm: "ecdsa", curve: "p384", bits: 2048} }

// register adds the flags; ca is the name of the one for the authority.
func (l *gitLogin) register(fs *pflag.FlagSet, ca string) {
	fs.StringVarP(&l.username, "username", "u", "", "user")
	fs.VarP(&secretText{&l.password}, "password", "p", "password, or the passphrase of the private key")
	fs.Var(&choice{&l.algorithm, "public key algorithm", unsupported, keyAlgorithms}, "ssh-key-algorithm", "what key is made for SSH")
	fs.Var(&l.bits, "ssh-rsa-bits", "size of an RSA key")
	fs.Var(&choice{&l.curve, "curve", "unsupported curve '%[2]s', must be one of: %[3]s", keyCurves}, "ssh-ecdsa-curve", "curve of an ECDSA key")
	fs.StringVar(&l.caFile, ca, "", "file with the authority of the server's certificate")
	fs.StringVar(&l.keyFile, "private-key-file", "", "file with a private key for SSH, instead of a new one")
}

// rsaBits is the flag of an RSA key's size.
type rsaBits int

func (b *rsaBits) Type() string   { return "bits" }
func (b *rsaBits) String() string { return strconv.Itoa(int(*b)) }

// maxRSABits bounds the time that making a key takes.
const maxRSABits = 16384

func (b *rsaBits) Set(text string) error {
	bits, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return err
	case bits < 1024:
		return errors.New("RSA key bit size must be at least 1024")
	case bits%8 != 0:
		return errors.New("RSA key bit size must be a multiples of 8")
	case bits > maxRSABits:
		return fmt.Errorf("RSA key bit size must be at most %d", maxRSABits)
	}
	*b = rsaBits(bits)
	return nil
}

// keyPair is the login by SSH to a host: the key of a file, or a new one, and
// the key that the host shows.
func (l *gitLogin) keyPair(ctx context.Context, host string) (*create.KeyPair, error) {
	text, err := read(l.keyFile, "failed to open private key file")
	if err != nil {
		return nil, err
	}
	if l.keyFile == "" {
		if text, err = l.newKey(); err != nil {
			return nil, fmt.Errorf("key pair generation failed, error: %w", err)
		}
	}
	signer, err := l.signer(text)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	known, err := scanHost(ctx, host)
	if err != nil {
		return nil, err
	}
	return &create.KeyPair{Private: secret.OfBytes(text), Public: string(ssh.MarshalAuthorizedKey(signer.PublicKey())), KnownHosts: known}, nil
}

func (l *gitLogin) signer(text []byte) (ssh.Signer, error) {
	if l.keyFile != "" && !l.password.IsZero() {
		return ssh.ParsePrivateKeyWithPassphrase(text, []byte(l.password.Reveal()))
	}
	return ssh.ParsePrivateKey(text)
}

// newKey makes a private key, as PKCS #8 in PEM.
func (l *gitLogin) newKey() ([]byte, error) {
	var key any
	var err error
	switch l.algorithm {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, int(l.bits))
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		curves := map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384(), "p521": elliptic.P521()}
		key, err = ecdsa.GenerateKey(curves[l.curve], rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// scanTimeout bounds the question for a host's key.
const scanTimeout = 30 * time.Second

// scanHost returns the line of known_hosts for the key that a host shows. That
// logging in fails is no error.
func scanHost(ctx context.Context, host string) (string, error) {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "22")
	}
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	wrong := func(err error) error {
		return elsewhere{fmt.Errorf("SSH key scan for host %s failed, error: %w", host, err)}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return "", wrong(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var seen bytes.Buffer
	_, _, _, err = ssh.NewClientConn(conn, host, &ssh.ClientConfig{HostKeyCallback: func(name string, _ net.Addr, key ssh.PublicKey) error {
		fmt.Fprintf(&seen, "%s %s", knownhosts.Normalize(name), ssh.MarshalAuthorizedKey(key))
		return nil
	}})
	if seen.Len() == 0 {
		return "", wrong(errors.Join(err, context.Cause(ctx)))
	}
	return strings.TrimSpace(seen.String()), nil
}

// tlsFiles are the flags that name certificates.
type tlsFiles struct{ cert, key, ca string }

func (t *tlsFiles) register(fs *pflag.FlagSet, cert, key, ca string) {
	fs.StringVar(&t.cert, cert, "", "file with the client's certificate")
	fs.StringVar(&t.key, key, "", "file with the key to it")
	fs.StringVar(&t.ca, ca, "", "file with the authority of the server's certificate")
}

func (t *tlsFiles) read() (create.TLSSecret, error) {
	ca, err := read(t.ca, "unable to read TLS CA file")
	if err != nil {
		return create.TLSSecret{}, err
	}
	cert, err := read(t.cert, "failed to read cert file")
	if err != nil {
		return create.TLSSecret{}, err
	}
	key, err := read(t.key, "failed to read key file")
	if err != nil {
		return create.TLSSecret{}, err
	}
	return create.TLSSecret{Cert: cert, CA: ca, Key: secret.OfBytes(key)}, nil
}

// helmLogin are the flags of a login to a chart repository.
type helmLogin struct {
	username string
	password secret.Value
	files    tlsFiles
}

func (l *helmLogin) register(fs *pflag.FlagSet) {
	fs.StringVarP(&l.username, "username", "u", "", "user")
	fs.VarP(&secretText{&l.password}, "password", "p", "password")
}

func (l *helmLogin) empty() bool {
	return l.username == "" && l.password.IsZero() && l.files == tlsFiles{}
}

func (l *helmLogin) secret() (create.HelmSecret, error) {
	files, err := l.files.read()
	return create.HelmSecret{Username: l.username, Password: l.password, TLS: files}, err
}
