package rest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

const canary = "token-that-must-not-leak"

func client(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL + "/api")
	if err != nil {
		t.Fatal(err)
	}
	return &Client{Base: u, Authorize: func(r *http.Request) { r.Header.Set("Private-Token", canary) }}
}

// The token goes to one host: neither a redirect nor a link to a page takes it away.
func TestTokenStays(t *testing.T) {
	leaked := 0
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Private-Token") != "" {
			leaked++
		}
	}))
	t.Cleanup(other.Close)
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/moved":
			http.Redirect(w, r, elsewhere+"/api/moved", http.StatusFound)
		case "/api/near":
			http.Redirect(w, r, "/api/list?page=9", http.StatusFound)
		default:
			if r.URL.Query().Get("page") == "" {
				w.Header().Set("Link", fmt.Sprintf(`<%s/api/list?page=2>; rel="next"`, elsewhere))
			}
			fmt.Fprint(w, `[1]`)
		}
	})
	if err := c.Get(t.Context(), "/moved", nil, nil); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("a redirect to another host: got %v", err)
	}
	var list []int
	if err := c.Get(t.Context(), "/near", nil, &list); err != nil || len(list) != 1 {
		t.Errorf("a redirect on the host: got %v, %v", list, err)
	}
	if got, err := All[int](t.Context(), c, "/list", nil); err != nil || len(got) != 2 {
		t.Errorf("pages: got %v, %v; want two", got, err)
	}
	if leaked > 0 {
		t.Errorf("the token was sent to another host %d times", leaked)
	}
}

// What is written is not turned into a question by a redirect, and taken for done.
func TestWritesAreNotLostInRedirects(t *testing.T) {
	did := 0
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/moved":
			http.Redirect(w, r, "/api/statuses", http.StatusMovedPermanently)
		case r.URL.Path == "/api/kept":
			http.Redirect(w, r, "/api/statuses", http.StatusPermanentRedirect)
		case r.Method == http.MethodPost:
			did++
		}
		fmt.Fprint(w, `[]`)
	})
	post := func(path string) error {
		_, err := c.Do(t.Context(), Call{Method: http.MethodPost, Path: path, Body: map[string]string{"state": "success"}})
		return err
	}
	if err := post("/moved"); err == nil || did != 0 || !strings.Contains(err.Error(), "forge.url") {
		t.Errorf("a POST that becomes a GET: got %v", err)
	}
	if err := post("/kept"); err != nil || did != 1 {
		t.Errorf("a POST that stays one: got %v, %d done", err, did)
	}
}

// A server that never ends its pages is not followed for ever.
func TestPagesEnd(t *testing.T) {
	asked := 0
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=%d>; rel="next"`, r.Host, r.URL.Path, asked))
		fmt.Fprint(w, `[`+strings.Repeat(`1,`, 99)+`1]`)
	})
	got, err := Linked[int](t.Context(), c, "/list", nil).Newest()
	if err != nil || len(got) != forge.MaxListed || asked != forge.MaxListed/100 {
		t.Errorf("got %d items in %d requests, %v", len(got), asked, err)
	}
	// What decides over a change is read whole or not at all.
	if got, err := All[int](t.Context(), c, "/list", nil); fault.ClassOf(err) != fault.TooLarge || got != nil || !strings.Contains(err.Error(), "/list") {
		t.Errorf("got %d items, %v; want TooLarge", len(got), err)
	}
}

func TestETag(t *testing.T) {
	full := 0
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"one"`)
		if r.Header.Get("If-None-Match") == `"one"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		full++
		fmt.Fprint(w, `{"a":1}`)
	})
	for range 3 {
		var out struct{ A int }
		if err := c.Get(t.Context(), "/x", nil, &out); err != nil || out.A != 1 {
			t.Fatalf("got %+v, %v", out, err)
		}
	}
	if full != 1 {
		t.Errorf("the answer came %d times, want once", full)
	}
}

func TestFaults(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		class  fault.Class
		after  time.Duration
		says   string
	}{
		"401":                {401, nil, `{"message":"Bad credentials"}`, fault.Auth, 0, "Bad credentials"},
		"403":                {403, nil, `{"message":{"base":["no"]}}`, fault.Forbidden, 0, `{"base":["no"]}`},
		"403 of a limit":     {403, nil, `{"message":"You have exceeded a secondary rate limit"}`, fault.Busy, time.Minute, "secondary"},
		"404":                {404, nil, ``, fault.NotFound, 0, "404"},
		"409":                {409, nil, `{"errors":["moved"]}`, fault.Conflict, 0, "moved"},
		"422":                {422, nil, `{"message":"no"}`, fault.Invalid, 0, "no"},
		"429 with a date":    {429, http.Header{"Retry-After": {now.Add(time.Minute).UTC().Format(http.TimeFormat)}}, ``, fault.Busy, time.Minute, "429"},
		"429 without a word": {429, nil, ``, fault.Busy, time.Minute, "429"},
		"429 for ever":       {429, http.Header{"Retry-After": {"2000000000"}}, ``, fault.Busy, maxWait, "429"},
		"429 long ago":       {429, http.Header{"X-Ratelimit-Reset": {"1600000000"}}, ``, fault.Busy, 0, "429"},
		"500":                {500, nil, `<html>`, fault.Unreachable, 0, "500"},
		"a very long story":  {500, nil, `{"message":"` + strings.Repeat("x", 10_000) + `"}`, fault.Unreachable, 0, "…"},
	} {
		cl := client(t, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range c.header {
				w.Header()[k] = v
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		cl.Now = func() time.Time { return now }
		err := cl.Get(t.Context(), "/x", nil, nil)
		if fault.ClassOf(err) != c.class || fault.After(err) != c.after || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 600 || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v (%s after %s)", name, err, fault.ClassOf(err), fault.After(err))
		}
	}
}
