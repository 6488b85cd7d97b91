package git

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	return authority{cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// issue makes a certificate for 127.0.0.1 that ends after some time.
func (a authority) issue(t testing.TB, valid time.Duration, hosts ...string) (tls.Certificate, string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(valid),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if len(hosts) > 0 {
		tmpl.IPAddresses, tmpl.DNSNames = nil, hosts
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair, string(certPEM), string(keyPEM)
}

// newTLS serves over TLS.
func newTLS(t testing.TB, root string, conf *tls.Config, guards ...guard) *server {
	t.Helper()
	s := &server{backend: backend(t, root)}
	s.Server = httptest.NewUnstartedServer(s.handler(guards))
	s.Config.ErrorLog = nil
	s.TLS = conf
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func allow(check func(r *http.Request) bool) guard {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !check(r) {
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func TestHTTPAuth(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	basic := newServer(t, u.root, allow(func(r *http.Request) bool {
		user, pass, _ := r.BasicAuth()
		return user == "u" && pass == canary
	}))
	bearer := newServer(t, u.root, allow(func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+canary }))
	p := newPool(t, Options{})
	good := Credential{Username: "u", Password: secret.Of(canary)}
	resolve(t, remote(t, p, basic.repo(), good), Ref{Branch: "main"})
	resolve(t, remote(t, p, strings.Replace(basic.repo(), "http://", "http://u:"+canary+"@", 1), Credential{}), Ref{Branch: "main"})
	resolve(t, remote(t, p, bearer.repo(), Credential{BearerToken: secret.Of(canary)}), Ref{Branch: "main"})
	for _, c := range []Credential{{}, {Username: "u", Password: secret.Of("wrong" + canary)}, {BearerToken: secret.Of(canary)}} {
		fails(t, remote(t, p, basic.repo(), c), Ref{Branch: "main"}, fault.Auth, "authentication failed: the server answers 401 Unauthorized: who are you?")
	}
	// What one credential fetched, another does not see.
	head := u.git("rev-parse", "HEAD")
	fails(t, remote(t, p, basic.repo(), Credential{}), Ref{Commit: head}, fault.Auth, "authentication failed")
}

// No error shows what was sent, whatever goes wrong.
func TestErrorsHoldNoCredential(t *testing.T) {
	reflect := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	}
	srv := newServer(t, t.TempDir(), reflect)
	for _, addr := range []string{srv.repo(), "http://127.0.0.1:1/x", "http://host.invalid/x", "https://" + strings.TrimPrefix(srv.repo(), "http://")} {
		withUser := strings.Replace(addr, "://", "://user:"+canary+"@", 1)
		r := remote(t, newPool(t, Options{}), withUser, Credential{})
		_, err := r.Resolve(context.Background(), Ref{}, time.Time{})
		if err == nil || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "user:") {
			t.Errorf("%s: got %v", addr, err)
		}
	}
}

func TestTLS(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	ca, other := newAuthority(t), newAuthority(t)
	pair, _, _ := ca.issue(t, time.Hour)
	srv := newTLS(t, u.root, &tls.Config{Certificates: []tls.Certificate{pair}})
	p := newPool(t, Options{})
	resolve(t, remote(t, p, srv.repo(), Credential{CA: ca.pem}), Ref{Branch: "main"})
	// A CA that one tenant trusts is nobody else's.
	fails(t, remote(t, p, srv.repo(), Credential{}), Ref{Branch: "main"}, fault.Trust, "unknown authority")
	fails(t, remote(t, p, srv.repo(), Credential{CA: other.pem}), Ref{Branch: "main"}, fault.Trust, "unknown authority")

	late, _, _ := ca.issue(t, -time.Hour)
	expired := newTLS(t, u.root, &tls.Config{Certificates: []tls.Certificate{late}})
	fails(t, remote(t, p, expired.repo(), Credential{CA: ca.pem}), Ref{Branch: "main"}, fault.Trust, "expired")
	wrong, _, _ := ca.issue(t, time.Hour, "other.example.com")
	elsewhere := newTLS(t, u.root, &tls.Config{Certificates: []tls.Certificate{wrong}})
	fails(t, remote(t, p, elsewhere.repo(), Credential{CA: ca.pem}), Ref{Branch: "main"}, fault.Trust, "127.0.0.1")
	old := newTLS(t, u.root, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // the server to refuse
	fails(t, remote(t, p, old.repo(), Credential{CA: ca.pem}), Ref{Branch: "main"}, fault.Unreachable, "protocol version")
}

func TestClientCertificate(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	ca := newAuthority(t)
	pair, _, _ := ca.issue(t, time.Hour)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	srv := newTLS(t, u.root, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	_, cert, key := ca.issue(t, time.Hour)
	p := newPool(t, Options{})
	resolve(t, remote(t, p, srv.repo(), Credential{CA: ca.pem, ClientCert: cert, ClientKey: secret.Of(key)}), Ref{Branch: "main"})
	fails(t, remote(t, p, srv.repo(), Credential{CA: ca.pem}), Ref{Branch: "main"}, fault.Auth, "certificate required")
}

// A credential goes to the host it was given for and to no other.
func TestRedirects(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	var mu sync.Mutex
	var seen []string // what the other host gets to see
	other := newServer(t, u.root, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			seen = append(seen, r.Header.Get("Authorization"), r.Header.Get("Cookie"))
			mu.Unlock()
			next.ServeHTTP(w, r)
		})
	})
	to := func(base string) guard {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/old/") {
					http.Redirect(w, r, base+strings.TrimPrefix(r.URL.Path, "/old")+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	cred := Credential{Username: "u", Password: secret.Of(canary)}
	away := newServer(t, u.root, to(other.URL))
	resolve(t, remote(t, newPool(t, Options{}), away.URL+"/old/"+repoName+"/.git", cred), Ref{Branch: "main"})
	if len(seen) == 0 || slices.ContainsFunc(seen, func(s string) bool { return s != "" }) {
		t.Errorf("the other host saw %q", seen)
	}
	// On the same host it stays.
	same := newServer(t, u.root, allow(func(r *http.Request) bool { _, pass, _ := r.BasicAuth(); return pass == canary }), to(""))
	resolve(t, remote(t, newPool(t, Options{}), same.URL+"/old/"+repoName+"/.git", cred), Ref{Branch: "main"})

	round := newServer(t, u.root, to("/old"))
	fails(t, remote(t, newPool(t, Options{}), round.URL+"/old/"+repoName+"/.git", cred), Ref{}, fault.Unreachable, "more than 5 redirects")
	ca := newAuthority(t)
	pair, _, _ := ca.issue(t, time.Hour)
	down := newTLS(t, u.root, &tls.Config{Certificates: []tls.Certificate{pair}}, to(other.URL))
	fails(t, remote(t, newPool(t, Options{}), down.URL+"/old/"+repoName+"/.git", Credential{CA: ca.pem}), Ref{}, fault.Unreachable, "refused a redirect from https to http")
	// Only the listing is redirected, as in Git: a redirected POST is refused.
	posts := newServer(t, u.root, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	fails(t, remote(t, newPool(t, Options{}), posts.repo(), cred), Ref{}, fault.Unreachable, "307")
}

// httpProxy forwards requests and tunnels, and notes who asked for what.
func httpProxy(t *testing.T, asked *[]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
		if r.Header.Get("Proxy-Authorization") != "Basic dTpjYW5hcnktZjAw" { // u:canary-f00
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if r.Method != http.MethodConnect {
			r.RequestURI = ""
			r.Header.Del("Proxy-Authorization")
			res, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer res.Body.Close()
			for k, v := range res.Header {
				w.Header()[k] = v
			}
			w.WriteHeader(res.StatusCode)
			io.Copy(w, res.Body)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		from, _, _ := w.(http.Hijacker).Hijack()
		io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		pipe(from, to)
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return "http://" + l.Addr().String()
}

func pipe(a, b net.Conn) {
	go func() { io.Copy(a, b); a.Close() }()
	io.Copy(b, a)
	b.Close()
}

// socksProxy speaks as much of SOCKS5 (RFC 1928, 1929) as a client needs.
func socksProxy(t *testing.T, asked *[]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				head := make([]byte, 2)
				io.ReadFull(r, head)
				io.CopyN(io.Discard, r, int64(head[1]))
				conn.Write([]byte{5, 2}) // by user name and password
				field := func() string {
					n, _ := r.ReadByte()
					b := make([]byte, n)
					io.ReadFull(r, b)
					return string(b)
				}
				r.ReadByte()
				who := field() + ":" + field()
				conn.Write([]byte{1, 0})
				req := make([]byte, 10) // version, CONNECT, 0, IPv4, address, port
				io.ReadFull(r, req)
				addr := net.JoinHostPort(net.IP(req[4:8]).String(), fmt.Sprint(int(req[8])<<8|int(req[9])))
				*asked = append(*asked, who+" "+addr)
				to, err := net.Dial("tcp", addr)
				if err != nil || who != "u:"+canary {
					return
				}
				conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
				pipe(conn, to)
			}()
		}
	}()
	return "socks5://" + l.Addr().String()
}

func TestProxies(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	ca := newAuthority(t)
	pair, _, _ := ca.issue(t, time.Hour)
	plain, secure := newServer(t, u.root), newTLS(t, u.root, &tls.Config{Certificates: []tls.Certificate{pair}})
	for name, start := range map[string]func(*testing.T, *[]string) string{"http": httpProxy, "socks5": socksProxy} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			proxy := Proxy{Address: start(t, &asked), Username: "u", Password: secret.Of(canary)}
			for _, srv := range []*server{plain, secure} {
				before := len(asked)
				resolve(t, remote(t, newPool(t, Options{}), srv.repo(), Credential{CA: ca.pem, Proxy: proxy}), Ref{Branch: "main"})
				if len(asked) == before {
					t.Errorf("%s was reached without the proxy", srv.URL)
				}
			}
			if name == "http" {
				proxy.Password = secret.Of("wrong")
				_, err := remote(t, newPool(t, Options{}), secure.repo(), Credential{CA: ca.pem, Proxy: proxy}).Resolve(context.Background(), Ref{}, time.Time{})
				if err == nil || strings.Contains(err.Error(), "wrong") {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

// A pool that may not dial an address does not, redirects included.
func TestDialerDecides(t *testing.T) {
	refuse := func(ctx context.Context, network, addr string) (net.Conn, error) {
		return nil, fmt.Errorf("the address %s is not allowed", addr)
	}
	r := remote(t, newPool(t, Options{Dial: refuse}), "http://169.254.169.254/latest", Credential{})
	fails(t, r, Ref{}, fault.Unreachable, "169.254.169.254:80 is not allowed")
}
