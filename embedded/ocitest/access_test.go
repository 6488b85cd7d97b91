package ocitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/embedded/registrytest"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/oci"
)

func access(t *testing.T, s oci.Secrets) oci.Access {
	t.Helper()
	a, err := oci.AccessOf(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func login(data map[string][]byte) oci.Secrets { return oci.Secrets{Pull: []map[string][]byte{data}} }

// verdict pulls and compares the class of the error, "" for none.
func verdict(t *testing.T, name string, r *oci.Repository, want fault.Class) {
	t.Helper()
	_, _, err := pull(t, r, oci.Ref{Tag: "1.0.0"})
	if fault.ClassOf(err) != want || err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("%s: got %q: %v, want %q", name, fault.ClassOf(err), err, want)
	}
	if _, err := r.Tags(t.Context(), time.Now()); fault.ClassOf(err) != want {
		t.Errorf("%s: tags: got %q: %v, want %q", name, fault.ClassOf(err), err, want)
	}
}

func TestLogin(t *testing.T) {
	for name, how := range map[string]registrytest.Login{"basic": registrytest.Basic, "token": registrytest.Token} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.Start(t, registrytest.Options{User: "u", Password: "canary", Login: how})
			reg.Push("acme/app", "1.0.0", files("1"))
			pool := oci.NewPool(oci.Options{})
			in := func(s oci.Secrets) *oci.Repository { return openIn(t, pool, reg.URL("acme/app"), access(t, s)) }
			verdict(t, "none", in(oci.Secrets{}), fault.Auth)
			verdict(t, "wrong", in(login(reg.DockerConfig("u", "canary2"))), fault.Auth)
			verdict(t, "right", in(login(reg.DockerConfig("u", "canary"))), "")
			verdict(t, "user name and password", in(login(map[string][]byte{"username": []byte("u"), "password": []byte("canary")})), "")
			verdict(t, "of another host", in(login(map[string][]byte{".dockerconfigjson": []byte(
				strings.ReplaceAll(string(reg.DockerConfig("u", "canary")[".dockerconfigjson"]), reg.Host(), "ghcr.io"))})), fault.Auth)
			verdict(t, "none again: nothing is shared", in(oci.Secrets{}), fault.Auth)
		})
	}
}

func TestTLS(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{TLS: &tls.Config{}})
	reg.Push("acme/app", "1.0.0", files("1"))
	cert, key := pair(t)
	with := func(data map[string][]byte) oci.Access { return access(t, oci.Secrets{Cert: data}) }
	verdict(t, "own CA", open(t, reg.URL("acme/app"), with(map[string][]byte{"ca.crt": reg.CA()})), "")
	verdict(t, "legacy key", open(t, reg.URL("acme/app"), with(map[string][]byte{"caFile": reg.CA()})), "")
	verdict(t, "insecure", open(t, reg.URL("acme/app"), oci.Access{Transport: oci.Insecure}), "")
	verdict(t, "unknown authority", open(t, reg.URL("acme/app"), oci.Access{}), fault.Trust)
	wrong := with(map[string][]byte{"ca.crt": cert, "tls.crt": cert, "tls.key": key})
	verdict(t, "wrong CA", open(t, reg.URL("acme/app"), wrong), fault.Trust)
	wrong.Transport = oci.Insecure
	verdict(t, "wrong CA stays wrong with insecure", open(t, reg.URL("acme/app"), wrong), fault.Trust)
}

func TestClientCertificate(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{TLS: &tls.Config{ClientAuth: tls.RequireAnyClientCert}})
	reg.Push("acme/app", "1.0.0", files("1"))
	cert, key := pair(t)
	verdict(t, "with", open(t, reg.URL("acme/app"), access(t, oci.Secrets{Cert: map[string][]byte{"ca.crt": reg.CA(), "tls.crt": cert, "tls.key": key}})), "")
	verdict(t, "without", open(t, reg.URL("acme/app"), access(t, oci.Secrets{Cert: map[string][]byte{"ca.crt": reg.CA()}})), fault.Auth)
}

func pair(t *testing.T) (cert, key []byte) {
	t.Helper()
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der := must(x509.CreateCertificate(rand.Reader, template, template, k.Public(), k))
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(k))})
}

func TestProxy(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	reg.Push("acme/app", "1.0.0", files("1"))
	address, asked := registrytest.Proxy(t)
	verdict(t, "through", open(t, reg.URL("acme/app"), oci.Access{Proxy: secret.Of(address)}), "")
	if asked() == 0 {
		t.Error("nothing went through the proxy")
	}
	verdict(t, "gone", open(t, reg.URL("acme/app"), oci.Access{Proxy: secret.Of("http://u:canary@127.0.0.1:1")}), fault.Unreachable)
}

func TestGone(t *testing.T) {
	verdict(t, "gone", open(t, registrytest.Gone(t), oci.Access{}), fault.Unreachable)
}

// A redirect takes the blob from elsewhere, and no credential goes there: not to
// another host, not to another port of the same one.
func TestRedirectCarriesNoCredential(t *testing.T) {
	for name, how := range map[string]registrytest.Login{"basic": registrytest.Basic, "token": registrytest.Token} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.Start(t, registrytest.Options{User: "u", Password: "p", Login: how})
			elsewhere := registrytest.Start(t, registrytest.Options{})
			digest := reg.Push("acme/app", "1.0.0", files("1"))
			elsewhere.Push("acme/app", "1.0.0", files("1"))
			elsewhere.Asked()
			for _, host := range []string{elsewhere.Host(), strings.Replace(elsewhere.Host(), "127.0.0.1", "localhost", 1)} {
				reg.Answer(func(w http.ResponseWriter, r *http.Request) bool {
					if !strings.Contains(r.URL.Path, "/blobs/") {
						return false
					}
					http.Redirect(w, r, "http://"+host+r.URL.Path, http.StatusTemporaryRedirect)
					return true
				})
				verdict(t, host, open(t, reg.URL("acme/app"), access(t, login(reg.DockerConfig("u", "p")))), "")
				asked := elsewhere.Asked()
				if len(asked) == 0 {
					t.Fatalf("%s was not asked for %s", host, digest)
				}
				for _, r := range asked {
					if r.Authorization != "" {
						t.Errorf("%s got the credential with %s", host, r)
					}
				}
			}
		})
	}
}
