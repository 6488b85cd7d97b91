package bases

import (
	"fmt"
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

func TestRefusedAddresses(t *testing.T) {
	for _, c := range []struct {
		addr string
		want bool // refused
	}{
		{"127.0.0.1:80", true}, {"[::1]:80", true}, {"0.0.0.0:80", true}, {"169.254.169.254:80", true}, {"[fe80::1]:80", true},
		{"[::ffff:169.254.169.254]:80", true}, {"[64:ff9b::a9fe:a9fe]:80", true}, {"[64:ff9b::7f00:1]:80", true},
		{"[fd00:ec2::254]:80", true}, {"[fd20:ce::254]:80", true}, {"100.100.100.200:80", true}, {"168.63.129.16:80", true}, {"192.0.0.192:80", true},
		{"10.0.0.7:80", false}, {"[fd00::7]:443", false}, {"140.82.112.3:443", false}, {"[64:ff9b::8c52:7003]:443", false},
	} {
		if err := refusePrivate(t.Context(), "tcp", c.addr, nil); (err != nil) != c.want {
			t.Errorf("%s: got %v, want refused %v", c.addr, err, c.want)
		}
	}
}

// Files that are kept are bounded together: a kustomization may name as many as it likes.
func TestKeptFilesAreBounded(t *testing.T) {
	f := New(pool(t), Options{})
	content := make([]byte, MaxFile)
	file, err := Single("a.yaml", content)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		f.keep(fmt.Sprintf("https://example.com/%d.yaml", i%15), answer{tree: file})
		if want := int64(len(f.answers)) * MaxFile; f.held != want || f.held > keptBytes {
			t.Fatalf("%d answers hold %d bytes, want %d", len(f.answers), f.held, want)
		}
	}
	f.keep("https://example.com/repo.git?ref=main", answer{tree: file})
	if f.held > keptBytes {
		t.Errorf("%d bytes are held", f.held)
	}
}
