package fluxcli

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const hookToken = "s3cr3t-token"

// hookPath is that of notification-controller, written down once more.
func hookPath(token string) string {
	sum := sha256.Sum256([]byte(token + "apps" + "flux-system"))
	return "/hook/" + hex.EncodeToString(sum[:])
}

// hookServer answers with the statuses, one after the other, the last for ever,
// and keeps the requests.
type hookServer struct {
	*httptest.Server
	statuses []int
	location string
	got      []*http.Request
	bodies   []string
}

func newHookServer(t *testing.T, statuses ...int) *hookServer {
	s := &hookServer{statuses: statuses}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.got, s.bodies = append(s.got, r), append(s.bodies, string(body))
		status := s.statuses[min(len(s.got), len(s.statuses))-1]
		if status >= 300 && status < 400 {
			w.Header().Set("Location", s.location)
		}
		w.WriteHeader(status)
		io.WriteString(w, "said of "+hookToken)
	}))
	t.Cleanup(s.Close)
	return s
}

// run types a line; pauses are kept, not waited for.
func (s *hookServer) run(args ...string) (text string, code int, pauses []time.Duration) {
	var out bytes.Buffer
	code = Main(context.Background(), append([]string{"trigger", "receiver", "apps", "--url", s.URL + "/base/"}, args...), Env{
		Out: &out, Err: &out,
		Pause: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil },
	})
	return strings.ReplaceAll(out.String(), s.URL, "$URL"), code, pauses
}

func TestTriggerSends(t *testing.T) {
	mac := hmac.New(sha256.New, []byte(hookToken))
	io.WriteString(mac, `{"a":1}`)
	for name, c := range map[string]struct {
		args      []string
		path      string
		header    string
		wantValue string
	}{
		"generic": {[]string{"--token", hookToken}, hookPath(hookToken), "X-Signature", ""},
		"hmac":    {[]string{"--type=generic-hmac", "--token", hookToken}, hookPath(hookToken), "X-Signature", "sha256=" + hex.EncodeToString(mac.Sum(nil))},
		"oidc":    {[]string{"--type=generic-oidc", "--oidc-token", "jwt"}, hookPath(""), "Authorization", "Bearer jwt"},
		"env":     {[]string{"--type=generic-oidc"}, hookPath(""), "Authorization", "Bearer of-env"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("FLUX_TRIGGER_RECEIVER_OIDC_TOKEN", "of-env")
			s := newHookServer(t, 200)
			text, code, _ := s.run(append(c.args, "--payload", `{"a":1}`)...)
			if want := "► triggering Receiver flux-system/apps\n✔ Receiver flux-system/apps triggered\n"; text != want || code != 0 {
				t.Fatalf("got %d %q, want %q", code, text, want)
			}
			r := s.got[0]
			if r.Method != "POST" || r.URL.Path != "/base"+c.path || s.bodies[0] != `{"a":1}` || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "flux/v"+Contract {
				t.Errorf("got %s %s %v %q", r.Method, r.URL, r.Header, s.bodies[0])
			}
			if got := r.Header.Get(c.header); got != c.wantValue {
				t.Errorf("%s: got %q, want %q", c.header, got, c.wantValue)
			}
		})
	}
}

func TestTriggerAsksTheRunner(t *testing.T) {
	runner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "bearer ask" || r.URL.Query().Get("audience") != "me" || r.URL.Query().Get("job") != "7" {
			http.Error(w, "no token for "+r.Header.Get("Authorization"), 403)
			return
		}
		io.WriteString(w, `{"value":"fresh"}`)
	}))
	defer runner.Close()
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", runner.URL+"/token?job=7")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ask")
	s := newHookServer(t, 202)
	if text, code, _ := s.run("--type=generic-oidc", "--oidc-provider=github", "--oidc-audience=me"); code != 0 || s.got[0].Header.Get("Authorization") != "Bearer fresh" {
		t.Errorf("got %d %s", code, text)
	}
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "wrong-one")
	text, code, _ := s.run("--type=generic-oidc", "--oidc-provider=forgejo")
	if want := "✗ OIDC token request failed with status 403 Forbidden: no token for bearer ***\n"; text != want || code != 1 {
		t.Errorf("got %d %q, want %q", code, text, want)
	}
}

func TestTriggerTriesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		args     []string
		want     int // requests
		code     int
	}{
		"passes":       {[]int{404, 503, 200}, nil, 3, 0},
		"stays":        {[]int{500}, []string{"--retries=2"}, 3, 1},
		"as often":     {[]int{429}, nil, 11, 1},
		"not at all":   {[]int{502}, []string{"--retries=0"}, 1, 1},
		"is forbidden": {[]int{403}, nil, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHookServer(t, c.statuses...)
			text, code, pauses := s.run(append(c.args, "--token", hookToken)...)
			if len(s.got) != c.want || code != c.code || len(pauses) != c.want-1 {
				t.Errorf("got %d requests, %d pauses, exit %d: %s", len(s.got), len(pauses), code, text)
			}
			for _, d := range pauses {
				if d != 10*time.Second {
					t.Errorf("paused %s", d)
				}
			}
			if strings.Contains(text, hookToken) {
				t.Errorf("prints the token: %s", text)
			}
		})
	}
}

// A 301 would turn the POST into a GET without payload, and its 200 look like
// success.
func TestTriggerKeepsItsPayload(t *testing.T) {
	target := newHookServer(t, 200)
	s := newHookServer(t, 301)
	s.location = target.URL + "/there"
	text, code, _ := s.run("--token", hookToken)
	want := "► triggering Receiver flux-system/apps\n✗ request to $URL/base" + hookPath(hookToken) + " failed with status 301 Moved Permanently; pass as --url where it leads\n"
	if text != want || code != 1 || len(target.got) != 0 {
		t.Errorf("got %d %q, want %q", code, text, want)
	}
	s.statuses = []int{308}
	if text, code, _ := s.run("--token", hookToken, "--payload", `{"b":2}`); code != 0 || target.bodies[0] != `{"b":2}` {
		t.Errorf("got %d %q %q", code, text, target.bodies)
	}
}
