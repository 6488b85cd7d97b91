package flowtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/forge/gitea/giteatest"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/secret"
)

// organisation is where the repositories of a story are: at a real Gitea, or, where
// there is none, behind git's own server. Ann, who works here, has a home with her
// name, her credentials and the contexts of her clusters.
type organisation struct {
	*testing.T
	name string
	base string // of addresses: <base>/<name>/<repository>
	home string

	gitea *giteatest.Server // nil where there is none
	token secret.Value      // Ann's
	bare  string            // else the folder of the repositories

	mirrored func(*app.Config) // for the engines
}

func newOrganisation(t *testing.T, name string) *organisation {
	t.Helper()
	gitea := giteatest.Program() // looked for in the home of who runs the test, as what follows is
	if _, err := kubetest.Program(); err != nil {
		t.Fatal(err)
	}
	o := &organisation{T: t, name: name, home: t.TempDir()}
	t.Setenv("HOME", o.home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(o.home, ".cache"))
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	o.write(filepath.Join(o.home, ".gitconfig"), "[user]\n\tname = Ann\n\temail = ann@example.com\n[credential]\n\thelper = store\n[init]\n\tdefaultBranch = main\n")
	if gitea != "" {
		t.Setenv("GITEA_REAL", gitea)
		o.atGitea()
	} else {
		o.bare = t.TempDir()
		srv := httptest.NewServer(repotest.Handler(t, o.bare))
		t.Cleanup(srv.Close)
		o.base = srv.URL
	}
	return o
}

func (o *organisation) atGitea() {
	o.Helper()
	o.gitea = giteatest.Start(o.T)
	o.base = o.gitea.URL
	admin := o.gitea.Token(giteatest.Admin)
	o.ask(admin, "POST", "/admin/users", map[string]any{"username": "ann", "email": "ann@example.com", "password": giteatest.Password, "must_change_password": false})
	o.token = o.gitea.Token("ann")
	o.ask(o.token, "POST", "/orgs", map[string]any{"username": o.name})
	o.Setenv("LEAT_FORGE_TOKEN", o.token.Reveal())
	o.write(filepath.Join(o.home, ".git-credentials"), strings.Replace(o.base, "://", "://ann:"+giteatest.Password+"@", 1)+"\n")
}

// ask is a call of Gitea's API that must work.
func (o *organisation) ask(as secret.Value, method, path string, body any) {
	o.Helper()
	o.must(o.gitea.API(as, method, path, body, nil))
}

func (o *organisation) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *organisation) write(file, text string) {
	o.Helper()
	o.must(os.MkdirAll(filepath.Dir(file), 0o755))
	o.must(os.WriteFile(file, []byte(text), 0o644))
}

// url is the address of a repository.
func (o *organisation) url(repository string) string { return o.base + "/" + o.name + "/" + repository }

// declared is the part of leat.yaml that names the forge; empty where there is none.
func (o *organisation) declared(repository string) string {
	if o.gitea == nil {
		return ""
	}
	return "forge: {kind: gitea, url: \"" + o.url(repository) + "\"}\n"
}

// branch is a branch to be: the files of a folder, edited.
type branch struct {
	name, dir string
	edit      func(work string)
}

// repository makes a repository with branches, the first the default one.
func (o *organisation) repository(name string, branches ...branch) {
	o.Helper()
	if o.gitea != nil {
		o.ask(o.token, "POST", "/orgs/"+o.name+"/repos", map[string]any{"name": name, "default_branch": branches[0].name})
	} else {
		dir := filepath.Join(o.bare, o.name, name)
		o.git(".", "init", "-q", "--bare", "-b", branches[0].name, dir)
		o.git(dir, "config", "http.receivepack", "true")
	}
	work := o.TempDir()
	o.git(work, "init", "-q", "-b", branches[0].name)
	o.git(work, "remote", "add", "origin", o.url(name))
	for i, b := range branches {
		if i > 0 {
			o.git(work, "checkout", "-q", "-b", b.name)
			o.git(work, "rm", "-rqf", ".")
		}
		o.must(os.CopyFS(work, os.DirFS(b.dir)))
		if b.edit != nil {
			b.edit(work)
		}
		o.git(work, "add", "-A")
		if i == 0 || o.git(work, "status", "--porcelain") != "" {
			o.git(work, "commit", "-q", "-m", b.name+" as it is")
		}
		o.git(work, "push", "-q", "origin", b.name)
	}
}

// git runs git as Ann, and returns what it prints.
func (o *organisation) git(dir string, args ...string) string {
	o.Helper()
	cmd := exec.CommandContext(o.Context(), "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// clone is a clone of a repository, in Ann's home.
func (o *organisation) clone(name string) string {
	o.Helper()
	dir := filepath.Join(o.home, name)
	o.git(o.home, "clone", "-q", o.url(name), dir)
	return dir
}

// shows is a file of a branch, as the server has it.
func (o *organisation) shows(repository, branch, file string) string {
	o.Helper()
	dir := o.TempDir()
	o.git(".", "clone", "-q", "--branch", branch, "--depth", "1", o.url(repository), dir)
	text, err := os.ReadFile(filepath.Join(dir, file))
	o.must(err)
	return string(text)
}

// merges merges the one branch that begins so as a reviewer does at the forge: the pull request, which must
// be open, or by hand where there is no forge. It returns the branch's new head.
func (o *organisation) merges(repository, head, base string) string {
	o.Helper()
	if o.gitea != nil {
		o.mergesRequest(repository, head, base)
	} else {
		dir := o.TempDir()
		o.git(".", "clone", "-q", "--branch", base, o.url(repository), dir)
		branch := strings.Fields(o.git(dir, "branch", "-r", "--list", "origin/"+head+"*"))[0]
		o.git(dir, "merge", "-q", "--no-ff", "-m", "Merge "+head, branch)
		o.git(dir, "push", "-q", "origin", base)
	}
	id, _, _ := strings.Cut(o.git(".", "ls-remote", o.url(repository), "refs/heads/"+base), "\t")
	return id
}

// request is a pull request as Gitea tells it.
type request struct {
	Number    int    `json:"number"`
	Title     string `json:"title"`
	Body      string `json:"body"`
	Mergeable bool   `json:"mergeable"`
	Head      struct {
		Ref string `json:"ref"`
	} `json:"head"`
	Base struct {
		Ref string `json:"ref"`
	} `json:"base"`
}

// requests are the open pull requests into a branch, of those that begin so.
func (o *organisation) requests(repository, head, base string) (out []request) {
	o.Helper()
	var all []request
	o.must(o.gitea.API(o.token, "GET", "/repos/"+o.name+"/"+repository+"/pulls", nil, &all))
	for _, r := range all {
		if strings.HasPrefix(r.Head.Ref, head) && r.Base.Ref == base {
			out = append(out, r)
		}
	}
	return out
}

func (o *organisation) mergesRequest(repository, head, base string) {
	o.Helper()
	for end := time.Now().Add(time.Minute); ; { // Gitea looks for conflicts in the background
		open := o.requests(repository, head, base)
		if len(open) != 1 {
			o.Fatalf("%s: %d open pull requests of %s into %s, want one", repository, len(open), head, base)
		}
		path := fmt.Sprintf("/repos/%s/%s/pulls/%d/merge", o.name, repository, open[0].Number)
		err := o.gitea.API(o.token, http.MethodPost, path, map[string]any{"Do": "merge"}, nil)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			o.Fatalf("merge pull request %d of %s: %v", open[0].Number, repository, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// proposed holds a pull request to what it must say; without a forge there is none.
func (o *organisation) proposed(repository, head, base string, says ...string) {
	o.Helper()
	if o.gitea == nil {
		return
	}
	open := o.requests(repository, head, base)
	if len(open) != 1 {
		o.Fatalf("%s: %d open pull requests of %s into %s, want one", repository, len(open), head, base)
	}
	for _, text := range says {
		if !strings.Contains(open[0].Body, text) {
			o.Errorf("pull request %d of %s does not say %q:\n%s", open[0].Number, repository, text, open[0].Body)
		}
	}
}
