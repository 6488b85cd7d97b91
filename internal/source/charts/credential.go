package charts

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Credential is what a repository wants to know of us, and we of it. The zero
// Credential is none at all.
type Credential struct {
	Username   string
	Password   secret.Value
	CA         string // PEM, trusted beside the system's
	ClientCert string // PEM
	ClientKey  secret.Value
	// PassCredentials lets them go to the host of a chart too, where that is not
	// the repository's.
	PassCredentials bool
}

// FromSecrets makes a credential of the data of spec.secretRef and
// spec.certSecretRef, nil for none (source-controller v1.9,
// internal/helm/getter). Certificates in the first are an old way that still
// works; those of the second go before them, and then the note is empty.
func FromSecrets(auth, cert map[string][]byte) (c Credential, note string, err error) {
	if err := c.basic(auth); err != nil {
		return Credential{}, "", err
	}
	if cert != nil {
		if !c.certificates(cert) {
			return Credential{}, "", invalidAuth("the Secret of certSecretRef has none of the keys ca.crt, tls.crt and tls.key")
		}
	} else if c.certificates(auth) {
		note = "TLS keys in the Secret of secretRef are deprecated: move them to one named by certSecretRef"
		if c.ClientCert == "" != c.ClientKey.IsZero() { // then Flux uses none of them
			c.CA, c.ClientCert, c.ClientKey = "", "", secret.Value{}
			note = "the TLS keys in the Secret of secretRef are not used: a certificate and its key must be given together"
		}
	}
	if _, err := c.tls(); err != nil {
		return Credential{}, "", err
	}
	return c, note, nil
}

func (c *Credential) basic(auth map[string][]byte) error {
	user, hasUser := auth["username"]
	password, hasPassword := auth["password"]
	switch {
	case hasUser && !hasPassword:
		return invalidAuth("the Secret of secretRef has %q without %q", "username", "password")
	case hasPassword && !hasUser:
		return invalidAuth("the Secret of secretRef has %q without %q", "password", "username")
	}
	if len(user) > 0 && len(password) > 0 { // else Helm sends neither
		c.Username, c.Password = string(user), secret.OfBytes(password)
	}
	return nil
}

// certificates takes the keys of either generation and tells whether there are any.
func (c *Credential) certificates(data map[string][]byte) bool {
	get := func(names ...string) string {
		for _, name := range names {
			if v := string(data[name]); v != "" {
				return v
			}
		}
		return ""
	}
	c.CA = get("ca.crt", "caFile")
	c.ClientCert = get("tls.crt", "certFile")
	c.ClientKey = secret.Of(get("tls.key", "keyFile"))
	return c.CA != "" || c.ClientCert != "" || !c.ClientKey.IsZero()
}

func invalidAuth(format string, args ...any) error {
	return &fault.Error{Class: fault.Auth, Err: fmt.Errorf(format, args...)}
}

// completed fills in what the URL says.
func (c Credential) completed(u *url.Userinfo) Credential {
	if u != nil && c.Username == "" && c.Password.IsZero() {
		password, _ := u.Password()
		c.Username, c.Password = u.Username(), secret.Of(password)
	}
	return c
}

// tls returns what TLS connections use, nil for the system's.
func (c Credential) tls() (*tls.Config, error) {
	if c.CA == "" && c.ClientCert == "" && c.ClientKey.IsZero() {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, invalidAuth("%q holds no certificate in PEM", "ca.crt")
		}
		conf.RootCAs = pool
	}
	if n := len(c.ClientKey.Reveal()); n > secret.MaxKey {
		return nil, invalidAuth("%q has %d bytes, more than %d: that is no private key in use", "tls.key", n, secret.MaxKey)
	}
	if c.ClientCert == "" != c.ClientKey.IsZero() {
		return nil, invalidAuth("%q and %q must be given together", "tls.crt", "tls.key")
	}
	if c.ClientCert != "" {
		pair, err := tls.X509KeyPair([]byte(c.ClientCert), []byte(c.ClientKey.Reveal()))
		if err != nil {
			return nil, invalidAuth("%q and %q are no pair: %s", "tls.crt", "tls.key", strings.TrimPrefix(err.Error(), "tls: "))
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// id tells repositories apart: equal for equal credentials under one key, and of
// no use to guess them without the key.
func (c Credential) id(k secret.Key, address string) string {
	rec := hash.New("chart repository/v1").Str(address)
	for _, v := range []secret.Value{c.Password, c.ClientKey} {
		sum := k.Digest(v)
		rec.Bytes(sum[:])
	}
	rec.Str(c.Username).Str(c.CA).Str(c.ClientCert)
	rec.Str(cmp.Or(map[bool]string{true: "pass"}[c.PassCredentials], "keep"))
	sum := k.Digest(secret.Of(rec.Sum().Hex()))
	return fmt.Sprintf("%x", sum[:16])
}
