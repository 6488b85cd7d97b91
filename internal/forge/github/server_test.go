package github

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/forge/github/githubtest"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

func TestGitHub(t *testing.T) { forgetest.Run(t, githubtest.Start(t, forgetest.Opens(New))) }

// A limit of rates that GitHub tells by x-ratelimit-reset alone.
func TestRateLimit(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	f, err := New(forge.Config{URL: "https://github.com/team/fleet", Now: func() time.Time { return now }, Transport: answers(403, http.Header{
		"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1700000090"},
	}, `{"message":"API rate limit exceeded for user ID 1."}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Me(t.Context())
	if fault.ClassOf(err) != fault.Busy || fault.After(err) != 90*time.Second {
		t.Errorf("got %v (%s after %s), want Busy after 90s", err, fault.ClassOf(err), fault.After(err))
	}
}

type trip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answers(status int, h http.Header, body string) trip {
	return func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "api.github.com" {
			return nil, fmt.Errorf("asked %s", r.URL.Host)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func TestWebhook(t *testing.T) {
	key := secret.Of("a webhook's secret")
	sign := func(body string) http.Header {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte(body))
		return http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}, "X-Github-Delivery": {"d1"}}
	}
	sender := `"repository":{"full_name":"team/fleet"},"sender":{"id":3,"login":"bob","type":"User"}`
	for name, c := range map[string]struct {
		event, body string
		want        forge.Event
	}{
		"push":     {"push", `{"ref":"refs/heads/release/1","after":"abc",` + sender + `}`, forge.Event{Kind: forge.Pushed, Branch: "release/1", Commit: "abc"}},
		"deleted":  {"push", `{"ref":"refs/heads/x","after":"0000000000000000000000000000000000000000","deleted":true,` + sender + `}`, forge.Event{Kind: forge.Pushed, Branch: "x"}},
		"tag":      {"push", `{"ref":"refs/tags/v1","after":"abc",` + sender + `}`, forge.Event{Kind: forge.Pushed, Commit: "abc"}},
		"pull":     {"pull_request", `{"action":"synchronize","number":7,"pull_request":{"number":7,"head":{"sha":"def"}},` + sender + `}`, forge.Event{Kind: forge.PullChanged, Number: 7, Commit: "def"}},
		"review":   {"pull_request_review", `{"action":"submitted","pull_request":{"number":7,"head":{"sha":"def"}},` + sender + `}`, forge.Event{Kind: forge.Reviewed, Number: 7, Commit: "def"}},
		"comment":  {"issue_comment", `{"action":"created","issue":{"number":7,"pull_request":{}},` + sender + `}`, forge.Event{Kind: forge.CommentChanged, Number: 7}},
		"an issue": {"issue_comment", `{"action":"created","issue":{"number":7},` + sender + `}`, forge.Event{}},
		"other":    {"star", `{` + sender + `}`, forge.Event{}},
	} {
		h := sign(c.body)
		h.Set("X-GitHub-Event", c.event)
		c.want.Repo, c.want.ID, c.want.Sender = "team/fleet", "d1", forge.User{ID: "3", Login: "bob"}
		if got, err := Webhook(h, []byte(c.body), []secret.Value{secret.Of("old"), key}); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
		}
		for _, wrong := range [][]secret.Value{nil, {secret.Of("old")}, {secret.Of("")}} {
			if _, err := Webhook(h, []byte(c.body), wrong); fault.ClassOf(err) != fault.Auth {
				t.Errorf("%s: got %v under another secret, want Auth", name, err)
			}
		}
	}
}
