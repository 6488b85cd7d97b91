package git

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// upstream is a repository that a test commits to with git itself.
type upstream struct {
	t    testing.TB
	dir  string // work tree
	root string // directory that holds it, which servers serve
	when time.Time
}

const repoName = "fleet.git"

func newUpstream(t testing.TB) *upstream {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: nothing to fetch from")
	}
	root := t.TempDir()
	u := &upstream{t: t, root: root, dir: filepath.Join(root, repoName), when: time.Unix(1_700_000_000, 0)}
	if err := os.Mkdir(u.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	u.git("init", "-q", "-b", "main")
	u.git("config", "http.receivepack", "false")
	u.git("config", "receive.denyCurrentBranch", "ignore")
	return u
}

// git runs a command in the work tree and returns what it prints.
func (u *upstream) git(args ...string) string { u.t.Helper(); return u.in(nil, args...) }

func (u *upstream) in(stdin io.Reader, args ...string) string {
	u.t.Helper()
	u.when = u.when.Add(time.Second)
	date := fmt.Sprintf("%d +0000", u.when.Unix())
	cmd := exec.Command("git", args...)
	cmd.Dir = u.dir
	cmd.Stdin = stdin
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
		"GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		u.t.Fatalf("git %v: %v\n%s", args, err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out))
}

// commit writes files (nil removes one) and returns the commit.
func (u *upstream) commit(files map[string]string) string {
	u.t.Helper()
	for p, text := range files {
		at := filepath.Join(u.dir, p)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			u.t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			u.t.Fatal(err)
		}
	}
	u.git("add", "-A")
	u.git("commit", "-q", "--allow-empty", "-m", "change")
	return u.git("rev-parse", "HEAD")
}

// server serves repositories over HTTP by git's own backend.
type server struct {
	*httptest.Server
	backend http.Handler

	mu       sync.Mutex
	requests []string // method, path and what matters of it
	sent     int64    // bytes of packs
}

// guard wraps the backend: authentication, redirects, faults.
type guard func(next http.Handler) http.Handler

func backend(t testing.TB, root string) http.Handler {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("git is not installed: nothing to serve with")
	}
	return &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Root:   "/",
		Env:    []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
		Stderr: io.Discard, Logger: log.New(io.Discard, "", 0),
	}
}

func newServer(t testing.TB, root string, guards ...guard) *server {
	t.Helper()
	s := &server{backend: backend(t, root)}
	s.Server = httptest.NewUnstartedServer(s.handler(guards))
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *server) handler(guards []guard) http.Handler {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header.Get("Git-Protocol"); v != "" {
			// What a web server in front of git does: cgi drops the header's meaning.
			r.Header.Set("Git-Protocol", v)
		}
		s.backend.ServeHTTP(&counting{w, s}, r)
	})
	for _, g := range guards {
		h = g(h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		what := r.Method + " " + r.URL.Path
		if bytes.Contains(body, []byte("command=ls-refs")) {
			what += " ls-refs"
		}
		s.mu.Lock()
		s.requests = append(s.requests, what)
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

type counting struct {
	http.ResponseWriter
	s *server
}

func (c *counting) Write(p []byte) (int, error) {
	c.s.mu.Lock()
	c.s.sent += int64(len(p))
	c.s.mu.Unlock()
	return c.ResponseWriter.Write(p)
}

// seen returns the requests since the last call.
func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests, s.sent = nil, 0
	return out
}

// v0 makes the server forget version 2 of the protocol.
func v0(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Git-Protocol")
		next.ServeHTTP(w, r)
	})
}

func (s *server) repo() string { return s.URL + "/" + repoName + "/.git" }

func newPool(t testing.TB, o Options) *Pool {
	t.Helper()
	p, err := NewPool(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func remote(t testing.TB, p *Pool, url string, c Credential) *Remote {
	t.Helper()
	r, err := p.Remote(url, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
