package charts

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/source/fault"
)

// download is one file of a repository, or of where its index points.
type download struct {
	repo       *repository
	address    string
	max        int64  // bytes
	flag       string // that raises max
	want       string // SHA-256 in hexadecimal digits, or ""
	compressed bool   // ask for it compressed
	keep       time.Duration

	etag, modified string // of the one that the caller has
}

func (d download) run(ctx context.Context) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address, nil)
	if err != nil {
		return answer{}, d.fail(fault.Invalid, errors.New("the address cannot be read"))
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return answer{}, d.fail(fault.Invalid, fmt.Errorf("the index names an address with the scheme %.20q: want http or https", req.URL.Scheme))
	}
	d.ask(req.Header)
	client := &http.Client{Transport: d.courier(req.URL), CheckRedirect: redirected}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, classify(err, d.address)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && (d.etag != "" || d.modified != ""):
		return answer{unchanged: true}, nil
	case res.StatusCode != http.StatusOK:
		return answer{}, d.refused(res)
	}
	data, err := d.body(res)
	if err != nil {
		return answer{}, d.fail(fault.Unreachable, err)
	}
	return d.checked(answer{data: data, etag: res.Header.Get("ETag"), modified: res.Header.Get("Last-Modified")})
}

func (d download) ask(h http.Header) {
	h.Set("User-Agent", "leat")
	if d.compressed {
		h.Set("Accept-Encoding", "gzip")
	}
	if d.etag != "" {
		h.Set("If-None-Match", d.etag)
	} else if d.modified != "" {
		h.Set("If-Modified-Since", d.modified)
	}
}

// body reads an answer, no more than is allowed of it.
func (d download) body(res *http.Response) ([]byte, error) {
	tooLarge := &fault.Error{Class: fault.TooLarge, URL: Shown(d.address), Err: fmt.Errorf("more than the limit of %d bytes; raise %s", d.max, d.flag)}
	if res.ContentLength > d.max {
		return nil, tooLarge
	}
	var from io.Reader = res.Body
	if d.compressed && res.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(res.Body)
		if err != nil {
			return nil, fmt.Errorf("the answer says that it is compressed: %w", err)
		}
		from = zr
	}
	var buf bytes.Buffer // grows with what comes, not with what is promised
	n, err := io.Copy(&buf, io.LimitReader(from, d.max+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer broke off after %d bytes: %w", n, err)
	case n > d.max:
		return nil, tooLarge
	}
	return buf.Bytes(), nil
}

// refused says what a status means. The body is never told: it may be a page of
// something inside that nobody should read.
func (d download) refused(res *http.Response) error {
	e := &fault.Error{Class: fault.Unreachable, URL: Shown(d.address), Err: fmt.Errorf("the server answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))}
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		e.Class = fault.Auth
	case http.StatusNotFound, http.StatusGone:
		e.Class = fault.NotFound
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.Class, e.After = fault.Busy, retryAfter(res.Header)
	}
	return e
}

// maxRetryAfter bounds what a server may make us wait.
const maxRetryAfter = 15 * time.Minute

// retryAfter reads the header of that name (RFC 9110, section 10.2.3); a date is
// measured from the server's own clock.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return min(time.Duration(min(n, 1<<20))*time.Second, maxRetryAfter)
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}

func redirected(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return errors.New("a redirect from https to http is refused")
	}
	return nil
}

// courier hands the credential to those whom it is for, and to nobody else,
// wherever redirects lead.
type courier struct {
	repo    *repository
	trusted []string // origins
}

func (d download) courier(first *url.URL) courier {
	c := courier{d.repo, []string{origin(d.repo.url)}}
	if d.repo.cred.PassCredentials {
		c.trusted = append(c.trusted, origin(first))
	}
	return c
}

// RoundTrip implements http.RoundTripper.
func (c courier) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, t := range c.trusted {
		if origin(req.URL) == t {
			if u := c.repo.cred.Username; u != "" || !c.repo.cred.Password.IsZero() {
				req = req.Clone(req.Context())
				req.SetBasicAuth(u, c.repo.cred.Password.Reveal())
			}
			return c.repo.own.RoundTrip(req)
		}
	}
	req = req.Clone(req.Context())
	req.Header.Del("Referer") // the query of where it came from
	return c.repo.bare.RoundTrip(req)
}

// origin is the part of an address that a credential is for.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// Shown is an address without what may be secret in it.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the address"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
