package bitbucket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/bitbucket/bitbuckettest"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

func TestBitbucket(t *testing.T) {
	s := bitbuckettest.Start(t, forgetest.Opens(New))
	forgetest.Run(t, s)
	t.Run("statuses have no creator", func(t *testing.T) {
		f := s.Forge(t, forgetest.Leat, func(rt http.RoundTripper) http.RoundTripper { return rt })
		head := s.Push(t, forgetest.Leat, "status", "s.yaml")
		for _, state := range []forge.CheckState{forge.Pending, forge.Failure} {
			if err := f.SetStatus(t.Context(), head, forge.Status{Context: "leat/production", State: state}); err != nil {
				t.Fatal(err)
			}
		}
		list, err := f.Statuses(t.Context(), head)
		me, meErr := f.Me(t.Context())
		if err != nil || meErr != nil || len(list) != 1 || list[0].State != forge.Failure || len(forge.SetBy(list, me)) != 0 {
			t.Errorf("got %+v, %v, %v; want one failure that nobody is known to have set", list, err, meErr)
		}
	})
	s.Published.StillNeeds(t)
}

func TestLocate(t *testing.T) {
	for address, want := range map[string]string{
		"https://git.example.com/projects/TEAM/repos/fleet":        "https://git.example.com TEAM fleet",
		"https://git.example.com/bitbucket/scm/team/fleet.git":     "https://git.example.com/bitbucket team fleet",
		"https://git.example.com/team/fleet":                       "",
		"https://git.example.com/bb/projects/TEAM/repos/fleet.git": "https://git.example.com/bb TEAM fleet",
	} {
		base, project, slug, err := locate(address)
		got := ""
		if err == nil {
			got = strings.TrimSuffix(base.String(), "/") + " " + project + " " + slug
		}
		if got != want {
			t.Errorf("%s: got %q, %v; want %q", address, got, err, want)
		}
	}
}

func TestWebhook(t *testing.T) {
	key := secret.Of("a webhook's secret")
	repository := `"repository":{"slug":"fleet","project":{"key":"TEAM"}}`
	actor := `"actor":{"id":3,"name":"bob"},`
	request := actor + `"pullRequest":{"id":7,"fromRef":{"latestCommit":"def"},"toRef":{` + repository + `}}`
	for event, c := range map[string]struct {
		body string
		want forge.Event
	}{
		"repo:refs_changed":    {`{` + actor + repository + `,"changes":[{"ref":{"id":"refs/heads/x"},"toHash":"abc"}]}`, forge.Event{Kind: forge.Pushed, Branch: "x", Commit: "abc"}},
		"pr:from_ref_updated":  {`{` + request + `}`, forge.Event{Kind: forge.PullChanged, Number: 7, Commit: "def"}},
		"pr:reviewer:approved": {`{` + request + `}`, forge.Event{Kind: forge.Reviewed, Number: 7, Commit: "def"}},
		"pr:comment:added":     {`{` + request + `}`, forge.Event{Kind: forge.CommentChanged, Number: 7, Commit: "def"}},
	} {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte(c.body))
		h := http.Header{"X-Hub-Signature": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}, "X-Event-Key": {event}, "X-Request-Id": {"r1"}}
		c.want.Repo, c.want.ID, c.want.Sender = "TEAM/fleet", "r1", forge.User{ID: "3", Login: "bob"}
		if got, err := Webhook(h, []byte(c.body), []secret.Value{key}); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", event, got, err, c.want)
		}
		if _, err := Webhook(h, []byte(c.body+" "), []secret.Value{key}); fault.ClassOf(err) != fault.Auth {
			t.Errorf("%s: got %v of a changed body, want Auth", event, err)
		}
	}
}
