package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/gitea/giteatest"
	"github.com/leat-dev/leat/internal/isolate"
	"github.com/leat-dev/leat/internal/keeper"
	"github.com/leat-dev/leat/internal/secret"
)

// town is a real Gitea with a fleet, people, and a gate that hears its webhooks.
type town struct {
	*testing.T
	*giteatest.Server
	tokens map[string]secret.Value
	dir    string
	gate   *Gate
	log    bytes.Buffer
}

func newTown(t *testing.T, files map[string]string) *town {
	out := &town{T: t, Server: giteatest.Start(t), tokens: map[string]secret.Value{}, dir: t.TempDir()}
	out.tokens[giteatest.Admin] = out.Token(giteatest.Admin)
	for _, who := range []string{"leat", "ann", "alice", "bob", "mallory"} {
		out.do(giteatest.Admin, "POST", "/admin/users", map[string]any{"username": who, "email": who + "@example.com", "password": giteatest.Password, "must_change_password": false})
		out.tokens[who] = out.Token(who)
	}
	out.do(giteatest.Admin, "POST", "/orgs", map[string]any{"username": "team"})
	out.do(giteatest.Admin, "POST", "/orgs/team/repos", map[string]any{"name": "fleet", "default_branch": "main", "private": true})
	for who, may := range map[string]string{"leat": "write", "ann": "write", "alice": "write", "bob": "write", "mallory": "read"} {
		out.do(giteatest.Admin, "PUT", "/repos/team/fleet/collaborators/"+who, map[string]string{"permission": may})
	}
	out.git("init", "-q", "-b", "main", ".")
	out.push("ann", "team/fleet", "main", files)
	out.filled()
	return out
}

// team makes a team of the organisation, and returns its number.
func (s *town) team(name string, people ...string) int {
	s.T.Helper()
	var of struct {
		ID int `json:"id"`
	}
	body := map[string]any{"name": name, "permission": "read", "units": []string{"repo.code"}}
	if err := s.API(s.tokens[giteatest.Admin], "POST", "/orgs/team/teams", body, &of); err != nil {
		s.Fatal(err)
	}
	for _, who := range people {
		s.do(giteatest.Admin, "PUT", fmt.Sprintf("/teams/%d/members/%s", of.ID, who), nil)
	}
	return of.ID
}

// filled waits until Gitea has noticed the first push: until then the repository is
// empty, and has no pull requests.
func (s *town) filled() {
	s.T.Helper()
	for end := time.Now().Add(time.Minute); ; {
		var of struct {
			Empty bool `json:"empty"`
		}
		if err := s.API(s.tokens["ann"], "GET", "/repos/team/fleet", nil, &of); err != nil {
			s.Fatal(err)
		}
		if !of.Empty {
			return
		}
		if time.Now().After(end) {
			s.Fatal("the repository stays empty")
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (s *town) do(as, method, path string, body any) {
	s.T.Helper()
	if err := s.API(s.tokens[as], method, path, body, nil); err != nil {
		s.Fatal(err)
	}
}

func (s *town) git(args ...string) {
	s.T.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=ann", "GIT_COMMITTER_EMAIL=ann@example.com")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// push commits files and pushes them to a branch of a repository.
func (s *town) push(who, repository, branch string, files map[string]string) {
	s.T.Helper()
	for name, text := range files {
		at := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			s.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			s.Fatal(err)
		}
	}
	s.git("add", ".")
	s.git("commit", "-q", "-m", "change")
	s.git("push", "-q", strings.Replace(s.URL, "http://", fmt.Sprintf("http://%s:%s@", who, giteatest.Password), 1)+"/"+repository+".git", "HEAD:refs/heads/"+branch)
}

// opens opens a pull request.
func (s *town) opens(who, head string) int {
	s.T.Helper()
	var pr struct {
		Number int `json:"number"`
	}
	if err := s.API(s.tokens[who], "POST", "/repos/team/fleet/pulls", map[string]string{"head": head, "base": "main", "title": head}, &pr); err != nil {
		s.Fatal(err)
	}
	return pr.Number
}

func (s *town) approves(who string, number int) {
	s.T.Helper()
	s.do(who, "POST", fmt.Sprintf("/repos/team/fleet/pulls/%d/reviews", number), map[string]string{"event": "APPROVED", "body": "seen"})
}

// status is the combined status of a pull request's head for one context, as Gitea
// shows it to whoever wants to merge.
func (s *town) status(number int) (state, description string) {
	s.T.Helper()
	var pr struct {
		Head struct {
			SHA string `json:"sha"`
		} `json:"head"`
	}
	if err := s.API(s.tokens["ann"], "GET", fmt.Sprintf("/repos/team/fleet/pulls/%d", number), nil, &pr); err != nil {
		s.Fatal(err)
	}
	var combined struct {
		Statuses []struct {
			Context     string `json:"context"`
			Status      string `json:"status"`
			Description string `json:"description"`
		} `json:"statuses"`
	}
	if err := s.API(s.tokens["ann"], "GET", "/repos/team/fleet/commits/"+pr.Head.SHA+"/status", nil, &combined); err != nil {
		s.Fatal(err)
	}
	for _, one := range combined.Statuses {
		if one.Context == "leat/production" {
			return one.Status, one.Description
		}
	}
	return "", ""
}

// stands waits until a pull request stands so.
func (s *town) stands(number int, state, words string) {
	s.T.Helper()
	for end := time.Now().Add(time.Minute); ; {
		got, description := s.status(number)
		if got == state && strings.Contains(description, words) {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("pull request %d is %s %q, want %s %q\n%s", number, got, description, state, words, s.log.String())
		}
		<-time.After(50 * time.Millisecond)
	}
}

// hears has Gitea's webhooks come to the gate.
func (s *town) hears() {
	s.T.Helper()
	file := filepath.Join(s.T.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("a webhook's secret\n"), 0o600); err != nil {
		s.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	s.Setenv("LEAT_FORGE_TOKEN", s.tokens["leat"].Reveal())
	s.gate, err = NewGate(context.Background(), GateConfig{
		Facts: FactsConfig{Previews: PreviewConfig{Isolate: &isolate.Config{Command: []string{exe, childWord}}}},
		Forge: flow.Forge{Kind: "gitea", URL: s.URL + "/team/fleet"}, CacheDir: s.T.TempDir(), Secrets: []string{file},
		Serve: keeper.Options{Every: time.Hour, Workers: 2}, Log: slog.New(slog.NewTextHandler(&s.log, nil)), Tool: "leat",
	})
	if err != nil {
		s.Fatal(err)
	}
	server := httptest.NewServer(s.gate.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.gate.Serve(ctx); err != nil {
			s.T.Error(err)
		}
	})
	s.Cleanup(func() {
		cancel()
		done.Wait()
		server.Close()
		if err := s.gate.Close(); err != nil {
			s.T.Error(err)
		}
	})
	s.do(giteatest.Admin, "POST", "/repos/team/fleet/hooks", map[string]any{
		"type": "gitea", "active": true, "events": []string{"push", "pull_request", "pull_request_review", "pull_request_sync", "issue_comment", "pull_request_comment"},
		"config": map[string]string{"url": server.URL + "/webhook", "content_type": "json", "secret": "a webhook's secret"},
	})
}

// The whole story at a real Gitea, by its webhooks alone: nothing is polled.
func TestGateAtGitea(t *testing.T) {
	files := fleetFiles(strings.Replace(gateRules, "users: [alice, bob]", "groups: [platform]", 1) +
		"groups: {platform: [{team: team/platform}]}\nforge: {kind: gitea, url: https://git.example.com/team/fleet}\n")
	s := newTown(t, files)
	team := s.team("platform", "leat", "alice", "bob")
	s.hears()
	app := func(v string) map[string]string {
		return map[string]string{"apps/a.yaml": strings.Replace(files["apps/a.yaml"], "k: v1", "k: "+v, 1)}
	}
	s.git("checkout", "-q", "-b", "change")
	s.push("ann", "team/fleet", "change", app("v2"))
	n := s.opens("ann", "change")
	s.stands(n, "pending", "waits for 1 approval of alice, bob")
	s.approves("alice", n)
	s.stands(n, "success", "approved by alice")

	// The head moves and renders the same; then something else.
	s.push("ann", "team/fleet", "change", map[string]string{"README.md": "more\n"})
	s.stands(n, "success", "approved by alice")
	s.push("ann", "team/fleet", "change", app("v3"))
	s.stands(n, "pending", "waits for 1 approval of alice, bob")
	s.approves("bob", n)
	s.stands(n, "success", "approved by bob")

	// Who pushes last does not approve.
	s.push("bob", "team/fleet", "change", map[string]string{"README.md": "less\n"})
	s.stands(n, "pending", "waits for 1 approval of alice")

	// mallory, who may only read, comes with a fork that breaks the build and the rules.
	s.do("mallory", "POST", "/repos/team/fleet/forks", map[string]string{})
	s.git("checkout", "-q", "main")
	s.push("mallory", "mallory/fleet", "theirs", map[string]string{
		"apps/kustomization.yaml": "resources: [a.yaml, none.yaml]\n", "leat.yaml": strings.Replace(gateRules, "alice, bob", "mallory", 1),
	})
	m := s.opens("mallory", "mallory:theirs")
	s.stands(m, "failure", "build failed")
	pr, err := s.gate.keeper.Forge.Pull(context.Background(), m)
	if err != nil || !pr.Fork() {
		t.Errorf("the forge does not tell that it is a fork: %v", err)
	}
	comments, err := s.gate.keeper.Forge.Comments(context.Background(), m)
	if err != nil || len(comments) != 1 || !strings.Contains(comments[0].Body, "leat.yaml is changed") {
		t.Errorf("got %d comments, %v", len(comments), err)
	}
	if strings.Contains(s.log.String(), s.tokens["leat"].Reveal()) {
		t.Error("the log holds the token")
	}

	// Once, beside the server, finds the same and writes nothing new.
	before, _ := json.Marshal(statusesOf(t, s, n))
	if err := s.gate.Once(context.Background(), nil, n, m); err != nil {
		t.Error(err)
	}
	if after, _ := json.Marshal(statusesOf(t, s, n)); !bytes.Equal(before, after) {
		t.Errorf("a status was set again:\n%s\n%s", before, after)
	}
	// Who leaves the team has no say when it is asked for anew.
	s.do(giteatest.Admin, "DELETE", fmt.Sprintf("/teams/%d/members/alice", team), nil)
	var last keeper.Told
	if err := keeper.New(s.gate.keeper.Config).One(context.Background(), n, func(t keeper.Told) { last = t }); err != nil {
		t.Error(err)
	}
	if want := "waits for 1 approval, and nobody is left who may give one"; !strings.Contains(last.Report.Verdict, want) {
		t.Errorf("got %q, want %q", last.Report.Verdict, want)
	}

	families, err := s.gate.Metrics().Gather()
	docs, _ := os.ReadFile("../../docs/metrics.md")
	for _, f := range families {
		if !strings.Contains(string(docs), "`"+f.GetName()+"`") {
			t.Errorf("%s is not in docs/metrics.md", f.GetName())
		}
	}
	if err != nil || len(families) != 3 {
		t.Errorf("got %d metrics, %v", len(families), err)
	}
}

func statusesOf(t *testing.T, s *town, number int) []forge.Status {
	t.Helper()
	pr, err := s.gate.keeper.Forge.Pull(context.Background(), number)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.gate.keeper.Forge.Statuses(context.Background(), pr.Head.Commit)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
