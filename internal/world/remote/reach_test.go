package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
)

var errAway = errors.New("away")

// A cluster that is away is asked at longer and longer intervals, and told of
// twice: when it goes and when it comes.
func TestReachAsksUntilThereIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []time.Duration
		var news []string
		times := func() []time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(asked)
		}
		var answers atomic.Bool
		begin := time.Now()
		r := newReach(func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Since(begin))
			if answers.Load() {
				return nil
			}
			return errAway
		}, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			news = append(news, fmt.Sprint(err))
		})
		if known, err := r.state(); known || err != nil {
			t.Errorf("before it was asked: got %v %v", known, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go r.run(ctx)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if asked := times(); len(asked) != 9 || asked[8]-asked[7] != lastPause {
			t.Errorf("asked at %v, want nine times, the last a minute after the one before", asked)
		}
		answers.Store(true)
		time.Sleep(lastPause)
		synctest.Wait()
		if known, err := r.state(); !known || err != nil {
			t.Errorf("when it answers: got %v %v", known, err)
		}
		before := len(times())
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(times()) != before {
			t.Error("a cluster that answers was asked again")
		}
		r.broke(errAway)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"away", "<nil>", "away", "<nil>"}; !slices.Equal(news, want) {
			t.Errorf("news: got %q, want %q", news, want)
		}
		cancel()
	})
}

// Watches wait while the cluster is away, and after they were refused.
func TestWatchesArePatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReach(nil, func(error) {})
		status, sent, begin := http.StatusForbidden, 0, time.Time{}
		p := newPatient(trip(func(*http.Request) (*http.Response, error) {
			sent++
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(""))}, nil
		}), r)
		path := "http://h/api/v1/secrets?watch=true"
		get := func(within time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
			_, err := p.RoundTrip(req)
			return err
		}
		if err := get(time.Minute); !errors.Is(err, context.DeadlineExceeded) || sent > 0 {
			t.Errorf("while it is away: got %v after %d requests", err, sent)
		}
		r.set(nil)
		if err := get(time.Minute); err != nil || sent != 1 {
			t.Errorf("when it answers: got %v after %d requests", err, sent)
		}
		path += "&labelSelector=other"
		if err := get(time.Second); err != nil || sent != 2 {
			t.Errorf("another watch of the kind: got %v after %d requests", err, sent)
		}
		status, begin = http.StatusOK, time.Now()
		if err := get(time.Hour); err != nil || time.Since(begin) != refusedFor {
			t.Errorf("after it was refused: got %v after %s, want %s", err, time.Since(begin), refusedFor)
		}
		if err := get(time.Second); err != nil || sent != 4 {
			t.Errorf("once it was allowed: got %v after %d requests", err, sent)
		}
	})
}

type trip func(*http.Request) (*http.Response, error)

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// What answers must be an API server, and is shown in no error; a redirection is
// not followed, with or without the credential.
func TestAsk(t *testing.T) {
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"an API server":   {text(200, `{"gitVersion": "v1.36.0"}`), ""},
		"that refuses":    {text(403, `{"kind": "Status", "status": "Failure"}`), ""},
		"that knows none": {text(401, `no`), ""},
		"something else":  {text(200, canary), "no Kubernetes API server"},
		"a page":          {text(404, "<html>"+canary), "no Kubernetes API server"},
		"broken":          {text(502, canary), "status 502"},
		"elsewhere":       {http.RedirectHandler(other.URL, http.StatusFound).ServeHTTP, "redirection"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(c.answer)
			defer s.Close()
			conn, err := Dial(Target{Config: &rest.Config{Host: s.URL, BearerToken: canary}}, func(error) {})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			err = conn.ask(t.Context())
			if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) || strings.Contains(got, canary) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if elsewhere > 0 {
		t.Error("a redirection was followed")
	}
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+canary {
			status = 500
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// A token is asked for once, and again before it ends.
func TestTokensAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		b := &bearer{tokens: func(context.Context) (string, time.Time, error) {
			made++
			return fmt.Sprint(made), time.Now().Add(time.Hour), nil
		}}
		for _, want := range []string{"1", "1", "2", "2", "3"} {
			if got, err := b.good(t.Context()); err != nil || got != want {
				t.Errorf("after %d: got %q %v, want %q", made, got, err, want)
			}
			time.Sleep(25 * time.Minute)
		}
	})
}
