package installtest

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/rest"
)

// asked is what was asked of the API server, by whom, and what it answered.
type asked struct {
	account     string // by its token
	as          string // whom it acted for, "" for itself
	verb        string
	group, what string // what is resource or resource/subresource
	code        int
}

func (a asked) String() string {
	return fmt.Sprintf("%s as %q: %s %s.%s: %d", a.account, a.as, a.verb, a.what, a.group, a.code)
}

// gate stands before an API server and keeps who asked what. It adds no rights:
// a request has those of the token that it brings.
type gate struct {
	URL   string
	CA    []byte // PEM
	infos request.RequestInfoFactory

	mu       sync.Mutex
	accounts map[string]string // by token
	all      []asked
}

func newGate(t *testing.T, cfg *rest.Config) *gate {
	t.Helper()
	target, err := url.Parse(cfg.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(cfg))
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{
		accounts: map[string]string{},
		infos:    request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")},
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error { g.note(r); return nil },
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewUnstartedServer(proxy)
	server.EnableHTTP2 = true
	server.StartTLS() // clients bring no token to where anybody could listen
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	g.URL = server.URL
	g.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return g
}

func (g *gate) note(r *http.Response) {
	info, err := g.infos.NewRequestInfo(r.Request)
	if err != nil || !info.IsResourceRequest {
		return
	}
	what := info.Resource
	if info.Subresource != "" {
		what += "/" + info.Subresource
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, asked{
		account: g.accounts[strings.TrimPrefix(r.Request.Header.Get("Authorization"), "Bearer ")],
		as:      r.Request.Header.Get("Impersonate-User"), verb: info.Verb, group: info.APIGroup, what: what, code: r.StatusCode,
	})
}

// knows names the account that a token is of.
func (g *gate) knows(token, account string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[token] = account
}

// take returns what was asked since the last take.
func (g *gate) take() []asked {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.all
	g.all = nil
	return out
}
