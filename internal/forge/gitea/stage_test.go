package gitea

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/forge/gitea/giteatest"
	"github.com/leat-dev/leat/internal/secret"
)

// stage is a real Gitea with an organisation, a team and a repository.
type stage struct {
	*giteatest.Server
	tokens    map[string]secret.Value
	published *forgetest.Published
}

func newStage(t *testing.T) *stage {
	s := &stage{Server: giteatest.Start(t), published: published(t), tokens: map[string]secret.Value{giteatest.Admin: {}}}
	s.tokens[giteatest.Admin] = s.Token(giteatest.Admin)
	do := func(method, path string, body any) {
		t.Helper()
		if err := s.API(s.tokens[giteatest.Admin], method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	people := []string{forgetest.Leat, forgetest.Alice, forgetest.Bob, forgetest.Mallory}
	for _, who := range people {
		do("POST", "/admin/users", map[string]any{"username": who, "email": who + "@example.com", "password": giteatest.Password, "must_change_password": false})
		s.tokens[who] = s.Token(who)
	}
	do("POST", "/orgs", map[string]any{"username": "team"})
	do("POST", "/orgs/team/repos", map[string]any{"name": "fleet", "auto_init": true, "default_branch": "main"})
	var platform struct {
		ID int `json:"id"`
	}
	unit := map[string]string{"repo.code": "write", "repo.pulls": "write", "repo.issues": "write"}
	if err := s.API(s.tokens[giteatest.Admin], "POST", "/orgs/team/teams", map[string]any{"name": "platform", "permission": "write", "units_map": unit, "includes_all_repositories": true}, &platform); err != nil {
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

//go:embed testdata/published.json
var document []byte

// published is what this version of Gitea publishes; the server is held to it, and so
// is what we send.
func published(t *testing.T) *forgetest.Published {
	p := forgetest.ReadPublished(t, document, unpublished)
	p.NoNulls = true
	p.Path = func(path string) string { return strings.TrimPrefix(path, "/api/v1") }
	return p
}

var unpublished = forgetest.Unpublished{
	"definitions > User > properties > username":                            "login, as it was called before",
	"definitions > MergePullRequestOption > properties > Do":                "as it was called before 1.26, and in Forgejo",
	"definitions > MergePullRequestOption > properties > MergeTitleField":   "as it was called before 1.26, and in Forgejo",
	"definitions > MergePullRequestOption > properties > MergeMessageField": "as it was called before 1.26, and in Forgejo",
}

// Forge implements forgetest.Stage.
func (s *stage) Forge(t *testing.T, who string, wrap func(http.RoundTripper) http.RoundTripper) forge.Forge {
	t.Helper()
	token, known := s.tokens[who]
	if !known {
		token = secret.Of("0123456789abcdef0123456789abcdef01234567")
	}
	f, err := New(forge.Config{URL: s.URL + "/team/fleet.git", Token: token, Transport: wrap(s.published.Watch(t, http.DefaultTransport))})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Push implements forgetest.Stage, by the API's own way to change files.
func (s *stage) Push(t *testing.T, who, branch, file string) string {
	t.Helper()
	body := map[string]any{"content": base64.StdEncoding.EncodeToString([]byte(file + "\n")), "message": "change " + file, "branch": branch}
	if s.API(s.tokens[who], "GET", "/repos/team/fleet/branches/"+branch, nil, nil) != nil {
		body["branch"], body["new_branch"] = "main", branch
	}
	var out struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	if err := s.API(s.tokens[who], "POST", "/repos/team/fleet/contents/"+file, body, &out); err != nil {
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
	if err := s.API(s.tokens[forgetest.Leat], "GET", fmt.Sprintf("/repos/team/fleet/issues/%d/timeline", number), nil, &events); err != nil {
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
	return s.API(s.tokens[who], "POST", fmt.Sprintf("/repos/team/fleet/pulls/%d/reviews", number), map[string]string{"event": event, "body": "seen"}, nil)
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
		if err := s.API(s.tokens[giteatest.Admin], "POST", fmt.Sprintf("/repos/team/fleet/pulls/%d/reviews/%s/dismissals", number, r.ID), map[string]any{"message": "no", "priors": false}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// Can implements forgetest.Stage.
func (s *stage) Can() forgetest.Abilities {
	return forgetest.Abilities{Pusher: true, Dismissal: true, Statuses: true, Team: "team/platform", Insider: forgetest.Bob, Protection: true, Titles: true, Labels: true}
}

func TestRealGitea(t *testing.T) {
	s := newStage(t)
	forgetest.Run(t, s)
	s.published.StillNeeds(t)
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
	if err := s.API(s.tokens[giteatest.Admin], "POST", "/repos/team/fleet/hooks", hook, nil); err != nil {
		t.Fatal(err)
	}
	f := s.Forge(t, forgetest.Leat, plain)
	s.Push(t, forgetest.Alice, "hooked", "hooked.yaml")
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

func plain(rt http.RoundTripper) http.RoundTripper { return rt }
