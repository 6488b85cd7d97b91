package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// artifacts is the artifact port of one replica. The one that leads answers from
// its store; another passes requests on to the leader, so that a Service may
// send clients to any replica that says it is ready. The zero port (no listener)
// serves nothing and is always ready.
type artifacts struct {
	listener net.Listener
	store    http.Handler
	log      *slog.Logger

	once   sync.Once
	server *http.Server
	leads  atomic.Bool
	leader atomic.Pointer[func() string] // identity of whoever leads
}

const (
	// passedOn marks a request that another replica passed on: it goes no further.
	passedOn = "Leat-Passed-On"
	// reachWithin bounds the question whether the leader can be reached; a probe
	// of the kubelet waits one second.
	reachWithin = 500 * time.Millisecond
	// answerWithin bounds how long the leader may take to begin its answer.
	answerWithin = 30 * time.Second
)

// serve begins to answer; a second call does nothing.
func (p *artifacts) serve() {
	if p.listener == nil {
		return
	}
	p.once.Do(func() {
		p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
		go func() {
			if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				p.log.Error("the artifact server ended", "error", err)
			}
		}()
	})
}

// follow says who is asked for the leader's identity.
func (p *artifacts) follow(leader func() string) { p.leader.Store(&leader) }

// close ends the server and its connections.
func (p *artifacts) close() {
	if p.server != nil {
		_ = p.server.Close()
	}
	if p.listener != nil {
		_ = p.listener.Close()
	}
}

// ready tells whether a client that comes to this replica is answered with the
// leader's files; the error says why not.
func (p *artifacts) ready(ctx context.Context) error {
	if p.listener == nil || p.leads.Load() {
		return nil
	}
	addr := p.elsewhere()
	if addr == "" {
		return errors.New("starting: this replica does not lead, and none that leads is known")
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("this replica does not lead, and the one that does is out of reach: %w", err)
	}
	return conn.Close()
}

// ServeHTTP implements http.Handler.
func (p *artifacts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch addr := p.elsewhere(); {
	case p.leads.Load():
		p.store.ServeHTTP(w, r)
	case addr == "" || r.Header.Get(passedOn) != "":
		unavailable(w, "no replica that leads is known")
	default:
		passer(addr).ServeHTTP(w, r)
	}
}

// elsewhere is the artifact port of the leader, "" where none is known.
func (p *artifacts) elsewhere() string {
	leader := p.leader.Load()
	if leader == nil {
		return ""
	}
	return addressOf((*leader)())
}

// onward carries requests to leaders.
var onward = &http.Transport{
	DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, ResponseHeaderTimeout: answerWithin, IdleConnTimeout: time.Minute,
}

func passer(addr string) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport: onward,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: addr})
			r.Out.Header.Set(passedOn, "1")
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { unavailable(w, err.Error()) },
	}
}

func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "the replica that leads cannot be asked: "+why, http.StatusServiceUnavailable)
}

// at adds to the identity of a replica where its artifacts are served: the
// address of its pod and the port. Without an address (not in a pod) others
// cannot pass requests on, and wait for their turn without being ready.
func at(id, podIP string, listener net.Listener) string {
	if podIP == "" || listener == nil {
		return id
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return id
	}
	return id + "@" + net.JoinHostPort(podIP, port)
}

// addressOf reads the address that at added, "" where there is none. Only a
// number is one: names are not looked up for whoever writes a lease.
func addressOf(id string) string {
	_, addr, _ := strings.Cut(id, "@")
	if _, err := netip.ParseAddrPort(addr); err != nil {
		return ""
	}
	return addr
}
