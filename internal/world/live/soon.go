package live

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"
)

// initializing is what the API server answers, with 429 and «come back in a
// second», to a watch of a kind whose CRD is so young that its cache is not up
// (k8s.io/apiserver storage/cacher: errors.NewTooManyRequests). It is up a few
// milliseconds later, and a second is longer than all else that a unit with a
// new kind takes.
const initializing = "storage is (re)initializing"

const (
	soonest     = 10 * time.Millisecond // the first wait; each is twice the one before
	soonFor     = time.Second           // how long all waits may be; then the server's word counts
	maxRefusal  = 64 << 10              // bytes of a refusal that are read
	retryHeader = "Retry-After"
)

// Soon wraps a transport for watches: one that is refused because its storage
// only starts is asked again soon. Every other answer goes through unchanged.
// A nil transport is http.DefaultTransport.
func Soon(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return soon{next}
}

type soon struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s soon) RoundTrip(req *http.Request) (*http.Response, error) {
	waited := time.Duration(0)
	for wait := soonest; ; wait *= 2 {
		resp, err := s.next.RoundTrip(req)
		if err != nil || waited+wait > soonFor || req.Method != http.MethodGet || !starting(resp) {
			return resp, err
		}
		select {
		case <-time.After(wait):
			waited += wait
		case <-req.Context().Done():
			return resp, nil
		}
	}
}

// starting tells whether a response is that refusal; its body can be read again.
func starting(resp *http.Response) bool {
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get(retryHeader) == "" {
		return false
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	_ = resp.Body.Close() // what matters of it was read
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return err == nil && strings.Contains(string(body), initializing)
}
