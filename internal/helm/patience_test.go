package helm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A cluster that answers slowly for ever has its time, whether it keeps the answer or
// drips it; after that it is not asked any more.
func TestSlowClusters(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"never answers": func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() },
		"drips": func(w http.ResponseWriter, req *http.Request) {
			for req.Context().Err() == nil {
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				asked.Add(1)
				answer(w, req)
			}))
			defer server.Close()
			r := &run{ctx: t.Context(), cluster: &Cluster{}}
			r.cluster.Patience(50 * time.Millisecond)
			client := &http.Client{Transport: r.bound(http.DefaultTransport)}
			for range 3 {
				err := get(client, server.URL)
				if !errors.As(err, new(slow)) || !strings.Contains(err.Error(), "has taken 50ms") {
					t.Errorf("got %v", err)
				}
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("it was asked %d times, want once", n)
			}
		})
	}
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// dawdling answers after a while, or as long as it is asked to.
type dawdling struct{ after time.Duration }

func (d dawdling) RoundTrip(req *http.Request) (*http.Response, error) {
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case <-time.After(d.after):
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}
}

// What counts is the time in which something is asked: requests at the same time once,
// what lies between them not at all, and watches never.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: &patient{dawdling{time.Minute}, &patience{whole: 150 * time.Second}}}
		both := make(chan error)
		for range 2 {
			go func() { both <- get(client, "http://cluster/api") }()
		}
		for range 2 {
			if err := <-both; err != nil {
				t.Errorf("two at the same time: %v", err)
			}
		}
		time.Sleep(time.Hour)
		for range 10 {
			if err := get(client, "http://cluster/api?watch=true"); err != nil {
				t.Errorf("a watch: %v", err)
			}
		}
		if err := get(client, "http://cluster/api"); err != nil {
			t.Errorf("another one, an hour later: %v", err)
		}
		began := time.Now()
		if err := get(client, "http://cluster/api"); !errors.As(err, new(slow)) {
			t.Errorf("half a minute is left for a minute: %v", err)
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("it ended after %s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://cluster/api", nil)
		if _, err := (&patient{dawdling{time.Minute}, &patience{whole: time.Hour}}).RoundTrip(req); !errors.Is(err, context.Canceled) {
			t.Errorf("somebody gave up: %v", err)
		}
	})
}
