package faulttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fault is what happens to one request.
type Fault string

// The faults. Those of writes never meet reads, those of watches only watches.
const (
	None        Fault = ""
	Conflict    Fault = "409"     // a write was refused
	TooMany     Fault = "429"     // with Retry-After: 1
	Internal    Fault = "500"     // not done
	Unavailable Fault = "503"     // not done
	Refused     Fault = "refused" // the connection broke before the request was sent
	Lost        Fault = "lost"    // it was done; the connection broke before the answer
	Slow        Fault = "slow"    // done, a little later
	Expired     Fault = "410"     // the resource version is too old
	Dropped     Fault = "dropped" // the watch ends after a few reads of it
	Spoken      Fault = "spoken"  // the watch ends with an ERROR event of code 410
)

// rarity is how many requests there are for one fault: writes are few.
func rarity(req *http.Request) int {
	if isWrite(req) {
		return 2
	}
	return 5
}

var (
	ofReads   = []Fault{TooMany, Internal, Unavailable, Refused, Lost, Slow, Slow}
	ofWrites  = append([]Fault{Conflict, Conflict, Lost}, ofReads...)
	ofWatches = []Fault{Expired, Dropped, Dropped, Dropped, Spoken, Spoken, Internal, TooMany}
)

// Faults is a transport that fails at random. It is safe for concurrent use.
type Faults struct {
	mu      sync.Mutex
	random  *rand.Rand
	stopped bool
	counts  map[Fault]int
}

// NewFaults returns faults in the order of a seed.
func NewFaults(seed uint64) *Faults {
	return &Faults{random: rand.New(rand.NewPCG(seed, 0)), counts: map[Fault]int{}}
}

// Wrap is a rest.Config's WrapTransport.
func (f *Faults) Wrap(next http.RoundTripper) http.RoundTripper { return &faulty{f, next} }

// Stop ends the faults; what was begun still ends as it was to.
func (f *Faults) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
}

// Counts returns how often each fault happened.
func (f *Faults) Counts() map[Fault]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[Fault]int, len(f.counts))
	for fault, n := range f.counts {
		out[fault] = n
	}
	return out
}

// draw chooses what happens to a request, and a number that the fault may need.
func (f *Faults) draw(req *http.Request) (Fault, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	choice := ofReads
	switch {
	case f.stopped:
		return None, 0
	case isWatch(req): // a client has few of them, so most meet something
		choice = ofWatches
	case f.random.IntN(rarity(req)) != 0:
		return None, 0
	case req.Method != http.MethodGet:
		choice = ofWrites
	}
	fault := choice[f.random.IntN(len(choice))]
	f.counts[fault]++
	return fault, 1 + f.random.IntN(4)
}

func isWatch(req *http.Request) bool {
	w := req.URL.Query().Get("watch")
	return w == "true" || w == "1"
}

type faulty struct {
	*Faults
	next http.RoundTripper
}

var errBroken = errors.New("faulttest: connection reset by peer")

// slowly is the delay of one step of Slow.
const slowly = 20 * time.Millisecond

// RoundTrip implements http.RoundTripper.
func (f *faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	fault, n := f.draw(req)
	switch fault {
	case Conflict:
		return refuse(req, http.StatusConflict, metav1.StatusReasonConflict)
	case TooMany:
		return refuse(req, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
	case Internal:
		return refuse(req, http.StatusInternalServerError, metav1.StatusReasonInternalError)
	case Unavailable:
		return refuse(req, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
	case Expired:
		return refuse(req, http.StatusGone, metav1.StatusReasonExpired)
	case Refused:
		drain(req.Body)
		return nil, errBroken
	case Slow:
		return f.later(req, time.Duration(n)*slowly)
	}
	resp, err := f.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch fault {
	case Lost:
		drain(resp.Body)
		return nil, errBroken
	case Dropped, Spoken:
		resp.Body = &dropping{ReadCloser: resp.Body, left: n, last: lastWord(fault, resp)}
	}
	return resp, nil
}

func (f *faulty) later(req *http.Request, d time.Duration) (*http.Response, error) {
	select {
	case <-time.After(d):
		return f.next.RoundTrip(req)
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// refuse answers for the server, as it words its own refusals.
func refuse(req *http.Request, code int, reason metav1.StatusReason) (*http.Response, error) {
	drain(req.Body)
	body, err := json.Marshal(status(code, reason))
	if err != nil {
		return nil, err
	}
	resp := &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: req,
	}
	if code == http.StatusTooManyRequests {
		resp.Header.Set("Retry-After", "1")
	}
	return resp, nil
}

func status(code int, reason metav1.StatusReason) metav1.Status {
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "faulttest: " + http.StatusText(code),
		Details: &metav1.StatusDetails{Kind: "faults", Name: "fault"},
	}
}

func drain(body io.ReadCloser) {
	if body != nil {
		_, _ = io.Copy(io.Discard, body) // it is thrown away
		_ = body.Close()
	}
}

// lastWord is what a watch says before it is dropped; only watches in JSON say
// anything.
func lastWord(fault Fault, resp *http.Response) []byte {
	if fault != Spoken || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	text, err := json.Marshal(map[string]any{"type": "ERROR", "object": status(http.StatusGone, metav1.StatusReasonExpired)})
	if err != nil {
		return nil
	}
	return append(text, '\n')
}

// dropping is the body of a watch that ends after a number of reads.
type dropping struct {
	io.ReadCloser
	left int
	last []byte
}

// Read implements io.Reader.
func (d *dropping) Read(p []byte) (int, error) {
	if d.left--; d.left >= 0 {
		return d.ReadCloser.Read(p)
	}
	if len(d.last) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, d.last)
	d.last = d.last[n:]
	return n, nil
}
