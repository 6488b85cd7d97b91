package gitea

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/forge/rest"
	"github.com/leat-dev/leat/internal/secret"
)

// server is a real Gitea on loopback, with SQLite in a directory of its own.
type server struct {
	t    *testing.T
	bin  string
	dir  string
	url  string
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

// password of everyone on the test's own server.
const password = "a-long-password"

// start runs the Gitea that GITEA_REAL names (tools/gitea builds it), or skips.
func start(t *testing.T) *server {
	t.Helper()
	if testing.Short() {
		t.Skip("a real Gitea takes half a minute")
	}
	bin := os.Getenv("GITEA_REAL")
	if bin == "" {
		home, _ := os.UserCacheDir()
		bin = filepath.Join(home, "leat", "gitea-1.26.0", "gitea")
	}
	if _, err := os.Stat(bin); err != nil {
		t.Skip("there is no real Gitea here: GITEA_REAL=$(tools/gitea) builds one; the strict local server remains")
	}
	dir, err := os.MkdirTemp("", "gitea-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, dir: dir}
	s.place(bin)
	s.configure()
	s.run("migrate")
	s.run("admin", "user", "create", "--admin", "--username", "root-admin", "--password", password, "--email", "root@example.com", "--must-change-password=false")
	s.serve()
	return s
}

// place puts the program and its files where the user that runs it may read them.
func (s *server) place(bin string) {
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

func copyFile(t *testing.T, from, to string) {
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

func (s *server) configure() {
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
	s.url = "http://127.0.0.1:" + strconv.Itoa(port)
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

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.bin, append(args, "--config", filepath.Join(s.dir, "work", "app.ini"))...)
	cmd.Env, cmd.Dir = s.env, filepath.Join(s.dir, "work")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setpgid: true}
	return cmd
}

func (s *server) run(args ...string) {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("gitea %s: %v\n%s", args[0], err, out)
	}
}

func (s *server) serve() {
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
		res, err := http.Get(s.url + "/api/healthz")
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

// token makes one for an account; a program for each would take a second.
func (s *server) token(who, password string) secret.Value {
	s.t.Helper()
	u, _ := url.Parse(s.url + "/api/v1")
	c := rest.Client{Base: u, Authorize: func(r *http.Request) { r.SetBasicAuth(who, password) }}
	var out struct {
		Token string `json:"sha1"`
	}
	call := rest.Call{Method: "POST", Path: "/users/" + who + "/tokens", Body: map[string]any{"name": "t", "scopes": []string{"all"}}, Into: &out}
	if _, err := c.Do(context.Background(), call); err != nil {
		s.t.Fatal(err)
	}
	return secret.Of(out.Token)
}

func plain(rt http.RoundTripper) http.RoundTripper { return rt }

// api is a plain call, as people's own tools make it.
func (s *server) api(token secret.Value, method, path string, body, into any) error {
	u, _ := url.Parse(s.url + "/api/v1")
	c := rest.Client{Base: u, Authorize: func(r *http.Request) { r.Header.Set("Authorization", "token "+token.Reveal()) }}
	_, err := c.Do(context.Background(), rest.Call{Method: method, Path: path, Body: body, Into: into})
	return err
}

// stage is a real Gitea with an organisation, a team and a repository.
type stage struct {
	*server
	tokens map[string]secret.Value
}

func newStage(t *testing.T) *stage {
	s := &stage{server: start(t), tokens: map[string]secret.Value{"root-admin": {}}}
	s.tokens["root-admin"] = s.token("root-admin", password)
	do := func(method, path string, body any) {
		t.Helper()
		if err := s.api(s.tokens["root-admin"], method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	people := []string{forgetest.Leat, forgetest.Alice, forgetest.Bob, forgetest.Mallory}
	for _, who := range people {
		do("POST", "/admin/users", map[string]any{"username": who, "email": who + "@example.com", "password": password, "must_change_password": false})
		s.tokens[who] = s.token(who, password)
	}
	do("POST", "/orgs", map[string]any{"username": "team"})
	do("POST", "/orgs/team/repos", map[string]any{"name": "fleet", "auto_init": true, "default_branch": "main"})
	var platform struct {
		ID int `json:"id"`
	}
	unit := map[string]string{"repo.code": "write", "repo.pulls": "write", "repo.issues": "write"}
	if err := s.api(s.tokens["root-admin"], "POST", "/orgs/team/teams", map[string]any{"name": "platform", "permission": "write", "units_map": unit, "includes_all_repositories": true}, &platform); err != nil {
		t.Fatal(err)
	}
	for _, who := range people {
		do("PUT", "/repos/team/fleet/collaborators/"+who, map[string]string{"permission": "write"})
	}
	for _, who := range []string{forgetest.Alice, forgetest.Bob} {
		do("PUT", fmt.Sprintf("/teams/%d/members/%s", platform.ID, who), nil)
	}
	do("POST", "/repos/team/fleet/branches", map[string]string{"new_branch_name": forgetest.Guarded, "old_branch_name": "main"})
	do("POST", "/repos/team/fleet/branch_protections", map[string]any{"rule_name": forgetest.Guarded, "required_approvals": 1})
	return s
}

// Forge implements forgetest.Stage.
func (s *stage) Forge(t *testing.T, who string, wrap func(http.RoundTripper) http.RoundTripper) forge.Forge {
	t.Helper()
	token, known := s.tokens[who]
	if !known {
		token = secret.Of("0123456789abcdef0123456789abcdef01234567")
	}
	f, err := New(forge.Config{URL: s.url + "/team/fleet.git", Token: token, Transport: wrap(http.DefaultTransport)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Push implements forgetest.Stage, by the API's own way to change files.
func (s *stage) Push(t *testing.T, who, branch, file, text string) string {
	t.Helper()
	body := map[string]any{"content": base64.StdEncoding.EncodeToString([]byte(text)), "message": "change " + file, "branch": branch}
	if s.api(s.tokens[who], "GET", "/repos/team/fleet/branches/"+branch, nil, nil) != nil {
		body["branch"], body["new_branch"] = "main", branch
	}
	var out struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	if err := s.api(s.tokens[who], "POST", "/repos/team/fleet/contents/"+file, body, &out); err != nil {
		t.Fatal(err)
	}
	return s.settled(t, branch, out.Commit.SHA)
}

// settled waits until an open pull request of the branch has heard of a push.
func (s *stage) settled(t *testing.T, branch, commit string) string {
	t.Helper()
	f := s.Forge(t, forgetest.Leat, plain)
	for end := time.Now().Add(time.Minute); ; {
		list, err := f.List(context.Background(), forge.Query{State: forge.Open, Head: branch})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 || list[0].Head.Commit == commit && s.heard(t, list[0].Number, commit) {
			return commit
		}
		if time.Now().After(end) {
			t.Fatalf("pull request %d does not hear of %s", list[0].Number, commit)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// heard tells whether the push stands in the pull request's history.
func (s *stage) heard(t *testing.T, number int, commit string) bool {
	t.Helper()
	var events []struct {
		Type string `json:"type"`
		Body string `json:"body"`
	}
	if err := s.api(s.tokens[forgetest.Leat], "GET", fmt.Sprintf("/repos/team/fleet/issues/%d/timeline", number), nil, &events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Type == "pull_push" && strings.Contains(e.Body, commit) {
			return true
		}
	}
	return false
}

// Review implements forgetest.Stage.
func (s *stage) Review(t *testing.T, who string, number int, v forge.Verdict) error {
	t.Helper()
	event := map[forge.Verdict]string{forge.Approved: "APPROVED", forge.Rejected: "REQUEST_CHANGES", forge.Commented: "COMMENT"}[v]
	return s.api(s.tokens[who], "POST", fmt.Sprintf("/repos/team/fleet/pulls/%d/reviews", number), map[string]string{"event": event, "body": "seen"}, nil)
}

// Dismiss implements forgetest.Stage.
func (s *stage) Dismiss(t *testing.T, number int, who string) {
	t.Helper()
	list, err := s.Forge(t, forgetest.Leat, plain).Reviews(context.Background(), number)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Reviewer.Login != who {
			continue
		}
		if err := s.api(s.tokens["root-admin"], "POST", fmt.Sprintf("/repos/team/fleet/pulls/%d/reviews/%s/dismissals", number, r.ID), map[string]any{"message": "no", "priors": false}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Can implements forgetest.Stage.
func (s *stage) Can() forgetest.Abilities {
	return forgetest.Abilities{Pusher: true, Dismissal: true, Statuses: true, Team: "team/platform", Insider: forgetest.Bob, Protection: true, Titles: true}
}

func TestRealGitea(t *testing.T) {
	s := newStage(t)
	forgetest.Run(t, s)
	t.Run("pushes", s.pushes)
	t.Run("webhooks", s.webhooks)
}

// webhooks come from the server itself, signed by it.
func (s *stage) webhooks(t *testing.T) {
	key := secret.Of("a webhook's secret")
	got := make(chan forge.Event, 64)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e, err := Webhook(r.Header, body, []secret.Value{key})
		if err != nil {
			t.Errorf("%s: %v", r.Header.Get("X-Gitea-Event"), err)
		}
		if _, err := Webhook(r.Header, body, []secret.Value{secret.Of("another")}); err == nil {
			t.Error("a webhook passed under another secret")
		}
		if _, err := Webhook(r.Header, bytes.ToUpper(body), []secret.Value{key}); err == nil {
			t.Error("a changed webhook passed")
		}
		got <- e
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	hook := map[string]any{"type": "gitea", "active": true, "events": []string{"push", "pull_request", "pull_request_review", "pull_request_sync", "issue_comment", "pull_request_comment"},
		"config": map[string]string{"url": "http://" + l.Addr().String() + "/hook", "content_type": "json", "secret": key.Reveal()}}
	if err := s.api(s.tokens["root-admin"], "POST", "/repos/team/fleet/hooks", hook, nil); err != nil {
		t.Fatal(err)
	}
	f := s.Forge(t, forgetest.Leat, plain)
	s.Push(t, forgetest.Alice, "hooked", "hooked.yaml", "a: 1\n")
	pr, err := f.Create(context.Background(), forge.Draft{Head: "hooked", Base: "main", Title: "hooked"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Review(t, forgetest.Bob, pr.Number, forge.Approved); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Comment(context.Background(), pr.Number, "hello"); err != nil {
		t.Fatal(err)
	}
	want := map[forge.Happening]bool{forge.Pushed: true, forge.PullChanged: true, forge.Reviewed: true, forge.CommentChanged: true}
	for patience := time.After(time.Minute); len(want) > 0; {
		select {
		case e := <-got:
			if e.Kind != forge.Pushed && e.Kind != forge.Ignored && e.Number != pr.Number || e.Repo != "team/fleet" || e.Sender.Login == "" {
				b, _ := json.Marshal(e)
				t.Errorf("got %s", b)
			}
			delete(want, e.Kind)
		case <-patience:
			t.Fatalf("no webhook of %v", want)
		}
	}
}
