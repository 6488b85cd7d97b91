package helm

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Patience bounds how long one action waits for answers of the cluster, all requests
// together: the cluster may be somebody else's, who lets it answer as slowly as he likes,
// and the action has a place that others wait for. Waits for health and hooks are bounded
// by their timeouts, as upstream; watches and followed logs are part of them. To be called
// before the first run; zero bounds nothing.
func (c *Cluster) Patience(d time.Duration) { c.patience = d }

// slow is the error of requests for which no patience is left.
type slow struct{ after time.Duration }

// Error says how long was waited, and what to do.
func (s slow) Error() string {
	return fmt.Sprintf("the cluster has taken %s to answer the requests of this action, which is all it gets; see why it answers slowly, then reconcile the release", s.after)
}

// patience is what is left of a bound for all requests of a run. Requests at the same
// time count once.
type patience struct {
	whole time.Duration

	mu    sync.Mutex
	spent time.Duration
	open  int
	since time.Time // when the first of those that are open began
}

// begin returns what is left for a request that begins now; not more than zero is nothing.
func (p *patience) begin(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.whole - p.spent
	if p.open > 0 {
		left -= now.Sub(p.since)
	}
	if left <= 0 {
		return 0
	}
	if p.open++; p.open == 1 {
		p.since = now
	}
	return left
}

// end notes that a request ended that had begun.
func (p *patience) end(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open--; p.open == 0 {
		p.spent += now.Sub(p.since)
	}
}

// patient ends requests for which a run has no more patience.
type patient struct {
	to http.RoundTripper
	of *patience
}

// RoundTrip passes on, as long as there is patience; it counts until the answer was read.
func (h *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	if asks := req.URL.Query(); asks.Has("watch") || asks.Has("follow") {
		return h.to.RoundTrip(req)
	}
	left := h.of.begin(time.Now())
	if left <= 0 {
		return nil, slow{h.of.whole}
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(left, func() { cancel(slow{h.of.whole}) })
	end := sync.OnceFunc(func() {
		timer.Stop()
		cancel(nil)
		h.of.end(time.Now())
	})
	resp, err := h.to.RoundTrip(req.WithContext(ctx))
	if err != nil {
		defer end()
		return nil, impatient(ctx, err)
	}
	resp.Body = &patientBody{resp.Body, ctx, end}
	return resp, nil
}

// impatient returns why a context ended in place of what was made of it.
func impatient(ctx context.Context, err error) error {
	if late, ok := context.Cause(ctx).(slow); ok {
		return late
	}
	return err
}

// patientBody is an answer that is read.
type patientBody struct {
	io.ReadCloser
	ctx context.Context // of the request, which ends with the body
	end func()
}

// Read reads on.
func (b *patientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = impatient(b.ctx, err)
	}
	return n, err
}

// Close closes the body.
func (b *patientBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
