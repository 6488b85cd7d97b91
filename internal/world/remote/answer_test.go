package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/client-go/rest"
)

// endless repeats a text.
type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) { return copy(p, e.text), nil }

// silent never sends anything, until nobody waits any more.
type silent struct{ ctx context.Context }

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) { return a(req), nil }

func ask(t *testing.T, query string, answer func(*http.Request) *http.Response) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://cluster.example/api/v1/configmaps"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := restrained{answering(answer)}.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func with(header, value string, body func(*http.Request) io.Reader) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		return &http.Response{Header: http.Header{header: {value}}, Body: io.NopCloser(body(req))}
	}
}

// What a cluster answers is a tenant's to choose: it does not end, it never comes, it
// says to wait for days. None of that costs more than the request.
func TestAnswersAreBounded(t *testing.T) {
	line := strings.Repeat("x", 64<<10)
	forever := func(text string) func(*http.Request) io.Reader {
		return func(*http.Request) io.Reader { return endless{text} }
	}
	for name, c := range map[string]struct {
		query  string
		answer func(*http.Request) *http.Response
		want   error
	}{
		"without end":              {"", with("Content-Type", "application/json", forever(line)), errLarge},
		"an event without end":     {"?watch=true", with("Content-Type", "application/json", forever(line)), errEvent},
		"an event, in other words": {"?watch=1", with("Content-Type", "application/json;stream=watch", forever(line)), errEvent},
	} {
		if _, err := io.Copy(io.Discard, ask(t, c.query, c.answer).Body); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	events := io.LimitReader(ask(t, "?watch=true", with("Content-Type", "application/json", forever(line[:1000]+"\n"))).Body, 2*maxBody)
	if _, err := io.Copy(io.Discard, events); err != nil {
		t.Errorf("a watch of small events: %v", err)
	}
	for given, want := range map[string]string{"1000000": "10", "Fri, 31 Dec 2100 23:59:59 GMT": "10", "3": "3"} {
		resp := ask(t, "", with("Retry-After", given, forever("")))
		if got := resp.Header.Get("Retry-After"); got != want {
			t.Errorf("Retry-After: %s: got %s, want %s", given, got, want)
		}
		_ = resp.Body.Close()
	}
	synctest.Test(t, func(t *testing.T) {
		silence := with("Content-Type", "application/json", func(req *http.Request) io.Reader { return silent{req.Context()} })
		if _, err := io.ReadAll(ask(t, "", silence).Body); !errors.Is(err, errSlow) {
			t.Errorf("an answer that never comes: got %v, want %v", err, errSlow)
		}
	})
}

// Every request to another cluster is bounded so.
func TestDialRestrains(t *testing.T) {
	c, err := Dial(Target{Config: &rest.Config{Host: "https://127.0.0.1:1"}}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, ok := c.Client.Transport.(sensing)
	if !ok {
		t.Fatalf("got a %T", c.Client.Transport)
	}
	if _, ok := s.next.(restrained); !ok {
		t.Errorf("got a %T before the connection", s.next)
	}
}
