// Package rest is what the clients of forges have in common: JSON over HTTP with
// a token that goes to one host alone, pages, bounds, and faults made of answers.
//
//	c, err := rest.Connect(conf, api, func(r *http.Request, token string) { r.Header.Set("Private-Token", token) })
//	var pr pull
//	err := c.Get(ctx, "/repos/team/fleet/pulls/7", nil, &pr)
//	list, err := rest.All[pull](ctx, &c, "/repos/team/fleet/pulls", url.Values{"state": {"open"}})
//
// It must never print a token, follow a redirect or a link to another host, or
// hold more of an answer than forge.MaxAnswer.
package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Client asks one forge. It may be used by several goroutines.
type Client struct {
	Base      *url.URL            // what paths are appended to
	Authorize func(*http.Request) // adds the token
	Transport http.RoundTripper   // nil for http.DefaultTransport
	Header    http.Header         // of every request
	Now       func() time.Time    // nil for the clock
	// Class knows better than the status what an answer means; "" leaves it to it.
	Class func(status int, message string) fault.Class

	mu    sync.Mutex
	cache map[string]cached // answers to GET by address
	order []string          // of cache, the oldest first
}

// cached is an answer with the mark by which the server knows that it still holds.
type cached struct {
	etag string
	link http.Header
	body []byte
}

// maxCached bounds the answers kept, maxCachedBody the size of one.
const (
	maxCached     = 256
	maxCachedBody = 256 << 10
)

// requestTime bounds one request when the context has more patience.
const requestTime = 60 * time.Second

// Call is one request.
type Call struct {
	Method string
	Path   string // begins with a slash; elements are escaped already
	Query  url.Values
	Body   any // sent as JSON; nil for none
	Into   any // decoded from JSON; nil drops the answer
}

// Answer is what came back, without its body.
type Answer struct {
	Status int
	Header http.Header
	body   []byte
}

// StatusError is an answer that is no success.
type StatusError struct {
	Code    int
	Message string
}

// Error implements error.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("the forge answers %d %s", e.Code, http.StatusText(e.Code))
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s + advice[e.Code]
}

// advice is what to do about an answer; services hide behind 404 what a token may not see.
var advice = map[int]string{
	http.StatusUnauthorized: "; is the token right, and still valid?",
	http.StatusForbidden:    "; may the token's account do this?",
	http.StatusNotFound:     "; is it there, and may the token's account see it?",
}

// Connect returns a client of the API at derived, or where c says that it is. authorize
// puts the token into a request; it is not asked where there is none.
func Connect(c forge.Config, derived *url.URL, authorize func(r *http.Request, token string)) (*Client, error) {
	base, err := c.Address(derived)
	if err != nil {
		return nil, err
	}
	return &Client{Base: base, Transport: c.Transport, Now: c.Now, Authorize: func(r *http.Request) {
		if !c.Token.IsZero() {
			authorize(r, c.Token.Reveal())
		}
	}}, nil
}

// Get reads path into a value.
func (c *Client) Get(ctx context.Context, path string, query url.Values, into any) error {
	_, err := c.Do(ctx, Call{Method: http.MethodGet, Path: path, Query: query, Into: into})
	return err
}

// Do makes a request. Its errors are faults.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	u := c.address(call)
	a, err := c.ask(ctx, call, u)
	if err != nil {
		return a, err
	}
	if call.Into == nil || len(a.body) == 0 {
		return a, nil
	}
	if err := json.Unmarshal(a.body, call.Into); err != nil {
		return a, c.Fault(fault.Unreachable, fmt.Errorf("%s %s: the answer is not what a forge sends: %w; is the address of its API right?", call.Method, u.Path, err))
	}
	return a, nil
}

func (c *Client) address(call Call) *url.URL {
	u := *c.Base
	escaped := strings.TrimSuffix(c.Base.EscapedPath(), "/") + call.Path
	u.RawPath = escaped
	if plain, err := url.PathUnescape(escaped); err == nil {
		u.Path = plain
	}
	u.RawQuery = call.Query.Encode()
	return &u
}

// Fault is an error of this forge.
func (c *Client) Fault(class fault.Class, err error) error {
	return &fault.Error{Class: class, URL: c.Base.Host, Err: err}
}

// Nobody is the answer of a forge that lets anybody ask, to us.
func (c *Client) Nobody() error {
	return c.Fault(fault.Auth, errors.New("the forge takes us for nobody; is there a token?"))
}

// NoBranch is the answer of a forge that lists branches by a part of their names.
func (c *Client) NoBranch(name string) error {
	return c.Fault(fault.NotFound, errors.New("there is no branch "+name))
}

func (c *Client) ask(ctx context.Context, call Call, u *url.URL) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	req, err := c.request(ctx, call, u)
	if err != nil {
		return Answer{}, err
	}
	known, has := c.known(call.Method, u)
	if has {
		req.Header.Set("If-None-Match", known.etag)
	}
	client := http.Client{Transport: cmp.Or[http.RoundTripper](c.Transport, http.DefaultTransport), CheckRedirect: sameHost}
	res, err := client.Do(req)
	if err != nil {
		return Answer{}, c.broken(call, err)
	}
	defer res.Body.Close()
	if has && res.StatusCode == http.StatusNotModified {
		return Answer{Status: http.StatusOK, Header: known.link, body: known.body}, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, forge.MaxAnswer+1))
	if err != nil {
		return Answer{}, c.broken(call, err)
	}
	a := Answer{Status: res.StatusCode, Header: res.Header, body: body}
	if len(body) > forge.MaxAnswer {
		return a, c.Fault(fault.TooLarge, fmt.Errorf("%s %s: the answer has more than %d bytes", call.Method, u.Path, forge.MaxAnswer))
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return a, c.refused(call, res, body)
	}
	c.keep(call.Method, u, a)
	return a, nil
}

func (c *Client) request(ctx context.Context, call Call, u *url.URL) (*http.Request, error) {
	var body io.Reader
	if call.Body != nil {
		b, err := json.Marshal(call.Body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", call.Method, u.Path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, u.String(), body)
	if err != nil {
		return nil, c.Fault(fault.Invalid, errors.New("the address of the forge cannot be read"))
	}
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "leat")
	for name, values := range c.Header {
		req.Header[name] = values
	}
	if c.Authorize != nil {
		c.Authorize(req)
	}
	return req, nil
}

// sameHost refuses redirects that would carry the token elsewhere, and those that make a
// question of what is to be written (RFC 9110, section 15.4.2): its answer says nothing.
func sameHost(req *http.Request, via []*http.Request) error {
	switch first := via[0].URL; {
	case len(via) > 5:
		return errors.New("more than 5 redirects")
	case req.URL.Host != first.Host || first.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("refused a redirect to %s", req.URL.Host)
	case req.Method != via[0].Method:
		return fmt.Errorf("the forge is at %s://%s%s now; is forge.url the address that it has today, with https?", req.URL.Scheme, req.URL.Host, req.URL.Path)
	}
	return nil
}

// broken classes what came instead of an answer.
func (c *Client) broken(call Call, err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // its text holds the query
	}
	class := cmp.Or(fault.OfConnection(err), fault.Unreachable)
	return c.Fault(class, fmt.Errorf("%s %s: %w", call.Method, call.Path, err))
}

// refused classes an answer that is no success.
func (c *Client) refused(call Call, res *http.Response, body []byte) error {
	status := &StatusError{res.StatusCode, message(body)}
	err := &fault.Error{URL: c.Base.Host, Err: fmt.Errorf("%s %s: %w", call.Method, call.Path, status)}
	after, limited := c.limited(res, status.Message)
	switch {
	case limited:
		err.Class, err.After = fault.Busy, after
	case c.Class != nil && c.Class(res.StatusCode, status.Message) != "":
		err.Class = c.Class(res.StatusCode, status.Message)
	default:
		err.Class = classOf(res.StatusCode)
	}
	return err
}

func classOf(status int) fault.Class {
	switch {
	case status == http.StatusUnauthorized:
		return fault.Auth
	case status == http.StatusForbidden:
		return fault.Forbidden
	case status == http.StatusNotFound, status == http.StatusGone:
		return fault.NotFound
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return fault.Conflict
	case status == http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case status == http.StatusRequestTimeout, status >= 500:
		return fault.Unreachable
	}
	return fault.Invalid
}

// limited tells whether an answer is one of a limit of rates, and how long it
// asks us to wait: Retry-After (RFC 9110, section 10.2.3), x-ratelimit-reset of
// GitHub and Gitea, ratelimit-reset of GitLab, both in Unix seconds.
func (c *Client) limited(res *http.Response, text string) (time.Duration, bool) {
	h := res.Header
	is := res.StatusCode == http.StatusTooManyRequests ||
		res.StatusCode == http.StatusServiceUnavailable && h.Get("Retry-After") != "" ||
		res.StatusCode == http.StatusForbidden && (h.Get("X-RateLimit-Remaining") == "0" || h.Get("Retry-After") != "" || strings.Contains(text, "rate limit"))
	if !is {
		return 0, false
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	if n, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32); err == nil {
		return bounded(time.Duration(n) * time.Second), true
	}
	if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return bounded(at.Sub(now())), true
	}
	reset := cmp.Or(h.Get("X-RateLimit-Reset"), h.Get("RateLimit-Reset"))
	if n, err := strconv.ParseInt(reset, 10, 64); err == nil {
		return bounded(time.Unix(n, 0).Sub(now())), true
	}
	return unsaid, true
}

// maxWait bounds what a server may ask of us; unsaid is what it is given where it does
// not say, as GitHub asks for (docs.github.com/rest, best practices).
const (
	maxWait = 24 * time.Hour
	unsaid  = time.Minute
)

func bounded(d time.Duration) time.Duration { return max(0, min(d, maxWait)) }

// message finds what a forge says is wrong.
func message(body []byte) string {
	var said struct {
		Message any `json:"message"`
		Error   any `json:"error"`
		Errors  any `json:"errors"`
		Kind    any `json:"typeKey"` // the exception, of Azure
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	var parts []string
	for _, v := range []any{said.Message, said.Error, said.Errors, said.Kind} {
		if s := words(v); s != "" {
			parts = append(parts, s)
		}
	}
	s := strings.Join(strings.Fields(strings.Join(parts, "; ")), " ")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}

// maxMessage bounds what is repeated of a forge's words.
const maxMessage = 300

func words(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil || string(b) == "[]" || string(b) == "{}" {
		return ""
	}
	return string(b)
}

func (c *Client) known(method string, u *url.URL) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.cache[u.String()]
	return k, ok && method == http.MethodGet
}

func (c *Client) keep(method string, u *url.URL, a Answer) {
	etag := a.Header.Get("Etag")
	if method != http.MethodGet || etag == "" || len(a.body) > maxCachedBody {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cache == nil {
		c.cache = map[string]cached{}
	}
	key := u.String()
	if _, had := c.cache[key]; !had {
		c.order = append(c.order, key)
	}
	c.cache[key] = cached{etag, a.Header, a.body}
	for len(c.order) > maxCached {
		delete(c.cache, c.order[0])
		c.order = c.order[1:]
	}
}
