package bases

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/source/git"
)

func pool(t *testing.T) *git.Pool {
	t.Helper()
	p, err := git.NewPool(t.TempDir(), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestFile(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/crds.yaml":
			_, _ = w.Write([]byte("kind: X"))
		case "/large.yaml":
			_, _ = w.Write(make([]byte, MaxFile+1))
		case "/loop.yaml":
			http.Redirect(w, r, "/loop.yaml", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	now := time.Unix(0, 0)
	f := New(pool(t), Options{Private: true, Now: func() time.Time { return now }})
	for range 2 {
		tr, id, err := f.Fetch(t.Context(), srv.URL+"/crds.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if text, err := tr.ReadFile("crds.yaml"); err != nil || string(text) != "kind: X" || id.IsZero() {
			t.Fatalf("got %q, %v", text, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times within a minute, want once", asked)
	}
	now = now.Add(2 * fresh)
	if _, _, err := f.Fetch(t.Context(), srv.URL+"/crds.yaml"); err != nil || asked != 2 {
		t.Errorf("after a minute: asked %d times, %v", asked, err)
	}
	for name, want := range map[string]string{"large": "more than", "loop": "too many redirects", "gone": "404"} {
		if _, _, err := f.Fetch(t.Context(), srv.URL+"/"+name+".yaml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, want)
		}
	}
}

// An address of this machine is refused when it is dialled, whatever its name.
func TestNotThisMachine(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the server was reached")
	}))
	t.Cleanup(srv.Close)
	f := New(pool(t), Options{})
	port := srv.URL[strings.LastIndex(srv.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		if _, _, err := f.Fetch(t.Context(), "http://"+host+port+"/x.yaml"); err == nil {
			t.Errorf("%s: reached", host)
		}
		if _, _, err := f.Fetch(t.Context(), "http://"+host+port+"/acme/fleet.git//base?ref=main"); err == nil {
			t.Errorf("%s: reached as a repository", host)
		}
	}
	for _, host := range []string{"169.254.169.254", "[::ffff:169.254.169.254]"} {
		if _, _, err := f.Fetch(t.Context(), "http://"+host+"/latest/meta-data.yaml"); err == nil || !strings.Contains(err.Error(), "of this machine or its link") {
			t.Errorf("%s: got %v", host, err)
		}
		if _, _, err := f.Fetch(t.Context(), "http://"+host+"/acme/fleet.git//base?ref=main"); err == nil || !strings.Contains(err.Error(), "of this machine or its link") {
			t.Errorf("a repository at %s: got %v", host, err)
		}
	}
}
