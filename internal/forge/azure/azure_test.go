package azure

import (
	"net/http"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/azure/azuretest"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

func plainly(rt http.RoundTripper) http.RoundTripper { return rt }

func TestAzure(t *testing.T) {
	s := azuretest.Start(t, forgetest.Opens(New))
	forgetest.Run(t, s)
	f := s.Forge(t, forgetest.Leat, plainly)
	t.Run("a status where policies look", func(t *testing.T) {
		head := s.Push(t, forgetest.Leat, "checked", "c.yaml")
		if _, err := f.Create(t.Context(), forge.Draft{Head: "checked", Base: forgetest.Main, Title: "checked"}); err != nil {
			t.Fatal(err)
		}
		if err := f.SetStatus(t.Context(), head, forge.Status{Context: "leat/production", State: forge.Success}); err != nil {
			t.Fatal(err)
		}
		set := 0
		for _, st := range s.Statuses {
			if strings.HasPrefix(st.Commit, "pull ") && strings.HasSuffix(st.Commit, head) && st.Context == "leat\nproduction" {
				set++
			}
		}
		if set != 1 {
			t.Errorf("the pull request got the status %d times, want once", set)
		}
	})
	s.Published.StillNeeds(t)
}

// Who comments may give a thread any properties: it is a vote only where Azure wrote it, or
// the voter did.
func TestVotesAreNotForged(t *testing.T) {
	mallory, carol := identity{ID: "M", Name: "mallory", Display: "Microsoft.VisualStudio.Services.TFS", Descriptor: "aad.m"}, identity{ID: "C", Name: "carol", Descriptor: "aad.c"}
	for _, c := range []struct {
		name, kind string
		author     identity
		want       bool
	}{
		{"of Azure's own", "system", identity{ID: "00000002-0000-8888-8000-000000000000", Descriptor: "s2s.x"}, true},
		{"of a server's own", "system", identity{ID: "41113706", Container: true}, true},
		{"of the voter", "system", carol, true},
		{"of another", "system", mallory, false},
		{"of another, as text", "text", mallory, false},
		{"of the voter, as text", "text", carol, false},
	} {
		for _, by := range []string{"CodeReviewVotedByIdentity", "CodeReviewVotedByTfId"} {
			th := thread{
				Comments:   []comment{{Author: &c.author, Type: c.kind}},
				Identities: map[string]identity{"C": carol},
				Properties: map[string]property{"CodeReviewThreadType": {"VoteUpdate"}, "CodeReviewVoteResult": {"10"}, by: {"C"}},
			}
			if who, vote, is := th.vote(map[string]identity{"c": carol}); is != c.want || is && (who != carol || vote != 10) {
				t.Errorf("%s, by %s: got %v %d %v", c.name, by, who, vote, is)
			}
		}
	}
	if _, _, is := (thread{Properties: map[string]property{"CodeReviewThreadType": {"VoteUpdate"}, "CodeReviewVoteResult": {"10"}, "CodeReviewVotedByTfId": {"C"}}}).vote(nil); is {
		t.Error("a thread without a comment is a vote")
	}
}

// Azure answers who shows no token, or a wrong one, with a page to sign in.
func TestSignIn(t *testing.T) {
	for name, answer := range map[string]*http.Response{
		"a page":     {StatusCode: 203, Header: http.Header{"Content-Type": {"text/html"}}, Body: http.NoBody},
		"a redirect": {StatusCode: 302, Header: http.Header{"Location": {"https://spsprodcus1.vssps.visualstudio.com/_signin?realm=dev.azure.com"}}, Body: http.NoBody},
		"nobody":     {StatusCode: 200, Header: http.Header{}, Body: http.NoBody},
	} {
		f, err := New(forge.Config{URL: "https://dev.azure.com/org/project/_git/fleet", Token: secret.Of("x"), Transport: trip(func(r *http.Request) (*http.Response, error) {
			answer.Request = r
			return answer, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Me(t.Context()); fault.ClassOf(err) != fault.Auth {
			t.Errorf("%s: got %v (%s), want Auth", name, err, fault.ClassOf(err))
		}
	}
}

type trip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLocate(t *testing.T) {
	for address, want := range map[string]string{
		"https://dev.azure.com/org/project/_git/fleet":                  "https://dev.azure.com/org project fleet",
		"https://org@dev.azure.com/org/project/_git/fleet":              "https://dev.azure.com/org project fleet",
		"https://dev.azure.com/org/_git/fleet":                          "https://dev.azure.com/org fleet fleet",
		"https://org.visualstudio.com/project/_git/fleet":               "https://org.visualstudio.com project fleet",
		"https://org.visualstudio.com/_git/fleet":                       "https://org.visualstudio.com fleet fleet",
		"https://tfs.example.com/tfs/DefaultCollection/my%20p/_git/f.x": "https://tfs.example.com/tfs/DefaultCollection my p f.x",
		"https://dev.azure.com/v3/org/project/fleet":                    "https://dev.azure.com/org project fleet",
		"https://dev.azure.com/org/project":                             "",
		"git@ssh.dev.azure.com:v3/org/project/fleet":                    "",
	} {
		base, project, name, err := locate(address)
		got := ""
		if err == nil {
			got = strings.TrimSuffix(base.String(), "/") + " " + project + " " + name
		}
		if got != want {
			t.Errorf("%s: got %q, %v; want %q", address, got, err, want)
		}
	}
}

func TestBots(t *testing.T) {
	f := &Forge{conf: forge.Config{Bots: []string{"Renovate@example.com"}}}
	for _, c := range []struct {
		of   identity
		want bool
	}{
		{identity{ID: "1", Name: "ann@example.com", Descriptor: "aad.x"}, false},
		{identity{ID: "1", Name: "Build\\1", Descriptor: "svc.x"}, true},
		{identity{ID: "1", Descriptor: "aadsp.x"}, true},
		{identity{ID: "1", Name: "renovate@example.com", Descriptor: "msa.x"}, true},
	} {
		if got := f.user(&c.of); got.Bot != c.want {
			t.Errorf("%+v: bot is %v", c.of, got.Bot)
		}
	}
}

func TestWebhook(t *testing.T) {
	key := secret.Of("a password")
	repository := `"repository":{"name":"fleet","project":{"name":"project"}}`
	request := `"pullRequestId":7,"lastMergeSourceCommit":{"commitId":"def"},` + repository
	bob := `{"id":"ABC","uniqueName":"bob"}`
	for name, c := range map[string]struct {
		body string
		want forge.Event
	}{
		"push":    {`"eventType":"git.push","resource":{"pushedBy":` + bob + `,"refUpdates":[{"name":"refs/heads/x/y","newObjectId":"abc"}],` + repository + `}`, forge.Event{Kind: forge.Pushed, Branch: "x/y", Commit: "abc", Sender: forge.User{ID: "abc", Login: "bob"}}},
		"deleted": {`"eventType":"git.push","resource":{"refUpdates":[{"name":"refs/heads/x","newObjectId":"0000000000000000000000000000000000000000"}],` + repository + `}`, forge.Event{Kind: forge.Pushed, Branch: "x"}},
		"request": {`"eventType":"git.pullrequest.updated","resource":{` + request + `}`, forge.Event{Kind: forge.PullChanged, Number: 7, Commit: "def"}},
		"comment": {`"eventType":"ms.vss-code.git-pullrequest-comment-event","resource":{"comment":{"author":` + bob + `},"pullRequest":{` + request + `}}`, forge.Event{Kind: forge.CommentChanged, Number: 7, Commit: "def", Sender: forge.User{ID: "abc", Login: "bob"}}},
		"another": {`"eventType":"build.complete","resource":{` + repository + `}`, forge.Event{}},
	} {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth("leat", key.Reveal())
		c.want.Repo, c.want.ID = "project/fleet", "e1"
		body := []byte(`{"id":"e1",` + c.body + `}`)
		for range 2 { // delivered twice it says the same
			if got, err := Webhook(r.Header, body, []secret.Value{secret.Of("old"), key}); err != nil || got != c.want {
				t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
			}
		}
		for _, wrong := range []http.Header{{}, {"Authorization": {"Basic !"}}, {"Authorization": {"Basic bGVhdDo="}}} {
			if _, err := Webhook(wrong, body, []secret.Value{{}, key}); fault.ClassOf(err) != fault.Auth {
				t.Errorf("%s: got %v of %v, want Auth", name, err, wrong)
			}
		}
	}
}
