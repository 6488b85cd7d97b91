package git

import (
	"bufio"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/net/proxy"

	"github.com/leat-dev/leat/internal/source/git/wire"
)

// Dialer opens connections; a Pool may be given one that refuses addresses.
type Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// How long a silent server is waited for when the context has more patience.
const (
	dialTimeout   = 30 * time.Second
	headerTimeout = 60 * time.Second
	idleTimeout   = 5 * time.Minute
)

// client speaks with one repository.
type client interface {
	List(ctx context.Context, o wire.ListOptions) ([]wire.Ref, error)
	Fetch(ctx context.Context, r wire.Request) (*wire.Pack, error)
	AnyWant(ctx context.Context) (bool, error)
	Close() error
}

// newClient returns a client that shares nothing with those of other
// credentials. u has no user information.
func newClient(u *url.URL, c Credential, dial Dialer) (client, error) {
	if u.Scheme == "ssh" {
		return newSSH(u, c, dial)
	}
	conf, err := c.tls()
	if err != nil {
		return nil, err
	}
	bare := conf.Clone()
	bare.Certificates = nil
	return wire.NewHTTP(wire.HTTPOptions{
		URL:       u,
		Authorize: c.authorize,
		Transport: newTransport(conf, c.Proxy, dial),
		Elsewhere: newTransport(bare, c.Proxy, dial),
	}), nil
}

func newTransport(conf *tls.Config, p Proxy, dial Dialer) *http.Transport {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial,
		TLSClientConfig:       conf,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   2,
	}
	if u := p.URL(); u != nil {
		t.Proxy = http.ProxyURL(u)
	}
	return t
}

// authorize adds the credential to a request for the remote's own host.
func (c Credential) authorize(req *http.Request) {
	switch {
	case c.Username != "" || !c.Password.IsZero():
		req.SetBasicAuth(c.Username, c.Password.Reveal())
	case !c.BearerToken.IsZero():
		req.Header.Set("Authorization", "Bearer "+c.BearerToken.Reveal())
	}
}

func newSSH(u *url.URL, c Credential, dial Dialer) (client, error) {
	auth, err := c.sshAuth()
	if err != nil {
		return nil, err
	}
	hosts, err := parseKnownHosts(c.KnownHosts)
	if err != nil {
		return nil, err
	}
	addr := net.JoinHostPort(u.Hostname(), "22")
	if u.Port() != "" {
		addr = u.Host
	}
	return wire.NewSSH(wire.SSHOptions{URL: u, Dial: through(c.Proxy, dial), Config: &ssh.ClientConfig{
		User:              c.Username,
		Auth:              []ssh.AuthMethod{auth},
		HostKeyCallback:   hosts.check,
		HostKeyAlgorithms: hosts.algorithms(addr),
		Timeout:           dialTimeout,
	}}), nil
}

// sshAuth signs with the identity, or lets the agent sign.
func (c Credential) sshAuth() (ssh.AuthMethod, error) {
	if !c.Identity.IsZero() {
		signer, err := c.signer()
		if err != nil {
			return nil, err
		}
		return ssh.PublicKeys(signer), nil
	}
	return ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
		conn, err := net.Dial("unix", c.Agent)
		if err != nil {
			return nil, fmt.Errorf("ask the SSH agent: %w", err)
		}
		return agent.NewClient(conn).Signers() // the signers sign over conn, which ends with the process
	}), nil
}

// errWeakKey is the answer to keys that can be broken.
var errWeakKey = errors.New("the key is too weak")

// minRSA is the shortest RSA key, in bits, that is trusted or used.
const minRSA = 2048

func checkStrength(k ssh.PublicKey) error {
	pub, ok := k.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	if r, ok := pub.CryptoPublicKey().(*rsa.PublicKey); ok && r.N.BitLen() < minRSA {
		return fmt.Errorf("%w: RSA with %d bits, want %d or more", errWeakKey, r.N.BitLen(), minRSA)
	}
	if k.Type() == ssh.InsecureKeyAlgoDSA {
		return fmt.Errorf("%w: DSA", errWeakKey)
	}
	return nil
}

// knownHosts is a list of host keys; what is not on it is refused.
type knownHosts struct{ callback ssh.HostKeyCallback }

// parseKnownHosts goes through a file because x/crypto reads only files; it is
// gone before this returns.
func parseKnownHosts(text string) (knownHosts, error) {
	f, err := os.CreateTemp("", "known-hosts-")
	if err != nil {
		return knownHosts{}, fmt.Errorf("read known_hosts: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return knownHosts{}, fmt.Errorf("read known_hosts: %w", err)
	}
	callback, err := knownhosts.New(f.Name())
	if err != nil {
		return knownHosts{}, invalidAuth("%q cannot be read: %s", keyKnownHosts, strings.ReplaceAll(err.Error(), f.Name(), keyKnownHosts))
	}
	return knownHosts{callback}, nil
}

func (k knownHosts) check(hostname string, remote net.Addr, key ssh.PublicKey) error {
	if err := checkStrength(key); err != nil {
		return fmt.Errorf("host key of %s: %w", hostname, err)
	}
	err := k.callback(hostname, remote, key)
	var unknown *knownhosts.KeyError
	if errors.As(err, &unknown) {
		if len(unknown.Want) == 0 {
			return fmt.Errorf("%s is not in %q: %w", hostname, keyKnownHosts, err)
		}
		return fmt.Errorf("the host key of %s is not the one in %q: someone may be in between, or the server has a new key: %w", hostname, keyKnownHosts, err)
	}
	return err
}

// algorithms lists the key types known of a host, so that the server shows one
// of those and not another that it also has.
func (k knownHosts) algorithms(addr string) []string {
	err := k.callback(addr, &net.TCPAddr{IP: net.IPv4zero}, noKey{})
	var known *knownhosts.KeyError
	if !errors.As(err, &known) {
		return nil
	}
	var out []string
	for _, w := range known.Want {
		if t := w.Key.Type(); t == ssh.KeyAlgoRSA {
			out = append(out, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			out = append(out, t)
		}
	}
	return out
}

// noKey is a key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// through returns a dialer that goes through a proxy.
func through(p Proxy, dial Dialer) Dialer {
	u := p.URL()
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch {
		case u == nil:
			d, ok := proxy.FromEnvironmentUsing(forward(dial)).(proxy.ContextDialer)
			if !ok {
				return dial(ctx, network, addr)
			}
			return d.DialContext(ctx, network, addr)
		case u.Scheme == "socks5":
			d, err := proxy.FromURL(u, forward(dial))
			if err != nil {
				return nil, fmt.Errorf("proxy %s: %w", u.Host, err)
			}
			return d.(proxy.ContextDialer).DialContext(ctx, network, addr)
		default:
			return connect(ctx, u, dial, addr)
		}
	}
}

// forward makes a proxy.Dialer of a Dialer.
type forward Dialer

// Dial implements proxy.Dialer.
func (f forward) Dial(network, addr string) (net.Conn, error) {
	return f(context.Background(), network, addr)
}

// DialContext implements proxy.ContextDialer.
func (f forward) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

// connect asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6).
func connect(ctx context.Context, u *url.URL, dial Dialer, addr string) (net.Conn, error) {
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	conn, err := dial(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", u.Host, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if u.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12})
	}
	req := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if u.User != nil {
		password, _ := u.User.Password()
		req += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)) + "\r\n"
	}
	if _, err := conn.Write([]byte(req + "\r\n")); err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy %s: %w", u.Host, err)
	}
	head := &io.LimitedReader{R: conn, N: maxProxyHead} // what http reads by itself has no bound
	br := bufio.NewReader(head)
	res, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err == nil && res.StatusCode != http.StatusOK {
		err = &wire.StatusError{Code: res.StatusCode}
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy %s: %w", u.Host, err)
	}
	head.N = math.MaxInt64
	return &buffered{conn, br}, nil
}

// maxProxyHead bounds the head of a proxy's answer, in bytes.
const maxProxyHead = 64 << 10

// buffered is a connection of which some bytes were read ahead.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn.
func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }
