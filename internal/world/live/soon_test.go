package live_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/leat-dev/leat/internal/world/live"
)

// refusing is a server that refuses the first requests with a message.
func refusing(t *testing.T, times int, message string) (client *http.Client, url string, asked *int) {
	t.Helper()
	asked = new(int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		*asked++
		if *asked <= times {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		_, _ = io.WriteString(w, message)
	}))
	t.Cleanup(srv.Close)
	return &http.Client{Transport: live.Soon(http.DefaultTransport)}, srv.URL, asked
}

func TestAWatchOfAYoungKindIsAskedAgainSoon(t *testing.T) {
	client, url, asked := refusing(t, 3, `{"kind":"Status","message":"storage is (re)initializing"}`)
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || *asked != 4 {
		t.Errorf("got status %d after %d requests, want 200 after 4", resp.StatusCode, *asked)
	}
}

func TestAStorageThatDoesNotStartIsTheServersWord(t *testing.T) {
	const message = `{"kind":"Status","message":"storage is (re)initializing"}`
	client, url, asked := refusing(t, 1000, message)
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusTooManyRequests || string(body) != message || *asked > 10 {
		t.Errorf("got status %d, %q, %v after %d requests", resp.StatusCode, body, err, *asked)
	}
}

func TestAnOverloadedServerIsNotAskedAgainSoon(t *testing.T) {
	const message = `{"kind":"Status","message":"Too many requests, please try again later."}`
	client, url, asked := refusing(t, 1, message)
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusTooManyRequests || string(body) != message || *asked != 1 {
		t.Errorf("got status %d, %q, %v after %d requests", resp.StatusCode, body, err, *asked)
	}
}
