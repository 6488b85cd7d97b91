// Package repotest has real Git repositories for tests: made by the git program,
// served over HTTP by git's own backend, pushes allowed.
//
//	up := repotest.New(t)
//	first := up.Commit("main", map[string]string{"apps/web.yaml": "…"})
//	r, err := repo.Clone(ctx, repotest.Serve(t, up), repo.Options{…})
package repotest

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Upstream is a bare repository with a work tree to commit from.
type Upstream struct {
	t    testing.TB
	Bare string // the repository
	Work string // a clone of it
	when int64
}

// New makes an empty repository with the default branch main.
func New(t testing.TB) *Upstream {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: nothing to make repositories with")
	}
	root := t.TempDir()
	u := &Upstream{t: t, Bare: filepath.Join(root, "fleet.git"), Work: filepath.Join(root, "work"), when: 1_700_000_000}
	u.run(root, "init", "-q", "--bare", "-b", "main", u.Bare)
	u.run(root, "-C", u.Bare, "config", "http.receivepack", "true")
	u.run(root, "init", "-q", "-b", "main", u.Work)
	u.Git("remote", "add", "origin", u.Bare)
	return u
}

// Git runs git in the work tree and returns what it prints.
func (u *Upstream) Git(args ...string) string { u.t.Helper(); return u.run(u.Work, args...) }

// InBare runs git in the bare repository.
func (u *Upstream) InBare(args ...string) string { u.t.Helper(); return u.run(u.Bare, args...) }

func (u *Upstream) run(dir string, args ...string) string {
	u.t.Helper()
	u.when++
	date := fmt.Sprintf("%d +0000", u.when)
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
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

// Commit makes a commit on a branch, which begins at the checked-out one if it is
// new, pushes it and returns it. An empty text deletes a file.
func (u *Upstream) Commit(branch string, files map[string]string) string {
	u.t.Helper()
	if u.run(u.Work, "branch", "--list", branch) != "" {
		u.Git("checkout", "-q", branch)
	} else {
		u.Git("checkout", "-q", "-B", branch)
	}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		at := filepath.Join(u.Work, p)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		if err == nil && files[p] == "" {
			err = os.Remove(at)
		} else if err == nil {
			err = os.WriteFile(at, []byte(files[p]), 0o644)
		}
		if err != nil {
			u.t.Fatal(err)
		}
	}
	u.Git("add", "-A")
	u.Git("commit", "-q", "--allow-empty", "-m", "change "+strings.Join(slices.Sorted(maps.Keys(files)), ", "))
	u.Git("push", "-q", "-f", "origin", branch)
	return u.Git("rev-parse", "HEAD")
}

// Serve serves the repository over HTTP and returns its address.
func Serve(t testing.TB, u *Upstream) string {
	t.Helper()
	srv := httptest.NewServer(Handler(t, filepath.Dir(u.Bare)))
	t.Cleanup(srv.Close)
	return srv.URL + "/" + filepath.Base(u.Bare)
}

// Handler serves the repositories below a directory, for reading and writing.
func Handler(t testing.TB, root string) http.Handler {
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
