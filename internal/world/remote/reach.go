package remote

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// How a cluster that does not answer is asked again: twice as long each time.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = time.Minute
)

// refusedFor is how long a watch that was refused for want of rights waits before
// it asks again: a kubeconfig of few rights is none that waits for more.
const refusedFor = 5 * time.Minute

// errUnasked is the state of a cluster before it was first asked.
var errUnasked = errors.New("not asked yet")

// reach knows whether a cluster answers. Requests that break tell it, and it asks
// until there is an answer again.
type reach struct {
	ask  func(context.Context) error
	news func(error)

	mu     sync.Mutex
	err    error         // why there is no answer; nil: it answers
	up     chan struct{} // closed while it answers
	broken chan struct{} // holds a mark when it does not any more
}

func newReach(ask func(context.Context) error, news func(error)) *reach {
	return &reach{ask: ask, news: news, err: errUnasked, up: make(chan struct{}), broken: make(chan struct{}, 1)}
}

// state returns whether the cluster was asked, and why it does not answer.
func (r *reach) state() (asked bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(r.err, errUnasked) {
		return false, nil
	}
	return true, r.err
}

// run asks until there is an answer, and again whenever a request broke, until
// ctx ends.
func (r *reach) run(ctx context.Context) {
	for {
		r.until(ctx)
		select {
		case <-r.broken:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reach) until(ctx context.Context) {
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		err := r.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		r.set(err)
		if err == nil {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// set notes how the cluster answered, and tells of it where that is news.
func (r *reach) set(err error) {
	r.mu.Lock()
	was := r.err
	r.err = err
	if err == nil && was != nil {
		close(r.up)
	}
	if err != nil && was == nil {
		r.up = make(chan struct{})
	}
	r.mu.Unlock()
	if (was == nil) != (err == nil) || errors.Is(was, errUnasked) {
		r.news(err)
	}
}

// broke notes that a request got no answer.
func (r *reach) broke(err error) {
	r.mu.Lock()
	answered := r.err == nil
	if answered {
		r.err, r.up = err, make(chan struct{})
	}
	r.mu.Unlock()
	if !answered {
		return
	}
	r.news(err)
	select {
	case r.broken <- struct{}{}:
	default:
	}
}

// await returns when the cluster answers.
func (r *reach) await(ctx context.Context) error {
	r.mu.Lock()
	up := r.up
	r.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sensing tells of requests that got no answer, and takes no redirection: it
// would carry the credential elsewhere.
type sensing struct {
	next  http.RoundTripper
	reach *reach
}

// RoundTrip implements http.RoundTripper.
func (s sensing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err != nil {
		if req.Context().Err() == nil {
			s.reach.broke(err)
		}
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.Header.Get("Location") != "" {
		_ = resp.Body.Close() // nothing of it is read
		return nil, errors.New("the server answered with a redirection, which is not followed")
	}
	return resp, nil
}

// patient is a transport for watches: they wait while the cluster does not
// answer, and for a good while after they were refused.
type patient struct {
	next  http.RoundTripper
	reach *reach

	mu      *sync.Mutex
	refused map[string]time.Time // by what is watched: until when
}

// maxRefused bounds the watches that are remembered as refused.
const maxRefused = 1000

func newPatient(next http.RoundTripper, r *reach) patient {
	return patient{next, r, &sync.Mutex{}, map[string]time.Time{}}
}

// RoundTrip implements http.RoundTripper.
func (p patient) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := p.wait(req); err != nil {
		return nil, err
	}
	resp, err := p.next.RoundTrip(req)
	if err == nil && (resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized) {
		p.note(watched(req))
	}
	return resp, err
}

func (p patient) wait(req *http.Request) error {
	ctx := req.Context()
	p.mu.Lock()
	until, refused := p.refused[watched(req)]
	p.mu.Unlock()
	if refused {
		select {
		case <-time.After(time.Until(until)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p.reach.await(ctx)
}

// watched names what is watched. Two watches of one kind that select differently
// are two: each must hear for itself that it is refused.
func watched(req *http.Request) string {
	q := req.URL.Query()
	return req.URL.Path + " " + q.Get("labelSelector") + " " + q.Get("fieldSelector")
}

func (p patient) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.refused) >= maxRefused {
		clear(p.refused)
	}
	p.refused[what] = time.Now().Add(refusedFor)
}

// Unreachable is the error of a cluster that does not answer.
type Unreachable struct {
	Host string
	Err  error
}

// Error names the server.
func (u *Unreachable) Error() string {
	return "the Kubernetes API server at " + u.Host + " does not answer: " + u.Err.Error()
}

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }
