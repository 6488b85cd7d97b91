package oci

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// The keys of the Secrets that are read here. The legacy ones stand second
// (fluxcd/pkg/runtime v0.110.3, secrets/secrets.go).
const (
	keyDockerConfig = ".dockerconfigjson"
	keyDockerCfg    = ".dockercfg"
	keyUsername     = "username"
	keyPassword     = "password"
	keyCA           = "ca.crt"
	keyCALegacy     = "caFile"
	keyCert         = "tls.crt"
	keyCertLegacy   = "certFile"
	keyKey          = "tls.key"
	keyKeyLegacy    = "keyFile"
)

// Secrets are the data of the Secrets from which an Access is made; nil is none.
type Secrets struct {
	// Pull are image pull secrets. Where two name the same registry the later
	// one counts. Secrets of a HelmRepository may hold username and password.
	Pull []map[string][]byte
	Cert map[string][]byte // of certSecretRef
}

// Access is how a registry is reached. The zero Access asks without
// credentials, over TLS with the system's authorities.
type Access struct {
	Logins []Login
	// Username and Password are for the registry of the address, whatever it
	// is; a login that fits goes before them.
	Username   string
	Password   secret.Value
	CA         string       // PEM, trusted beside the system's
	ClientCert string       // PEM
	ClientKey  secret.Value // PEM
	Proxy      secret.Value // URL, with the user in it; empty leaves it to the environment
	// Transport says whether anything but checked TLS will do.
	Transport Transport
}

// Transport is what connections are made of.
type Transport int

// Checked asks for TLS whose certificate is verified. Insecure takes any
// certificate where there is no CA and no client certificate, and plain HTTP
// where there is no TLS (spec.insecure).
const (
	Checked Transport = iota
	Insecure
)

// Login is one entry of a Docker configuration.
type Login struct {
	For           string // host[:port][/path], * within a host's part, as in kubelet's
	Username      string
	Password      secret.Value
	IdentityToken secret.Value
	RegistryToken secret.Value
}

// AccessOf reads Secrets.
func AccessOf(s Secrets) (Access, error) {
	var a Access
	for _, data := range s.Pull {
		logins, err := loginsOf(data)
		if err != nil {
			return a, err
		}
		a.Logins = append(a.Logins, logins...)
		if user := string(data[keyUsername]); user != "" {
			a.Username, a.Password = user, secret.OfBytes(data[keyPassword])
		}
	}
	pick := func(key, legacy string) []byte {
		if b := s.Cert[key]; len(b) > 0 {
			return b
		}
		return s.Cert[legacy]
	}
	a.CA, a.ClientCert = string(pick(keyCA, keyCALegacy)), string(pick(keyCert, keyCertLegacy))
	a.ClientKey = secret.OfBytes(pick(keyKey, keyKeyLegacy))
	if s.Cert != nil && a.CA == "" && a.ClientCert == "" {
		return a, fail(fault.Auth, "the Secret of certSecretRef has neither %q nor %q with %q", keyCA, keyCert, keyKey)
	}
	_, err := a.tls()
	return a, err
}

// HasLogin tells whether a Secret's data hold what AccessOf takes for a login.
func HasLogin(data map[string][]byte) bool {
	return len(data[keyDockerConfig]) > 0 || len(data[keyDockerCfg]) > 0 || len(data[keyUsername]) > 0
}

// HasCertificates tells whether a Secret's data hold an authority or a pair of certificate
// and key. Half a pair is none, and the authority beside it does not count (fluxcd/pkg/runtime
// v0.110.3, secrets.AuthMethodsFromSecret).
func HasCertificates(data map[string][]byte) bool {
	has := func(key, legacy string) bool { return len(data[key])+len(data[legacy]) > 0 }
	cert := has(keyCert, keyCertLegacy)
	return cert == has(keyKey, keyKeyLegacy) && (cert || has(keyCA, keyCALegacy))
}

// entry is a login as Docker writes it.
type entry struct {
	Username, Password, Auth, IdentityToken, RegistryToken string
}

// loginsOf reads a Docker configuration; its entries are sorted.
func loginsOf(data map[string][]byte) ([]Login, error) {
	auths := map[string]entry{}
	if b := data[keyDockerCfg]; len(b) > 0 {
		if json.Unmarshal(b, &auths) != nil { // the error would quote the content
			return nil, fail(fault.Auth, "%q is not JSON of the form {\"host\": {\"auth\": …}}", keyDockerCfg)
		}
	}
	if b := data[keyDockerConfig]; len(b) > 0 {
		var config struct{ Auths map[string]entry }
		if json.Unmarshal(b, &config) != nil {
			return nil, fail(fault.Auth, "%q is not JSON of the form {\"auths\": {\"host\": {\"auth\": …}}}", keyDockerConfig)
		}
		for key, e := range config.Auths {
			auths[key] = e
		}
	}
	var out []Login
	for key, e := range auths {
		login, err := e.login(key)
		if err != nil {
			return nil, err
		}
		out = append(out, login)
	}
	slices.SortFunc(out, func(a, b Login) int { return strings.Compare(a.For, b.For) })
	return out, nil
}

func (e entry) login(key string) (Login, error) {
	if e.Auth != "" {
		text, err := base64.StdEncoding.DecodeString(e.Auth)
		user, password, ok := strings.Cut(string(text), ":")
		if err != nil || !ok {
			return Login{}, fail(fault.Auth, "auth of %q is not base64 of user:password", key)
		}
		e.Username, e.Password = user, strings.TrimRight(password, "\x00")
	}
	return Login{
		For: cleanHost(key), Username: e.Username, Password: secret.Of(e.Password),
		IdentityToken: secret.Of(e.IdentityToken), RegistryToken: secret.Of(e.RegistryToken),
	}, nil
}

// cleanHost strips what Docker writes around a host: https://, /v1/, /v2/. The
// names of Docker's own registry become one.
func cleanHost(key string) string {
	for _, scheme := range []string{"https://", "http://"} {
		key = strings.TrimPrefix(key, scheme)
	}
	key = strings.TrimRight(key, "/")
	for _, version := range []string{"/v1", "/v2"} {
		key = strings.TrimSuffix(key, version)
	}
	host, rest, _ := strings.Cut(key, "/")
	if host == "docker.io" || host == "registry-1.docker.io" {
		host = name.DefaultRegistry
	}
	return strings.TrimSuffix(host+"/"+rest, "/")
}

// fits tells whether the entry is meant for a repository (host/path), by the
// rules of the kubelet: the host's parts may hold *, the path is a prefix
// (k8s.io/kubernetes pkg/credentialprovider/keyring.go).
func (l Login) fits(repository string) bool {
	host, prefix, _ := strings.Cut(l.For, "/")
	have, rest, _ := strings.Cut(repository, "/")
	return hostFits(host, have) && (prefix == "" || rest == prefix || strings.HasPrefix(rest, prefix+"/"))
}

func hostFits(pattern, host string) bool {
	if pattern == host {
		return true
	}
	pattern, port, _ := strings.Cut(pattern, ":")
	host, have, _ := strings.Cut(host, ":")
	want, parts := strings.Split(pattern, "."), strings.Split(host, ".")
	if port != have || len(want) != len(parts) {
		return false
	}
	for i := range want {
		if ok, err := path.Match(want[i], parts[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// Resolve implements authn.Keychain: the most specific login that fits.
func (a Access) Resolve(target authn.Resource) (authn.Authenticator, error) {
	var best *Login
	for i := range a.Logins {
		if l := &a.Logins[i]; l.fits(target.String()) && (best == nil || len(l.For) >= len(best.For)) {
			best = l
		}
	}
	switch {
	case best != nil:
		return authn.FromConfig(authn.AuthConfig{
			Username: best.Username, Password: best.Password.Reveal(),
			IdentityToken: best.IdentityToken.Reveal(), RegistryToken: best.RegistryToken.Reveal(),
		}), nil
	case a.Username != "":
		return &authn.Basic{Username: a.Username, Password: a.Password.Reveal()}, nil
	}
	return authn.Anonymous, nil
}

// tls returns what connections use; see Transport.
func (a Access) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.Transport == Insecure && a.CA == "" && a.ClientCert == "" {
		conf.InsecureSkipVerify = true // asked for by spec.insecure
	}
	if a.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(a.CA)) {
			return nil, fail(fault.Auth, "%q holds no certificate in PEM", keyCA)
		}
		conf.RootCAs = pool
	}
	if a.ClientCert == "" && a.ClientKey.IsZero() {
		return conf, nil
	}
	if a.ClientCert == "" || a.ClientKey.IsZero() {
		return nil, fail(fault.Auth, "%q and %q must be given together", keyCert, keyKey)
	}
	if n := len(a.ClientKey.Reveal()); n > secret.MaxKey {
		return nil, fail(fault.Auth, "%q has %d bytes, more than %d: that is no private key in use", keyKey, n, secret.MaxKey)
	}
	pair, err := tls.X509KeyPair([]byte(a.ClientCert), []byte(a.ClientKey.Reveal()))
	if err != nil {
		return nil, fail(fault.Auth, "%q and %q are no pair: %s", keyCert, keyKey, strings.TrimPrefix(err.Error(), "tls: "))
	}
	conf.Certificates = []tls.Certificate{pair}
	return conf, nil
}

func (a Access) proxy() (*url.URL, error) {
	if a.Proxy.IsZero() {
		return nil, nil
	}
	u, err := url.Parse(a.Proxy.Reveal())
	if err != nil || u.Host == "" {
		return nil, fail(fault.Auth, "the proxy's address is no URL")
	}
	return u, nil
}

// id tells accesses apart, under a key without which it is of no use.
func (a Access) id(k secret.Key) string {
	rec := hash.New("access/v1")
	add := func(values ...secret.Value) {
		for _, v := range values {
			sum := k.Digest(v)
			rec.Bytes(sum[:])
		}
	}
	for _, l := range a.Logins {
		rec.Str(l.For).Str(l.Username)
		add(l.Password, l.IdentityToken, l.RegistryToken)
	}
	rec.Str(a.Username).Str(a.CA).Str(a.ClientCert).Int(int64(a.Transport))
	add(a.Password, a.ClientKey, a.Proxy)
	return rec.Sum().Hex()
}
