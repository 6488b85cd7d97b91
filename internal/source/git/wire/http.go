package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// maxRedirects bounds the redirects of one listing.
const maxRedirects = 5

// The content types of the smart protocol (gitprotocol-http).
const (
	typeAdvert  = "application/x-git-upload-pack-advertisement"
	typeRequest = "application/x-git-upload-pack-request"
	typeResult  = "application/x-git-upload-pack-result"
)

// HTTPOptions describe a repository behind HTTP.
type HTTPOptions struct {
	URL       *url.URL            // without user information
	Authorize func(*http.Request) // adds the credential; nil for none
	Transport http.RoundTripper   // for the host of URL; may hold a client certificate
	Elsewhere http.RoundTripper   // for other hosts that it redirects to
}

// HTTP is a client of one repository. It may be used by several goroutines.
type HTTP struct {
	o HTTPOptions

	mu   sync.Mutex
	base *url.URL // after redirects
	caps *caps    // of version 2, once known: spares a request for every listing
}

// NewHTTP returns a client; it connects when it is used.
func NewHTTP(o HTTPOptions) *HTTP { return &HTTP{o: o, base: o.URL} }

// StatusError is an answer that is not 200.
type StatusError struct {
	Code int
	Text string
}

// Error implements error.
func (e *StatusError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("the server answers %d %s", e.Code, http.StatusText(e.Code))
	}
	return fmt.Sprintf("the server answers %d %s: %s", e.Code, http.StatusText(e.Code), e.Text)
}

// List returns the refs that o asks for.
func (h *HTTP) List(ctx context.Context, o ListOptions) ([]Ref, error) {
	if base, c := h.known(); c != nil && c.version == 2 {
		refs, err := h.lsRefs(ctx, base, *c, o)
		var status *StatusError
		var format *FormatError
		if !errors.As(err, &status) && !errors.As(err, &format) {
			return refs, err
		}
		h.learn(h.o.URL, nil) // the server has changed: ask it anew
	}
	base, c, refs, err := h.discover(ctx, o)
	if err != nil {
		return nil, err
	}
	h.learn(base, &c)
	if c.version != 2 {
		return refs, nil
	}
	return h.lsRefs(ctx, base, c, o)
}

func (h *HTTP) known() (*url.URL, *caps) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.base, h.caps
}

func (h *HTTP) learn(base *url.URL, c *caps) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.base, h.caps = base, c
}

// service is one half of the protocol: what fetches ask, or what pushes ask.
type service struct{ name, advert string }

// discover asks for the advertisement and follows redirects to its like.
func (h *HTTP) discover(ctx context.Context, o ListOptions) (*url.URL, caps, []Ref, error) {
	return h.discoverService(ctx, service{"git-upload-pack", typeAdvert}, o)
}

func (h *HTTP) discoverService(ctx context.Context, svc service, o ListOptions) (*url.URL, caps, []Ref, error) {
	base := h.o.URL
	for range maxRedirects + 1 {
		ask := base.JoinPath("info/refs")
		ask.RawQuery = "service=" + svc.name
		res, err := h.do(ctx, http.MethodGet, ask, nil)
		if err != nil {
			return nil, caps{}, nil, err
		}
		if res.StatusCode < 300 || res.StatusCode > 399 {
			c, refs, err := svc.readAdvert(res, o)
			return base, c, refs, err
		}
		res.Body.Close()
		if base, err = redirected(ask, res.Header.Get("Location")); err != nil {
			return nil, caps{}, nil, err
		}
	}
	return nil, caps{}, nil, fmt.Errorf("more than %d redirects", maxRedirects)
}

// redirected returns the repository's address that a redirect points to.
func redirected(from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, errors.New("a redirect leads nowhere")
	}
	to.User = nil
	switch {
	case to.Scheme != "http" && to.Scheme != "https":
		return nil, fmt.Errorf("refused a redirect to the scheme %.20q", to.Scheme)
	case from.Scheme == "https" && to.Scheme == "http":
		return nil, fmt.Errorf("refused a redirect from https to http at %s", to.Host)
	}
	at, ok := strings.CutSuffix(to.Path, "/info/refs")
	if !ok {
		return nil, fmt.Errorf("refused a redirect to %s, which is no Git repository", to.Host)
	}
	to.Path, to.RawPath, to.RawQuery, to.Fragment = at, "", "", ""
	return to, nil
}

func (svc service) readAdvert(res *http.Response, o ListOptions) (caps, []Ref, error) {
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return caps{}, nil, statusError(res)
	}
	if t := res.Header.Get("Content-Type"); !strings.HasPrefix(t, svc.advert) {
		return caps{}, nil, &FormatError{fmt.Sprintf("it answers with %.60q; is this the address of a repository?", t)}
	}
	return readAdvert(newPktReader(o.bound(res.Body)), o)
}

func (h *HTTP) lsRefs(ctx context.Context, base *url.URL, c caps, o ListOptions) ([]Ref, error) {
	res, err := h.post(ctx, base, lsRefs(c, o))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return readLsRefs(newPktReader(o.bound(res.Body)), o)
}

// Fetch asks for a pack; the caller closes it. Version and address are those
// of the last listing.
func (h *HTTP) Fetch(ctx context.Context, r Request) (*Pack, error) {
	base, c, err := h.server(ctx)
	if err != nil {
		return nil, err
	}
	res, err := h.post(ctx, base, r.encode(c))
	if err != nil {
		return nil, err
	}
	pack, err := r.readPack(newPktReader(res.Body), c, res.Body)
	if err != nil {
		res.Body.Close()
		return nil, err
	}
	return pack, nil
}

// server returns what is known of the server, and asks when nothing is.
func (h *HTTP) server(ctx context.Context) (*url.URL, caps, error) {
	if base, c := h.known(); c != nil {
		return base, *c, nil
	}
	base, c, _, err := h.discover(ctx, ListOptions{MaxBytes: maxAdvert})
	if err == nil {
		h.learn(base, &c)
	}
	return base, c, err
}

// maxAdvert bounds an advertisement of which only the capabilities are used.
const maxAdvert = 256 << 20

// AnyWant tells whether the server gives out commits that no ref names.
func (h *HTTP) AnyWant(ctx context.Context) (bool, error) {
	_, c, err := h.server(ctx)
	return c.anyWant(), err
}

func (c caps) anyWant() bool {
	return c.version == 2 || c.has("allow-reachable-sha1-in-want") || c.has("allow-any-sha1-in-want")
}

func (h *HTTP) post(ctx context.Context, base *url.URL, body []byte) (*http.Response, error) {
	res, err := h.do(ctx, http.MethodPost, base.JoinPath("git-upload-pack"), body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, statusError(res)
	}
	if t := res.Header.Get("Content-Type"); !strings.HasPrefix(t, typeResult) {
		res.Body.Close()
		return nil, &FormatError{fmt.Sprintf("it answers with %.60q", t)}
	}
	return res, nil
}

// do sends one request and follows nothing. The credential and the client
// certificate go to the host they were given for, to no other.
func (h *HTTP) do(ctx context.Context, method string, u *url.URL, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	req.Header.Set("User-Agent", userAgent)
	if !strings.HasSuffix(u.RawQuery, "receive-pack") { // pushes know version 0 alone
		req.Header.Set("Git-Protocol", "version=2")
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", typeRequest)
		req.Header.Set("Accept", typeResult)
	}
	if !sameHost(u, h.o.URL) {
		return h.o.Elsewhere.RoundTrip(req)
	}
	if h.o.Authorize != nil {
		h.o.Authorize(req)
	}
	return h.o.Transport.RoundTrip(req)
}

// userAgent begins as Git's: some servers answer only to git.
const userAgent = "git/2.45 (" + agent + ")"

// sameHost compares scheme, name and port.
func sameHost(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443", "ssh": "22"}[u.Scheme]
}

func statusError(res *http.Response) error {
	text := ""
	if t := res.Header.Get("Content-Type"); strings.HasPrefix(t, "text/plain") {
		b, _ := io.ReadAll(io.LimitReader(res.Body, maxText))
		text = clean(string(b))
	}
	return &StatusError{res.StatusCode, text}
}

// Close drops idle connections.
func (h *HTTP) Close() error {
	for _, t := range []http.RoundTripper{h.o.Transport, h.o.Elsewhere} {
		if c, ok := t.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
	return nil
}
