package git

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/secret"
)

const canary = "canary-f00"

// newKey returns a private key in PEM, locked by a passphrase unless it is "",
// and its public half.
func newKey(t testing.TB, key any, passphrase string) (string, ssh.PublicKey) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), signer.PublicKey()
}

func newEd25519(t testing.TB, passphrase string) (string, ssh.PublicKey) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newKey(t, key, passphrase)
}

func newRSA(t testing.TB, bits int) (string, ssh.PublicKey) {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return newKey(t, key, "")
}

func knownHost(addr string, k ssh.PublicKey) string {
	return fmt.Sprintf("%s %s", addr, ssh.MarshalAuthorizedKey(k))
}

func TestFromSecret(t *testing.T) {
	key, pub := newEd25519(t, "")
	locked, _ := newEd25519(t, canary)
	short, _ := newRSA(t, 1024)
	hosts := knownHost("example.com", pub)
	cases := map[string]struct {
		url  string
		data map[string]string
		want Credential
		err  string
	}{
		"none":                {url: "https://example.com/x", want: Credential{}},
		"basic":               {url: "https://example.com/x", data: map[string]string{"username": "u", "password": canary}, want: Credential{Username: "u", Password: secret.Of(canary)}},
		"bearer":              {url: "https://example.com/x", data: map[string]string{"bearerToken": canary, "username": "no", "password": "no"}, want: Credential{BearerToken: secret.Of(canary)}},
		"URL":                 {url: "https://u:canary-f00@example.com/x", want: Credential{Username: "u", Password: secret.Of(canary)}},
		"Secret before URL":   {url: "https://v:w@example.com/x", data: map[string]string{"username": "u", "password": canary}, want: Credential{Username: "u", Password: secret.Of(canary)}},
		"user from the URL":   {url: "https://u@example.com/x", data: map[string]string{"password": canary}, want: Credential{Username: "u", Password: secret.Of(canary)}},
		"no user":             {url: "https://example.com/x", data: map[string]string{"password": canary}, err: `"password" is given without "username"`},
		"bearer and URL":      {url: "https://u@example.com/x", data: map[string]string{"bearerToken": canary}, err: "only one can be used"},
		"bearer with newline": {url: "https://example.com/x", data: map[string]string{"bearerToken": canary + "\n"}, err: "line break"},
		"CA":                  {url: "https://example.com/x", data: map[string]string{"ca.crt": "rubbish"}, err: "no certificate in PEM"},
		"legacy CA":           {url: "https://example.com/x", data: map[string]string{"caFile": "rubbish"}, err: "no certificate in PEM"},
		"half a pair":         {url: "https://example.com/x", data: map[string]string{"tls.crt": "x"}, err: "must be given together"},
		"no pair":             {url: "https://example.com/x", data: map[string]string{"tls.crt": "x", "tls.key": canary}, err: "are no pair"},
		"ssh":                 {url: "ssh://example.com/x", data: map[string]string{"identity": key, "known_hosts": hosts}, want: Credential{Username: "git", Identity: secret.Of(key), KnownHosts: hosts}},
		"ssh with a user":     {url: "ssh://me@example.com/x", data: map[string]string{"identity": key, "known_hosts": hosts}, want: Credential{Username: "me", Identity: secret.Of(key), KnownHosts: hosts}},
		"ssh, locked":         {url: "ssh://example.com/x", data: map[string]string{"identity": locked, "known_hosts": hosts, "password": canary}, want: Credential{Username: "git", Identity: secret.Of(locked), KnownHosts: hosts, Password: secret.Of(canary)}},
		"ssh without Secret":  {url: "ssh://example.com/x", err: `needs the key "identity"`},
		"ssh without hosts":   {url: "ssh://example.com/x", data: map[string]string{"identity": key}, err: `needs the key "known_hosts"`},
		"ssh, still locked":   {url: "ssh://example.com/x", data: map[string]string{"identity": locked, "known_hosts": hosts}, err: `no key "password" to unlock it`},
		"ssh, wrong key":      {url: "ssh://example.com/x", data: map[string]string{"identity": locked, "known_hosts": hosts, "password": "nope"}, err: `does not unlock`},
		"ssh, no key":         {url: "ssh://example.com/x", data: map[string]string{"identity": canary, "known_hosts": hosts}, err: `no private key`},
		"endless key":         {url: "https://example.com/x", data: map[string]string{"tls.crt": "x", "tls.key": strings.Repeat("x", secret.MaxKey+1)}, err: "that is no private key in use"},
		"ssh, endless key":    {url: "ssh://example.com/x", data: map[string]string{"identity": strings.Repeat("x", secret.MaxKey+1), "known_hosts": hosts}, err: "that is no private key in use"},
		"ssh, weak key":       {url: "ssh://example.com/x", data: map[string]string{"identity": short, "known_hosts": hosts}, err: `RSA with 1024 bits`},
		"ssh, bad hosts":      {url: "ssh://example.com/x", data: map[string]string{"identity": key, "known_hosts": "example.com ssh-rsa !!!"}, err: `"known_hosts" cannot be read`},
		"file":                {url: "file:///etc", err: "scheme"},
		"git":                 {url: "git://example.com/x", err: "scheme"},
		"ext":                 {url: "ext::sh -c x", err: "scheme"},
		"no host":             {url: "https:///x", err: "a host"},
		"not a URL":           {url: "https://u:canary-f00@exa mple.com/%zz", err: "cannot be read"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			data := map[string][]byte{}
			for k, v := range c.data {
				data[k] = []byte(v)
			}
			got, err := FromSecret(c.url, data)
			if err == nil {
				_, err = newPool(t, Options{}).Remote(c.url, got)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the secret shows in %v", err)
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want an error with %q", err, c.err)
				}
				return
			}
			if err != nil || got.id(secret.Key("k"), "") != c.want.id(secret.Key("k"), "") {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestProxyFromSecret(t *testing.T) {
	cases := map[string]struct {
		data map[string]string
		want string // the URL with user information
		err  string
	}{
		"plain":      {data: map[string]string{"address": "http://proxy:3128"}, want: "http://proxy:3128"},
		"with user":  {data: map[string]string{"address": "https://proxy", "username": "u", "password": "p"}, want: "https://u:p@proxy"},
		"in the URL": {data: map[string]string{"address": "socks5://u:p@proxy:1080"}, want: "socks5://u:p@proxy:1080"},
		"nothing":    {err: `no key "address"`},
		"ftp":        {data: map[string]string{"address": "ftp://proxy"}, err: "want http, https or socks5"},
		"no URL":     {data: map[string]string{"address": "proxy"}, err: "no URL"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			data := map[string][]byte{}
			for k, v := range c.data {
				data[k] = []byte(v)
			}
			got, err := ProxyFromSecret(data)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want an error with %q", err, c.err)
				}
				return
			}
			if err != nil || got.URL().String() != c.want || strings.Contains(fmt.Sprintf("%+v", got), "u:p@") {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestCredentialDoesNotPrint(t *testing.T) {
	c := Credential{Username: "u", Password: secret.Of(canary), BearerToken: secret.Of(canary), Identity: secret.Of(canary), ClientKey: secret.Of(canary), Proxy: Proxy{Password: secret.Of(canary)}}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", &c), string(b), c.id(secret.NewKey(), "x")} {
		if strings.Contains(s, canary) {
			t.Errorf("the secret shows in %s", s)
		}
	}
}

// Remotes are told apart by everything that a credential holds, and keep their
// directory when the process starts anew.
func TestRemotesAreKept(t *testing.T) {
	dir := t.TempDir()
	open := func() *Pool {
		p, err := NewPool(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	p := open()
	a := remote(t, p, "https://example.com/x", Credential{Username: "u", Password: secret.Of("1")})
	same := remote(t, p, "https://u:1@example.com/x", Credential{})
	if a != same {
		t.Error("the same credential in the URL is another remote")
	}
	for _, c := range []Credential{{}, {Username: "u", Password: secret.Of("2")}, {Username: "v", Password: secret.Of("1")}, {BearerToken: secret.Of("1")}, {Proxy: Proxy{Address: "http://p"}}} {
		if remote(t, p, "https://example.com/x", c) == a {
			t.Errorf("%+v is taken for another", c)
		}
	}
	if b := remote(t, open(), "https://example.com/x", Credential{Username: "u", Password: secret.Of("1")}); b.objects().dir != a.objects().dir {
		t.Error("another process does not find what was fetched")
	}
	if strings.Contains(a.URL(), "@") {
		t.Errorf("URL %s", a.URL())
	}
}
