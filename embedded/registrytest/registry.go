// Package registrytest starts a real OCI registry (distribution, in memory) on
// loopback for tests, and fills it.
//
//	reg := registrytest.Start(t, registrytest.Options{User: "u", Password: "p"})
//	digest := reg.Push("acme/app", "1.0.0", registrytest.Files(map[string]string{"a.yaml": "…"}))
//	reg.URL("acme/app") // oci://127.0.0.1:…/acme/app
//
// It records what it is asked, and lets a test answer in its place.
package registrytest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // logins
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // storage
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
)

// Login says how the registry asks who someone is.
type Login int

// Basic is HTTP's own way. Token sends to a token server, which the registry is
// itself, and takes nothing but what that gave out.
const (
	Basic Login = iota
	Token
)

// Options of a registry; the zero value is open to all, over plain HTTP.
type Options struct {
	User, Password string
	Login          Login // where there is a User
	// TLS serves over TLS under a certificate of its own, see CA; nil is plain
	// HTTP. Its fields are kept, such as ClientAuth.
	TLS *tls.Config
}

// Registry is a running registry.
type Registry struct {
	t   testing.TB
	o   Options
	srv *httptest.Server
	app http.Handler

	mu     sync.Mutex
	asked  []Request
	answer func(http.ResponseWriter, *http.Request) bool
}

// Request is one that came.
type Request struct{ Method, Path, Host, Authorization string }

// String returns method and path.
func (r Request) String() string { return r.Method + " " + r.Path }

// token is what the token server gives out.
const token = "token-of-the-test"

var quiet = sync.OnceFunc(func() { logrus.SetOutput(io.Discard) })

// Start starts a registry that ends with the test.
func Start(t testing.TB, o Options) *Registry {
	t.Helper()
	quiet()
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": {}, "delete": {"enabled": true}}}
	config.HTTP.Secret = "of the test"
	config.Catalog.MaxEntries = 1000
	config.Tags.MaxTags = 1000
	if o.User != "" && o.Login == Basic {
		config.Auth = configuration.Auth{"htpasswd": {"realm": "test", "path": htpasswd(t, o)}}
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r := &Registry{t: t, o: o, app: handlers.NewApp(ctx, config)}
	r.srv = httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	r.srv.Config.ErrorLog = log.New(io.Discard, "", 0) // tests refuse certificates on purpose
	if o.TLS != nil {
		r.srv.TLS = o.TLS.Clone()
		r.srv.StartTLS()
	} else {
		r.srv.Start()
	}
	t.Cleanup(r.srv.Close)
	return r
}

func htpasswd(t testing.TB, o Options) string {
	t.Helper()
	sum, err := bcrypt.GenerateFromPassword([]byte(o.Password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s:%s\n", o.User, sum), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asked = append(r.asked, Request{req.Method, req.URL.Path, req.Host, req.Header.Get("Authorization")})
	answer := r.answer
	r.mu.Unlock()
	switch {
	case answer != nil && answer(w, req):
	case req.URL.Path == "/token":
		r.giveToken(w, req)
	case r.o.User != "" && r.o.Login == Token && req.Header.Get("Authorization") != "Bearer "+token:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=%q", r.srv.URL+"/token", "test"))
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"a token is needed"}]}`)
	default:
		r.app.ServeHTTP(w, req)
	}
}

func (r *Registry) giveToken(w http.ResponseWriter, req *http.Request) {
	user, password, _ := req.BasicAuth()
	if user != r.o.User || password != r.o.Password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = fmt.Fprintf(w, `{"token":%q,"expires_in":300}`, token)
}

// Answer lets f answer in the registry's place where it returns true; nil ends
// that.
func (r *Registry) Answer(f func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// Asked returns the requests since the last call.
func (r *Registry) Asked() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.asked
	r.asked = nil
	return out
}

// Host returns host:port.
func (r *Registry) Host() string { return r.srv.Listener.Addr().String() }

// URL returns the oci:// address of a repository.
func (r *Registry) URL(repository string) string { return "oci://" + r.Host() + "/" + repository }

// CA returns the certificate of the registry in PEM.
func (r *Registry) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.srv.Certificate().Raw})
}

// Trust returns a pool with the certificate of the registry in it.
func (r *Registry) Trust() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(r.srv.Certificate())
	return pool
}

// Close ends the registry before the test does.
func (r *Registry) Close() { r.srv.Close() }

// DockerConfig returns the data of an image pull secret for the registry.
func (r *Registry) DockerConfig(user, password string) map[string][]byte {
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return map[string][]byte{".dockerconfigjson": fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, r.Host(), auth)}
}

// Proxy starts an HTTP proxy for plain HTTP that ends with the test; asked
// counts what went through it.
func Proxy(t testing.TB) (address string, asked func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodConnect {
			http.Error(w, "only plain HTTP", http.StatusMethodNotAllowed)
			return
		}
		mu.Lock()
		n++
		mu.Unlock()
		out := req.Clone(req.Context())
		out.RequestURI = ""
		res, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		for key, values := range res.Header {
			w.Header()[key] = values
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// freeHost returns a loopback address at which nobody listens.
func freeHost(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Gone returns the address of a repository of a registry that is not there.
func Gone(t testing.TB) string { return "oci://" + freeHost(t) + "/acme/app" }
