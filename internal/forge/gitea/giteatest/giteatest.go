// Package giteatest runs a real Gitea on loopback, with SQLite in a directory of its
// own. tools/gitea builds the program; a test that asks for it is skipped where it is
// not.
//
//	s := giteatest.Start(t)
//	admin := s.Token(giteatest.Admin)
//	err := s.API(admin, "POST", "/orgs", map[string]any{"username": "team"}, nil)
//
// Only tests may use it.
package giteatest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/secret"
)

// Server is a real Gitea.
type Server struct {
	URL string // http://127.0.0.1:<port>

	t    testing.TB
	bin  string
	dir  string
	cred *syscall.Credential // nobody, when we are root: Gitea refuses to be root
	env  []string
}

const settings = `APP_NAME = test
RUN_USER = %[1]s
WORK_PATH = %[2]s
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[3]d
ROOT_URL = http://127.0.0.1:%[3]d/
DISABLE_SSH = true
OFFLINE_MODE = true
STATIC_ROOT_PATH = %[4]s
[database]
DB_TYPE = sqlite3
PATH = %[2]s/gitea.db
[repository]
ROOT = %[2]s/repositories
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2$1000$50
[webhook]
ALLOWED_HOST_LIST = loopback
[log]
MODE = file
LEVEL = Warn
ROOT_PATH = %[2]s/log
[indexer]
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = false
[cron]
ENABLED = false
`

// Admin is the account that may do everything; Password that of everyone on the
// test's own server.
const (
	Admin    = "root-admin"
	Password = "a-long-password"
)

// Program is the Gitea that GITEA_REAL names, or that tools/gitea built; "" where
// there is none.
func Program() string {
	bin := os.Getenv("GITEA_REAL")
	if bin == "" {
		home, _ := os.UserCacheDir()
		bin = filepath.Join(home, "leat", "gitea-1.26.0", "gitea")
	}
	if _, err := os.Stat(bin); err != nil {
		return ""
	}
	return bin
}

// Start runs Program until the test ends, or skips the test.
func Start(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("a real Gitea takes half a minute")
	}
	bin := Program()
	if bin == "" {
		t.Skip("there is no real Gitea here: GITEA_REAL=$(tools/gitea) builds one; the strict local server remains")
	}
	dir, err := os.MkdirTemp("", "gitea-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{t: t, dir: dir}
	s.place(bin)
	s.configure()
	s.run("migrate")
	s.run("admin", "user", "create", "--admin", "--username", Admin, "--password", Password, "--email", "root@example.com", "--must-change-password=false")
	s.serve()
	return s
}

// place puts the program and its files where the user that runs it may read them.
func (s *Server) place(bin string) {
	s.t.Helper()
	from := filepath.Dir(bin)
	s.bin = filepath.Join(s.dir, "gitea")
	if os.Link(bin, s.bin) != nil {
		copyFile(s.t, bin, s.bin)
	}
	os.Chmod(s.bin, 0o755)
	for _, d := range []string{"options", "templates"} {
		if err := os.CopyFS(filepath.Join(s.dir, "static", d), os.DirFS(filepath.Join(from, d))); err != nil {
			s.t.Fatal(err)
		}
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) configure() {
	s.t.Helper()
	me, err := osuser.Current()
	if err != nil {
		s.t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if me, err = osuser.Lookup("nobody"); err != nil {
			s.t.Skip("Gitea refuses to run as root, and there is no user nobody here")
		}
		uid, _ := strconv.ParseUint(me.Uid, 10, 32)
		gid, _ := strconv.ParseUint(me.Gid, 10, 32)
		s.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	port := freePort(s.t)
	s.URL = "http://127.0.0.1:" + strconv.Itoa(port)
	work := filepath.Join(s.dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		s.t.Fatal(err)
	}
	conf := fmt.Sprintf(settings, me.Username, work, port, filepath.Join(s.dir, "static"))
	if err := os.WriteFile(filepath.Join(work, "app.ini"), []byte(conf), 0o644); err != nil {
		s.t.Fatal(err)
	}
	os.Chmod(s.dir, 0o755)
	if s.cred != nil {
		for _, p := range []string{work, filepath.Join(work, "app.ini")} {
			if err := os.Chown(p, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + work, "USER=" + me.Username, "GITEA_WORK_DIR=" + work}
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.bin, append(args, "--config", filepath.Join(s.dir, "work", "app.ini"))...)
	cmd.Env, cmd.Dir = s.env, filepath.Join(s.dir, "work")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setpgid: true}
	return cmd
}

func (s *Server) run(args ...string) {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("gitea %s: %v\n%s", args[0], err, out)
	}
}

func (s *Server) serve() {
	s.t.Helper()
	cmd := s.command("web")
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		cmd.Wait()
	})
	for end := time.Now().Add(time.Minute); ; {
		res, err := http.Get(s.URL + "/api/healthz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			s.t.Fatalf("gitea does not become healthy: %v", err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Token makes one for an account; a program for each would take a second.
func (s *Server) Token(who string) secret.Value {
	s.t.Helper()
	u, _ := url.Parse(s.URL + "/api/v1")
	c := rest.Client{Base: u, Authorize: func(r *http.Request) { r.SetBasicAuth(who, Password) }}
	var out struct {
		Token string `json:"sha1"`
	}
	call := rest.Call{Method: "POST", Path: "/users/" + who + "/tokens", Body: map[string]any{"name": "t", "scopes": []string{"all"}}, Into: &out}
	if _, err := c.Do(context.Background(), call); err != nil {
		s.t.Fatal(err)
	}
	return secret.Of(out.Token)
}

// API is a plain call, as people's own tools make it.
func (s *Server) API(token secret.Value, method, path string, body, into any) error {
	u, _ := url.Parse(s.URL + "/api/v1")
	c := rest.Client{Base: u, Authorize: func(r *http.Request) { r.Header.Set("Authorization", "token "+token.Reveal()) }}
	_, err := c.Do(context.Background(), rest.Call{Method: method, Path: path, Body: body, Into: into})
	return err
}
