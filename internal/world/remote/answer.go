package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Who answers may be anybody: a kubeconfig is a tenant's to write. Whatever comes back is
// bounded in size and in time, so that it costs its own units and nobody else.
const (
	// maxBody bounds an answer, in bytes: the largest are lists.
	maxBody = 128 << 20
	// maxEvent bounds one event of a watch; etcd holds objects of at most 1.5 MiB.
	maxEvent = 16 << 20
	// answerTimeout is how long an answer may take from the request to its last byte. An
	// API server gives up after 60 seconds; the rest is for the way.
	answerTimeout = 2 * time.Minute
	// maxPause is how long a server may ask a request to wait before it is sent again.
	maxPause = 10 * time.Second
)

// restrained bounds answers. Watches go on for as long as they are wanted, but none of
// their events is large.
type restrained struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (r restrained) RoundTrip(req *http.Request) (*http.Response, error) {
	if watches(req) {
		resp, err := r.next.RoundTrip(req)
		if err == nil {
			calm(resp.Header)
			if strings.Contains(resp.Header.Get("Content-Type"), "json") {
				resp.Body = &events{body: resp.Body}
			}
		}
		return resp, err
	}
	ctx, cancel := context.WithTimeoutCause(req.Context(), answerTimeout, errSlow)
	resp, err := r.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	calm(resp.Header)
	resp.Body = &answer{body: resp.Body, left: maxBody, end: cancel}
	return resp, nil
}

// watches tells whether a request is one for a watch.
func watches(req *http.Request) bool {
	watch, err := strconv.ParseBool(req.URL.Query().Get("watch"))
	return err == nil && watch && req.Method == http.MethodGet
}

// calm shortens what the server asks to wait.
func calm(h http.Header) {
	after := h.Get("Retry-After")
	if after == "" {
		return
	}
	if n, err := strconv.Atoi(after); err != nil || time.Duration(n) > maxPause/time.Second {
		h.Set("Retry-After", strconv.Itoa(int(maxPause/time.Second)))
	}
}

var (
	errSlow  = fmt.Errorf("the answer takes longer than %s", answerTimeout)
	errLarge = fmt.Errorf("the answer has more than %d bytes", maxBody)
	errEvent = fmt.Errorf("an event of the watch has more than %d bytes", maxEvent)
)

// answer is the body of an answer that is not read for ever.
type answer struct {
	body io.ReadCloser
	left int64
	end  context.CancelFunc
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return 0, errLarge
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errSlow
	}
	return n, err
}

// Close implements io.Closer.
func (a *answer) Close() error {
	defer a.end()
	return a.body.Close()
}

// events is the body of a watch: one line of JSON for each event.
type events struct {
	body io.ReadCloser
	held int // bytes since the last line ended
}

// Read implements io.Reader.
func (e *events) Read(p []byte) (int, error) {
	n, err := e.body.Read(p)
	if at := bytes.LastIndexByte(p[:n], '\n'); at >= 0 {
		e.held = n - at - 1
	} else if e.held += n; e.held > maxEvent {
		return 0, errEvent
	}
	return n, err
}

// Close implements io.Closer.
func (e *events) Close() error { return e.body.Close() }
