// Package certauth authenticates clients by certificate without verifying the same
// certificate again for each request. Kubernetes does that (a tenth of a millisecond
// each, k8s.io/apiserver/pkg/authentication/request/x509), since its authorities may
// change while it runs; those of the embedded control plane do not.
package certauth

import (
	"crypto/x509"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"
	"weak"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// credentialPrefix begins the credential id of who was authenticated by certificate.
const credentialPrefix = "X509SHA256="

// Once returns an authenticator that asks next, and remembers its answer for a
// certificate until that expires. Every other answer, of tokens and of proxies,
// is next's each time.
func Once(next authenticator.Request) authenticator.Request {
	return &once{next: next, now: time.Now}
}

type once struct {
	next  authenticator.Request
	now   func() time.Time
	known sync.Map // weak.Pointer[x509.Certificate] → *authenticator.Response
}

func (o *once) AuthenticateRequest(req *http.Request) (*authenticator.Response, bool, error) {
	if req.TLS == nil || len(req.TLS.PeerCertificates) != 1 {
		return o.next.AuthenticateRequest(req)
	}
	cert := req.TLS.PeerCertificates[0]
	if resp, ok := o.known.Load(weak.Make(cert)); ok && o.now().Before(cert.NotAfter) {
		return resp.(*authenticator.Response), true, nil
	}
	resp, ok, err := o.next.AuthenticateRequest(req)
	if ok && err == nil && byCertificate(resp) {
		o.remember(cert, resp)
	}
	return resp, ok, err
}

// remember keeps an answer for as long as a connection has the certificate.
func (o *once) remember(cert *x509.Certificate, resp *authenticator.Response) {
	key := weak.Make(cert)
	if _, known := o.known.Swap(key, resp); !known {
		runtime.AddCleanup(cert, func(key weak.Pointer[x509.Certificate]) { o.known.Delete(key) }, key)
	}
}

// byCertificate tells whether it was the client's certificate that said who it is.
func byCertificate(resp *authenticator.Response) bool {
	if resp == nil || resp.User == nil {
		return false
	}
	ids := resp.User.GetExtra()[user.CredentialIDKey]
	return len(ids) == 1 && strings.HasPrefix(ids[0], credentialPrefix)
}
