package bitbucketcloud

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/bitbucketcloud/bitbucketcloudtest"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

func TestBitbucketCloud(t *testing.T) {
	s := bitbucketcloudtest.Start(t, forgetest.Opens(New))
	forgetest.Run(t, s)
	f := s.Forge(t, forgetest.Leat, func(rt http.RoundTripper) http.RoundTripper { return rt })
	t.Run("statuses", func(t *testing.T) {
		head := s.Push(t, forgetest.Leat, "status", "s.yaml")
		long := "leat/" + strings.Repeat("a-very-long-environment/", 4)
		for _, set := range []forge.Status{{Context: "leat/production", State: forge.Pending}, {Context: "leat/production", State: forge.Failure}, {Context: long, State: forge.Success}, {Context: long + "2", State: forge.Success}} {
			if err := f.SetStatus(t.Context(), head, set); err != nil {
				t.Fatal(err)
			}
		}
		list, err := f.Statuses(t.Context(), head)
		me, meErr := f.Me(t.Context())
		if err != nil || meErr != nil || len(list) != 3 || list[0].State != forge.Failure || list[1].Context != long || len(forge.SetBy(list, me)) != 0 {
			t.Errorf("got %+v, %v, %v; want three that nobody is known to have set", list, err, meErr)
		}
	})
	t.Run("opened again", func(t *testing.T) {
		s.Push(t, forgetest.Leat, "again", "a.yaml")
		pr, err := f.Create(t.Context(), forge.Draft{Head: "again", Base: forgetest.Main, Title: "again"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Create(t.Context(), forge.Draft{Head: "again", Base: forgetest.Main, Title: "again"}); fault.ClassOf(err) != fault.Conflict {
			t.Errorf("a second one: got %v, want a Conflict", err)
		}
		closed, open := forge.Closed, forge.Open
		if _, err := f.Edit(t.Context(), pr.Number, forge.Edit{State: &closed}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Edit(t.Context(), pr.Number, forge.Edit{State: &open}); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("got %v, want Invalid", err)
		}
	})
	s.Published.StillNeeds(t)
}

// Of an account the mail address goes with the token, of a repository the token alone.
func TestAuthorization(t *testing.T) {
	for user, want := range map[string]string{"": "Bearer token", "ann@example.com": "Basic YW5uQGV4YW1wbGUuY29tOnRva2Vu"} {
		asked := ""
		f, err := New(forge.Config{URL: "https://bitbucket.org/team/fleet", User: user, Token: secret.Of("token"), Transport: trip(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.Host + " " + r.Header.Get("Authorization")
			return &http.Response{StatusCode: 204, Body: http.NoBody, Request: r}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Me(t.Context()); err != nil || asked != "api.bitbucket.org "+want {
			t.Errorf("%s: asked %q, %v", user, asked, err)
		}
	}
}

type trip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{{"main", "main", true}, {"main", "mains", false}, {"release/*", "release/1/2", true}, {"re.ease/*", "release/1", false}, {"*", "x", true}, {"", "x", false}} {
		if got := globs(c.pattern, c.name); got != c.want {
			t.Errorf("%s of %s: got %v", c.pattern, c.name, got)
		}
	}
}

func TestWebhook(t *testing.T) {
	key := secret.Of("a webhook's secret")
	common := `"repository":{"full_name":"team/fleet"},"actor":{"type":"user","uuid":"{3}","nickname":"bob"}`
	request := `{` + common + `,"pullrequest":{"id":7,"source":{"commit":{"hash":"0123456789ab"}}}}`
	for event, c := range map[string]struct {
		body string
		want forge.Event
	}{
		"repo:push":                           {`{` + common + `,"push":{"changes":[{"new":{"type":"branch","name":"x","target":{"hash":"abc"}}}]}}`, forge.Event{Kind: forge.Pushed, Branch: "x", Commit: "abc"}},
		"repo:push ":                          {`{}`, forge.Event{}},
		"pullrequest:updated":                 {request, forge.Event{Kind: forge.PullChanged, Number: 7}},
		"pullrequest:approved":                {request, forge.Event{Kind: forge.Reviewed, Number: 7}},
		"pullrequest:changes_request_created": {request, forge.Event{Kind: forge.Reviewed, Number: 7}},
		"pullrequest:comment_created":         {request, forge.Event{Kind: forge.CommentChanged, Number: 7}},
	} {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte(c.body))
		h := http.Header{"X-Hub-Signature": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}, "X-Event-Key": {event}, "X-Request-Uuid": {"r1"}}
		c.want.ID = "r1"
		if c.body != "{}" {
			c.want.Repo, c.want.Sender = "team/fleet", forge.User{ID: "{3}", Login: "bob"}
		}
		for range 2 { // delivered twice it says the same
			if got, err := Webhook(h, []byte(c.body), []secret.Value{secret.Of("old"), key}); err != nil || got != c.want {
				t.Errorf("%s: got %+v, %v; want %+v", event, got, err, c.want)
			}
		}
		if _, err := Webhook(h, []byte(c.body+" "), []secret.Value{key}); fault.ClassOf(err) != fault.Auth {
			t.Errorf("%s: got %v of a changed body, want Auth", event, err)
		}
	}
	gone := []byte(`{` + common + `,"push":{"changes":[{"old":{"type":"branch","name":"x","target":{"hash":"abc"}},"new":null}]}}`)
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(gone)
	h := http.Header{"X-Hub-Signature": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}, "X-Event-Key": {"repo:push"}}
	if got, err := Webhook(h, gone, []secret.Value{key}); err != nil || got.Branch != "x" || got.Commit != "" {
		t.Errorf("a deleted branch: got %+v, %v", got, err)
	}
}
