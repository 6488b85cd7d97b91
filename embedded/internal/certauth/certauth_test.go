package certauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	x509request "k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/authentication/user"
)

// counted is Kubernetes' own authenticator by certificate, and counts what it is asked.
type counted struct {
	authenticator.Request
	asked int
}

func (c *counted) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	c.asked++
	return c.Request.AuthenticateRequest(req)
}

type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	return authority{key, sign(t, template, template, key, key)}
}

func sign(t *testing.T, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a authority) client(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name, Organization: []string{"team"}},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.cert, key, a.key)
}

func (a authority) authenticator() *counted {
	options := x509request.DefaultVerifyOptions()
	options.Roots = x509.NewCertPool()
	options.Roots.AddCert(a.cert)
	return &counted{Request: x509request.New(options, x509request.CommonNameUserConversion)}
}

func request(certs ...*x509.Certificate) *http.Request {
	return &http.Request{TLS: &tls.ConnectionState{PeerCertificates: certs}}
}

func ask(t *testing.T, a authenticator.Request, req *http.Request, want string) {
	t.Helper()
	resp, ok, err := a.AuthenticateRequest(req)
	got := ""
	if ok && err == nil {
		got = resp.User.GetName()
	}
	if got != want {
		t.Errorf("authenticated as %q (%v), want %q", got, err, want)
	}
}

func TestACertificateIsVerifiedOnce(t *testing.T) {
	ca := newAuthority(t)
	next := ca.authenticator()
	a := Once(next)
	one, other := ca.client(t, "one"), ca.client(t, "other")
	for range 3 {
		ask(t, a, request(one), "one")
		ask(t, a, request(other), "other")
	}
	if next.asked != 2 {
		t.Errorf("two certificates were verified %d times", next.asked)
	}
}

func TestAnExpiredCertificateIsVerifiedAgain(t *testing.T) {
	ca := newAuthority(t)
	next := ca.authenticator()
	later := time.Now()
	a := &once{next: next, now: func() time.Time { return later }}
	cert := ca.client(t, "one")
	ask(t, a, request(cert), "one")
	later = cert.NotAfter
	ask(t, a, request(cert), "one")
	if next.asked != 2 {
		t.Errorf("it was asked %d times, want again at the certificate's end", next.asked)
	}
}

func TestWhatIsRefusedIsNotRemembered(t *testing.T) {
	ca, next := newAuthority(t), newAuthority(t).authenticator()
	a := Once(next)
	cert := ca.client(t, "one")
	for range 2 {
		ask(t, a, request(cert), "")
	}
	if next.asked != 2 {
		t.Errorf("it was asked %d times, want each time", next.asked)
	}
}

// A proxy's certificate says nothing of whom it speaks for, nor does that of who
// gives a token.
func TestOtherAnswersAreNotRemembered(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.client(t, "proxy")
	names := []string{"alice", "bob"}
	next := &counted{Request: authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		name := names[0]
		names = names[1:]
		return &authenticator.Response{User: &user.DefaultInfo{Name: name}}, true, nil
	})}
	a := Once(next)
	ask(t, a, request(cert), "alice")
	ask(t, a, request(cert), "bob")

	failing := &counted{Request: authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return nil, false, errors.New("no")
	})}
	b := Once(failing)
	ask(t, b, request(), "")
	ask(t, b, &http.Request{}, "")
	ask(t, b, request(cert, ca.cert), "")
	if failing.asked != 3 {
		t.Errorf("asked %d times, want 3", failing.asked)
	}
}
