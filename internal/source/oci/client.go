package oci

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leat-dev/leat/internal/source/fault"
)

// Times of one connection and bounds of one question, which may take several
// requests: a ping, a token, redirects.
const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 30 * time.Second
	idleTimeout   = 90 * time.Second
	idlePerHost   = 16
	maxRequests   = 16
	maxPause      = time.Hour // that a registry may ask for
	firstPause    = 5 * time.Second
)

// client asks registries in the name of one access.
type client struct {
	pool *Pool
	tr   *http.Transport
	opts []remote.Option

	mu     sync.Mutex
	puller *remote.Puller
	repos  map[string]*Repository
	until  time.Time // asked to wait until then
}

func newClient(p *Pool, a Access) (*client, error) {
	conf, err := a.tls()
	if err != nil {
		return nil, err
	}
	proxy, err := a.proxy()
	if err != nil {
		return nil, err
	}
	c := &client{pool: p, repos: map[string]*Repository{}}
	c.tr = &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: p.o.Dial, TLSClientConfig: conf, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headerTimeout, IdleConnTimeout: idleTimeout,
		MaxIdleConnsPerHost: idlePerHost, MaxResponseHeaderBytes: 256 << 10,
	}
	if proxy != nil {
		c.tr.Proxy = http.ProxyURL(proxy)
	}
	never := func(error) bool { return false } // whoever asked comes again by itself
	c.opts = []remote.Option{
		remote.WithTransport(c), remote.WithAuthFromKeychain(a), remote.WithUserAgent("leat"),
		remote.WithRetryPredicate(never), remote.WithRetryStatusCodes(), remote.WithJobs(idlePerHost),
	}
	c.puller, err = remote.NewPuller(c.opts...)
	return c, err
}

// budget is what one question may take; it travels in the context, because
// redirects and tokens are asked for below.
type budget struct {
	bytes    int64 // of each answer
	requests atomic.Int64
}

type budgetKey struct{}

func withBudget(ctx context.Context, bytes int64) context.Context {
	b := &budget{bytes: bytes}
	b.requests.Store(maxRequests)
	return context.WithValue(ctx, budgetKey{}, b)
}

// RoundTrip implements http.RoundTripper: within the budget, and not while the
// registry asks to wait.
func (c *client) RoundTrip(req *http.Request) (*http.Response, error) {
	limit, err := c.admit(req.Context())
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := c.tr.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		resp.Body.Close()
		return nil, limited(c.hold(resp.Header.Get("Retry-After")))
	}
	if req.Method != http.MethodHead && resp.ContentLength > limit {
		resp.Body.Close()
		return nil, fail(fault.TooLarge, "the registry sends %d bytes, more than the limit of %d", resp.ContentLength, limit)
	}
	resp.Body = &capped{body: resp.Body, left: limit, limit: limit}
	return resp, nil
}

// admit returns how many bytes the answer to one more request may have.
func (c *client) admit(ctx context.Context) (limit int64, err error) {
	limit = int64(c.pool.o.Limits.Answer)
	if b, ok := ctx.Value(budgetKey{}).(*budget); ok {
		limit = b.bytes
		if b.requests.Add(-1) < 0 {
			return 0, fail(fault.Unsafe, "more than %d requests for one answer: the registry redirects without end", maxRequests)
		}
	}
	if left := c.pause(); left > 0 {
		return 0, limited(left)
	}
	return limit, nil
}

func limited(wait time.Duration) error {
	err := fail(fault.Busy, "the registry answers 429 Too Many Requests: asked to wait %s", wait.Round(time.Second)).(*fault.Error)
	err.After = wait
	return err
}

// pause returns how long the registry still asks to wait.
func (c *client) pause() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.until.Sub(c.pool.o.Now())
}

// hold reads Retry-After, seconds or a time, and keeps to it.
func (c *client) hold(header string) time.Duration {
	now := c.pool.o.Now()
	wait := firstPause
	if n, err := strconv.Atoi(header); err == nil {
		wait = time.Duration(min(n, int(maxPause/time.Second))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	wait = max(time.Second, min(wait, maxPause))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = now.Add(wait)
	return wait
}

// capped fails when more than its limit is read.
type capped struct {
	body        io.ReadCloser
	left, limit int64
}

func (r *capped) Read(p []byte) (int, error) {
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	n, err := r.body.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return 0, fail(fault.TooLarge, "the registry sends more than the limit of %d bytes", r.limit)
	}
	return n, err
}

func (r *capped) Close() error { return r.body.Close() }
