package faulttest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/leat-dev/leat/embedded/faulttest"
)

// server counts what reaches it.
func server(t *testing.T) (url string, reached *atomic.Int64) {
	reached = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, strings.Repeat("{}\n", 1<<16))
	}))
	t.Cleanup(s.Close)
	return s.URL, reached
}

func ask(t *testing.T, through http.RoundTripper, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := through.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err.Error()
	}
	return fmt.Sprint(resp.StatusCode)
}

func TestFaultsOfASeedAreTheSame(t *testing.T) {
	url, _ := server(t)
	run := func() (out []string) {
		f := faulttest.NewFaults(1)
		through := f.Wrap(http.DefaultTransport)
		for i := range 200 {
			out = append(out, ask(t, through, []string{"GET", "PATCH"}[i%2], url+[]string{"/a", "/a?watch=true"}[i%4/2]))
		}
		f.Stop()
		for range 20 {
			if got := ask(t, through, "PATCH", url); got != "200" {
				t.Errorf("after the end of faults: got %s, want 200", got)
			}
		}
		return out
	}
	first, again := run(), run()
	if fmt.Sprint(first) != fmt.Sprint(again) {
		t.Errorf("two runs of a seed differ:\n%s\n%s", first, again)
	}
	for _, want := range []string{"200", "409", "410", "429", "500", "503", "reset by peer", "unexpected EOF"} {
		if !strings.Contains(fmt.Sprint(first), want) {
			t.Errorf("no request of 200 met %q: %s", want, first)
		}
	}
}

func TestCrashLetsNothingThroughAfterIt(t *testing.T) {
	for moment, reached := range map[faulttest.Moment]int64{faulttest.Before: 3, faulttest.After: 4} {
		url, n := server(t)
		c := faulttest.CrashAt(2, moment)
		through := c.Wrap(http.DefaultTransport)
		for _, r := range [][2]string{{"GET", "/a"}, {"PATCH", "/a"}, {"PATCH", "/a?dryRun=All"}, {"DELETE", "/b"}, {"GET", "/a"}, {"POST", "/c"}} {
			ask(t, through, r[0], url+r[1])
		}
		<-c.Done()
		if got := n.Load(); got != reached {
			t.Errorf("%s: %d requests reached the server, want %d", moment, got, reached)
		}
		if got, want := fmt.Sprint(c.Writes()), "[PATCH /a DELETE /b]"; got != want {
			t.Errorf("%s: writes: got %s, want %s", moment, got, want)
		}
	}
}
