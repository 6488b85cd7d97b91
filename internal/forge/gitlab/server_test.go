package gitlab

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/forge/gitlab/gitlabtest"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

func TestGitLab(t *testing.T) {
	s := gitlabtest.Start(t, forgetest.Opens(New))
	forgetest.Run(t, s)
	t.Run("a status while another is set", func(t *testing.T) {
		f := s.Forge(t, forgetest.Leat, func(rt http.RoundTripper) http.RoundTripper { return rt })
		head := s.Push(t, forgetest.Leat, "busy", "b.yaml")
		s.Busy = 1
		if err := f.SetStatus(t.Context(), head, forge.Status{Context: "leat/production", State: forge.Success, URL: "https://leat.example.com/" + strings.Repeat("x", 300)}); err != nil {
			t.Fatal(err)
		}
		if list, err := f.Statuses(t.Context(), head); err != nil || len(list) != 1 || list[0].State != forge.Success || list[0].URL != "" {
			t.Errorf("got %+v, %v; want it set once, without an address that GitLab refuses", list, err)
		}
	})
	s.Published.StillNeeds(t)
}

func TestBots(t *testing.T) {
	f, err := New(forge.Config{URL: "https://gitlab.com/group/sub/fleet", Bots: []string{"Renovate"}})
	if err != nil {
		t.Fatal(err)
	}
	if f.repo != "/projects/group%2Fsub%2Ffleet" {
		t.Errorf("the project is %s", f.repo)
	}
	for name, want := range map[string]bool{"alice": false, "project_12_bot_1a2b3c": true, "group_3_bot": true, "project_manager_bot": false, "renovate": true} {
		if got := f.user(&user{ID: 1, Username: name}); got.Bot != want {
			t.Errorf("%s: bot is %v", name, got.Bot)
		}
	}
}

func TestWebhook(t *testing.T) {
	key := secret.Of("a webhook's secret")
	project := `"project":{"path_with_namespace":"team/fleet"}`
	person := `"user":{"id":3,"username":"bob"}`
	for name, c := range map[string]struct {
		body string
		want forge.Event
	}{
		"push":     {`{"object_kind":"push","ref":"refs/heads/release/1","after":"abc","user_id":3,"user_username":"bob",` + project + `}`, forge.Event{Kind: forge.Pushed, Branch: "release/1", Commit: "abc"}},
		"request":  {`{"object_kind":"merge_request",` + person + `,` + project + `,"object_attributes":{"iid":7,"action":"update","last_commit":{"id":"def"}}}`, forge.Event{Kind: forge.PullChanged, Number: 7, Commit: "def"}},
		"approval": {`{"object_kind":"merge_request",` + person + `,` + project + `,"object_attributes":{"iid":7,"action":"approved","last_commit":{"id":"def"}}}`, forge.Event{Kind: forge.Reviewed, Number: 7, Commit: "def"}},
		"note":     {`{"object_kind":"note",` + person + `,` + project + `,"merge_request":{"iid":7,"last_commit":{"id":"def"}}}`, forge.Event{Kind: forge.CommentChanged, Number: 7, Commit: "def"}},
		"issue":    {`{"object_kind":"note",` + person + `,` + project + `,"issue":{"iid":7}}`, forge.Event{}},
	} {
		h := http.Header{"X-Gitlab-Token": {key.Reveal()}, "X-Gitlab-Event-Uuid": {"u1"}}
		c.want.Repo, c.want.ID, c.want.Sender = "team/fleet", "u1", forge.User{ID: "3", Login: "bob"}
		if got, err := Webhook(h, []byte(c.body), []secret.Value{secret.Of("old"), key}); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
		}
		h.Set("X-Gitlab-Token", "")
		if _, err := Webhook(h, []byte(c.body), []secret.Value{{}, key}); fault.ClassOf(err) != fault.Auth {
			t.Errorf("%s: got %v without a token, want Auth", name, err)
		}
	}
}

// GitLab says by RateLimit-Reset when it answers again.
func TestRateLimit(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	f, err := New(forge.Config{URL: "https://gitlab.example.com/team/fleet", Now: func() time.Time { return now }, Transport: limited{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.Me(t.Context()); fault.ClassOf(err) != fault.Busy || fault.After(err) != time.Minute {
		t.Errorf("got %v (%s after %s), want Busy after 1m", err, fault.ClassOf(err), fault.After(err))
	}
}

type limited struct{}

// RoundTrip implements http.RoundTripper.
func (limited) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 429, Header: http.Header{"Ratelimit-Reset": {"1700000060"}}, Body: http.NoBody, Request: r}, nil
}
