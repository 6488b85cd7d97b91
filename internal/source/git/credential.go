package git

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// The keys of the Secrets that a GitRepository may name.
const (
	keyUsername    = "username"
	keyPassword    = "password"
	keyBearerToken = "bearerToken"
	keyIdentity    = "identity"
	keyKnownHosts  = "known_hosts"
	keyCA          = "ca.crt"
	keyCALegacy    = "caFile"
	keyCert        = "tls.crt"
	keyKey         = "tls.key"
	keyAddress     = "address"
)

// defaultUser is who SSH servers of Git expect.
const defaultUser = "git"

// Credential is what a remote wants to know of us, and we of it. The zero
// Credential is none at all.
type Credential struct {
	Username    string
	Password    secret.Value // over SSH: of the identity
	BearerToken secret.Value
	Identity    secret.Value // private key in PEM
	Agent       string       // socket of an SSH agent that signs in place of Identity; of people, no Secret has it
	KnownHosts  string       // lines as in ~/.ssh/known_hosts
	CA          string       // PEM, trusted beside the system's
	ClientCert  string       // PEM
	ClientKey   secret.Value // PEM
	Proxy       Proxy
}

// Proxy is how to reach the remote; the zero Proxy leaves it to the
// environment (HTTPS_PROXY and its kin).
type Proxy struct {
	Address  string // http, https or socks5 URL without user information
	Username string
	Password secret.Value
}

// FromSecret makes the credential for an address out of a Secret's data, nil
// when there is no Secret, by Flux's rules: over SSH identity and known_hosts
// are required; elsewhere bearerToken goes before username and password, and
// user information in the URL fills what is missing.
func FromSecret(rawURL string, data map[string][]byte) (Credential, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return Credential{}, err
	}
	c := Credential{}
	switch {
	case u.Scheme == "ssh":
		c.Identity = secret.OfBytes(data[keyIdentity])
		c.KnownHosts = string(data[keyKnownHosts])
		c.Password = secret.OfBytes(data[keyPassword])
	default:
		c.CA = cmp.Or(string(data[keyCA]), string(data[keyCALegacy]))
		c.ClientCert = string(data[keyCert])
		c.ClientKey = secret.OfBytes(data[keyKey])
		if token, ok := data[keyBearerToken]; ok {
			c.BearerToken = secret.OfBytes(token)
			break
		}
		c.Username = string(data[keyUsername])
		c.Password = secret.OfBytes(data[keyPassword])
	}
	c = c.completed(u)
	return c, c.check(u)
}

// ProxyFromSecret makes the proxy of a proxySecretRef's data.
func ProxyFromSecret(data map[string][]byte) (Proxy, error) {
	address, ok := data[keyAddress]
	if !ok {
		return Proxy{}, invalidAuth("the proxy's Secret has no key %q", keyAddress)
	}
	u, err := url.Parse(string(address))
	if err != nil || u.Host == "" || len(address) > 2048 {
		return Proxy{}, invalidAuth("the proxy's address is no URL")
	}
	if !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		return Proxy{}, invalidAuth("the proxy's address has the scheme %q: want http, https or socks5", u.Scheme)
	}
	p := Proxy{Username: string(data[keyUsername]), Password: secret.OfBytes(data[keyPassword])}
	if p.Username == "" && u.User != nil {
		password, _ := u.User.Password()
		p.Username, p.Password = u.User.Username(), secret.Of(password)
	}
	u.User = nil
	p.Address = u.String()
	return p, nil
}

// URL returns the address with the user in it, nil for the zero Proxy.
func (p Proxy) URL() *url.URL {
	if p.Address == "" {
		return nil
	}
	u, err := url.Parse(p.Address)
	if err != nil {
		return nil
	}
	switch {
	case p.Username != "" && !p.Password.IsZero():
		u.User = url.UserPassword(p.Username, p.Password.Reveal())
	case p.Username != "":
		u.User = url.User(p.Username)
	}
	return u
}

func invalidAuth(format string, args ...any) error {
	return &fault.Error{Class: fault.Auth, Err: fmt.Errorf(format, args...)}
}

// parseURL takes the addresses that a GitRepository may have.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &fault.Error{Class: fault.Invalid, Err: errors.New("the URL cannot be read")} // its text may hold a password
	}
	if !slices.Contains([]string{"http", "https", "ssh"}, u.Scheme) || u.Hostname() == "" {
		return nil, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("the URL has the scheme %.20q: want http://, https:// or ssh:// and a host", u.Scheme)}
	}
	return u, nil
}

// completed fills in what the URL says.
func (c Credential) completed(u *url.URL) Credential {
	password, _ := u.User.Password()
	switch {
	case u.Scheme == "ssh":
		c.Username = cmp.Or(c.Username, u.User.Username(), defaultUser)
	case c.Username == "" && c.Password.IsZero():
		c.Username, c.Password = u.User.Username(), secret.Of(password)
	case c.Username == "":
		c.Username = u.User.Username()
	case c.Password.IsZero():
		c.Password = secret.Of(password)
	}
	return c
}

// check says what is missing or cannot be used.
func (c Credential) check(u *url.URL) error {
	for name, key := range map[string]secret.Value{keyIdentity: c.Identity, keyKey: c.ClientKey} {
		if n := len(key.Reveal()); n > secret.MaxKey {
			return invalidAuth("%q has %d bytes, more than %d: that is no private key in use", name, n, secret.MaxKey)
		}
	}
	if u.Scheme == "ssh" {
		return c.checkSSH()
	}
	switch {
	case c.Username == "" && !c.Password.IsZero():
		return invalidAuth("%q is given without %q", keyPassword, keyUsername)
	case c.Username != "" && !c.BearerToken.IsZero():
		return invalidAuth("both %q and a user name (perhaps in the URL) are given: only one can be used", keyBearerToken)
	case strings.ContainsAny(c.BearerToken.Reveal(), "\r\n\x00"):
		return invalidAuth("%q holds a line break; was it made with echo in place of printf?", keyBearerToken)
	case c.ClientCert == "" != c.ClientKey.IsZero():
		return invalidAuth("%q and %q must be given together", keyCert, keyKey)
	}
	_, err := c.tls()
	return err
}

func (c Credential) checkSSH() error {
	switch {
	case c.Identity.IsZero() && c.Agent == "":
		return invalidAuth("over SSH the Secret needs the key %q, a private key", keyIdentity)
	case c.KnownHosts == "":
		return invalidAuth("over SSH the Secret needs the key %q, so that the server can be told from others", keyKnownHosts)
	}
	if c.Identity.IsZero() {
		return nil // the agent has it
	}
	var locked *ssh.PassphraseMissingError
	if _, err := ssh.ParsePrivateKey([]byte(c.Identity.Reveal())); errors.As(err, &locked) && !c.Password.IsZero() {
		return nil // unlocking takes a good part of a second: once, by Pool.Remote
	}
	_, err := c.signer()
	return err
}

// signer returns the identity, unlocked.
func (c Credential) signer() (ssh.Signer, error) {
	pem, pass := []byte(c.Identity.Reveal()), []byte(c.Password.Reveal())
	signer, err := ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if len(pass) == 0 {
			return nil, invalidAuth("%q is encrypted and there is no key %q to unlock it", keyIdentity, keyPassword)
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, pass)
	}
	switch {
	case errors.Is(err, x509.IncorrectPasswordError):
		return nil, invalidAuth("%q does not unlock %q", keyPassword, keyIdentity)
	case err != nil:
		return nil, invalidAuth("%q is no private key that can be used: %s", keyIdentity, strings.TrimPrefix(err.Error(), "ssh: "))
	}
	if err := checkStrength(signer.PublicKey()); err != nil {
		return nil, invalidAuth("%q: %w", keyIdentity, err)
	}
	return signer, nil
}

// tls returns what TLS connections to the remote's host use.
func (c Credential) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, invalidAuth("%q holds no certificate in PEM", keyCA)
		}
		conf.RootCAs = pool
	}
	if c.ClientCert != "" {
		pair, err := tls.X509KeyPair([]byte(c.ClientCert), []byte(c.ClientKey.Reveal()))
		if err != nil {
			return nil, invalidAuth("%q and %q are no pair: %s", keyCert, keyKey, strings.TrimPrefix(err.Error(), "tls: "))
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// id tells remotes apart: equal for equal credentials under one key, and of no
// use to guess them without the key.
func (c Credential) id(k secret.Key, address string) string {
	rec := hash.New("remote/v1").Str(address)
	for _, v := range []secret.Value{c.Password, c.BearerToken, c.Identity, c.ClientKey, c.Proxy.Password} {
		sum := k.Digest(v)
		rec.Bytes(sum[:])
	}
	for _, s := range []string{c.Username, c.KnownHosts, c.CA, c.ClientCert, c.Proxy.Address, c.Proxy.Username} {
		rec.Str(s)
	}
	if c.Agent != "" {
		rec.Str(c.Agent)
	}
	sum := k.Digest(secret.Of(rec.Sum().Hex()))
	return fmt.Sprintf("%x", sum[:16])
}
