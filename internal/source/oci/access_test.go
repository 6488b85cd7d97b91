package oci

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

func pull(text string) map[string][]byte { return map[string][]byte{keyDockerConfig: []byte(text)} }

func auth(user, password string) string {
	return fmt.Sprintf(`{"auth":%q}`, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// Which login goes to which repository, as the kubelet decides it.
func TestLogins(t *testing.T) {
	a, err := AccessOf(Secrets{Pull: []map[string][]byte{
		pull(`{"auths":{"ghcr.io":` + auth("host", "p") + `,"https://ghcr.io/acme":` + auth("path", "p") + `,
			"https://index.docker.io/v1/":` + auth("hub", "p:q") + `,"*.example.com:5000":` + auth("star", "p") + `,
			"plain.io":{"username":"plain","password":"p"},"token.io":{"identitytoken":"it"}}}`),
		{keyDockerCfg: []byte(`{"old.io":` + auth("old", "p") + `}`)},
		pull(`{"auths":{"plain.io":` + auth("later", "p") + `}}`),
		{keyUsername: []byte("any"), keyPassword: []byte("p")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for repo, want := range map[string]string{
		"ghcr.io/other/app":           "host",
		"ghcr.io/acme/app":            "path",
		"ghcr.io/acmes/app":           "host",
		"docker.io/acme/app":          "hub",
		"r1.example.com:5000/app":     "star",
		"a.r1.example.com:5000/app":   "any",
		"r1.example.com/app":          "any",
		"plain.io/app":                "later",
		"token.io/app":                "",
		"old.io/app":                  "old",
		"ghcr.io.evil.io/acme/app":    "any",
		"127.0.0.1:4000/ghcr.io/acme": "any",
	} {
		r, err := name.NewRepository(repo)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Resolve(r)
		if err != nil {
			t.Fatal(err)
		}
		conf, err := got.Authorization()
		if err != nil || conf.Username != want {
			t.Errorf("%s: got %q, %v, want %q", repo, conf.Username, err, want)
		}
	}
}

func TestAnonymous(t *testing.T) {
	r, _ := name.NewRepository("ghcr.io/acme/app")
	if got, err := (Access{}).Resolve(r); got != authn.Anonymous || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

// What cannot be used is refused without being quoted.
func TestAccessRefuses(t *testing.T) {
	for name, s := range map[string]Secrets{
		"no JSON":     {Pull: []map[string][]byte{pull("canary")}},
		"no base64":   {Pull: []map[string][]byte{pull(`{"auths":{"x":{"auth":"canary!"}}}`)}},
		"no colon":    {Pull: []map[string][]byte{pull(`{"auths":{"x":{"auth":"Y2FuYXJ5"}}}`)}},
		"legacy":      {Pull: []map[string][]byte{{keyDockerCfg: []byte("canary")}}},
		"CA":          {Cert: map[string][]byte{keyCA: []byte("canary")}},
		"no pair":     {Cert: map[string][]byte{keyCert: []byte("canary"), keyKey: []byte("canary")}},
		"endless key": {Cert: map[string][]byte{keyCert: []byte("canary"), keyKey: bytes.Repeat([]byte("canary"), secret.MaxKey)}},
		"half a pair": {Cert: map[string][]byte{keyCert: []byte("canary")}},
		"empty":       {Cert: map[string][]byte{}},
	} {
		_, err := AccessOf(s)
		if fault.ClassOf(err) != fault.Auth || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHasCertificates(t *testing.T) {
	for _, c := range []struct {
		keys string
		want bool
	}{
		{"ca.crt", true}, {"caFile username password", true}, {"tls.crt tls.key", true}, {"certFile keyFile", true}, {"tls.crt keyFile ca.crt", true},
		{"", false}, {"username password", false}, {"tls.crt", false}, {"tls.key ca.crt", false}, {"certFile caFile", false},
	} {
		data := map[string][]byte{}
		for key := range strings.FieldsSeq(c.keys) {
			data[key] = []byte("x")
		}
		if got := HasCertificates(data); got != c.want {
			t.Errorf("%q: got %v", c.keys, got)
		}
	}
}

// Accesses differ in whatever differs, and print nothing.
func TestAccessID(t *testing.T) {
	k := secret.NewKey()
	p := secret.Of("canary")
	seen := map[string]int{}
	for i, a := range []Access{
		{}, {Username: "u"}, {Username: "u", Password: p}, {CA: "c"}, {ClientCert: "c"}, {ClientKey: p}, {Proxy: p}, {Transport: Insecure},
		{Logins: []Login{{For: "x"}}}, {Logins: []Login{{For: "x", Password: p}}}, {Logins: []Login{{For: "x", IdentityToken: p}}},
	} {
		if was, ok := seen[a.id(k)]; ok {
			t.Errorf("%d and %d are the same", was, i)
		}
		seen[a.id(k)] = i
		if text := fmt.Sprintf("%+v %#v", a, a); strings.Contains(text, "canary") {
			t.Errorf("%d prints %s", i, text)
		}
	}
}

// Whatever a Secret holds, reading it neither panics nor quotes it.
func FuzzAccessOf(f *testing.F) {
	f.Add([]byte(`{"auths":{"ghcr.io":{"auth":"dTpw"},"*.x:5000/a":{"username":"u","password":"p"}}}`))
	f.Add([]byte(`{"auths":{"[":{"identitytoken":"t"},"https://index.docker.io/v1/":null,"":{}}}`))
	f.Add([]byte(`{"auths":{"a":{"auth":"` + "canary-canary" + `"}}}`))
	repos := []string{"ghcr.io/acme/app", "docker.io/acme/app", "r.x:5000/a/b", "[::1]:5000/a"}
	f.Fuzz(func(t *testing.T, config []byte) {
		a, err := AccessOf(Secrets{Pull: []map[string][]byte{{keyDockerConfig: config}, {keyDockerCfg: config}}})
		if err != nil {
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("quotes: %v", err)
			}
			return
		}
		for _, text := range repos {
			if r, err := name.NewRepository(text); err == nil {
				if _, err := a.Resolve(r); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			}
		}
	})
}
