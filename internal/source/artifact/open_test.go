package artifact

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func noWait(context.Context, time.Duration) error { return nil }

func TestOpenOverHTTP(t *testing.T) {
	var buf bytes.Buffer
	sum, err := Archive(&buf, sample(t))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		switch r.URL.Path {
		case "/flaky":
			if n < 3 {
				http.Error(w, "not yet", 503)
				return
			}
			w.Write(buf.Bytes())
		case "/down":
			http.Error(w, "canary", 500)
		case "/other":
			w.Write([]byte("something else"))
		case "/away":
			http.Redirect(w, r, "file:///etc/passwd", 302)
		case "/round":
			http.Redirect(w, r, "/round", 302)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	for p, c := range map[string]struct {
		err   string
		asked int32
	}{
		"/flaky":   {"", 3},
		"/down":    {"500", 4},
		"/other":   {ErrCorrupt.Error(), 4},
		"/missing": {ErrMissing.Error(), 1},
		"/away":    {"redirect to file", 4},
		"/round":   {"more than 3 redirects", 16},
	} {
		asked.Store(0)
		pauses := 0
		s := open(t, Options{Wait: func(context.Context, time.Duration) error { pauses++; return nil }})
		got, err := s.Open(context.Background(), Artifact{URL: strings.Replace(srv.URL, "http://", "http://user:canary@", 1) + p, Digest: sum.Digest})
		if c.err == "" && (err != nil || got.Hash() != sample(t).Hash()) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got %v, want %q", p, err, c.err)
		}
		if asked.Load() != c.asked {
			t.Errorf("%s: asked %d times, want %d", p, asked.Load(), c.asked)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the password shows in %v", p, err)
		}
	}
	if _, err := open(t, Options{}).Open(context.Background(), Artifact{URL: srv.URL + "/flaky"}); err == nil {
		t.Error("opened an artifact without digest")
	}
}
