package faulttest

import (
	"errors"
	"net/http"
	"strings"
	"sync"
)

// Moment is when, seen from a write, a process ends.
type Moment string

// The moments.
const (
	Before Moment = "before" // the write was not made
	After  Moment = "after"  // it was made, and nobody heard the answer
)

// Crash is a transport that is cut at a write: from then on nothing gets
// through, as from a process that is gone. Dry runs and events are no writes.
type Crash struct {
	at     int
	moment Moment
	done   chan struct{}

	mu     sync.Mutex
	writes []string
}

// CrashAt cuts at the n-th write; with n of 0 it only counts.
func CrashAt(n int, m Moment) *Crash {
	return &Crash{at: n, moment: m, done: make(chan struct{})}
}

// Wrap is a rest.Config's WrapTransport.
func (c *Crash) Wrap(next http.RoundTripper) http.RoundTripper { return &crashing{c, next} }

// Done is closed when the crash has happened.
func (c *Crash) Done() <-chan struct{} { return c.done }

// Writes lists the writes that were tried: "PATCH /api/v1/…".
func (c *Crash) Writes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.writes...)
}

type crashing struct {
	*Crash
	next http.RoundTripper
}

var errDead = errors.New("faulttest: the process is dead")

// RoundTrip implements http.RoundTripper.
func (c *crashing) RoundTrip(req *http.Request) (*http.Response, error) {
	mine, dead := c.count(req)
	switch {
	case dead, mine && c.moment == Before:
		drain(req.Body)
		return nil, errDead
	case !mine:
		return c.next.RoundTrip(req)
	}
	defer close(c.done)
	if resp, err := c.next.RoundTrip(req); err == nil {
		drain(resp.Body)
	}
	return nil, errDead
}

// count notes a write; mine is the one at which the process ends.
func (c *crashing) count(req *http.Request) (mine, dead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at > 0 && len(c.writes) >= c.at {
		return false, true
	}
	if !isWrite(req) {
		return false, false
	}
	c.writes = append(c.writes, req.Method+" "+req.URL.Path)
	if len(c.writes) != c.at {
		return false, false
	}
	if c.moment == Before {
		close(c.done)
	}
	return true, false
}

func isWrite(req *http.Request) bool {
	return req.Method != http.MethodGet && !req.URL.Query().Has("dryRun") && !strings.HasSuffix(req.URL.Path, "/events")
}
