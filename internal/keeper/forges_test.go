package keeper_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/forge/azure"
	"github.com/leat-dev/leat/internal/forge/azure/azuretest"
	"github.com/leat-dev/leat/internal/forge/bitbucket"
	"github.com/leat-dev/leat/internal/forge/bitbucket/bitbuckettest"
	"github.com/leat-dev/leat/internal/forge/bitbucketcloud"
	"github.com/leat-dev/leat/internal/forge/bitbucketcloud/bitbucketcloudtest"
	"github.com/leat-dev/leat/internal/forge/forgetest"
	"github.com/leat-dev/leat/internal/forge/github"
	"github.com/leat-dev/leat/internal/forge/github/githubtest"
	"github.com/leat-dev/leat/internal/forge/gitlab"
	"github.com/leat-dev/leat/internal/forge/gitlab/gitlabtest"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/keeper"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

// server is a strict server whose commits can be those of a real repository.
type server interface {
	forgetest.Stage
	// Mirror takes main, and asks commit for the commit of every push.
	Mirror(main string, commit func(branch, file string) string)
	// Leave takes a person out of the team that there is.
	Leave(who string)
}

// servers are the strict servers, by the kind of their forge.
var servers = map[string]func(*testing.T) server{
	"azure-devops":     func(t *testing.T) server { return azuretest.Start(t, forgetest.Opens(azure.New)) },
	"bitbucket-server": func(t *testing.T) server { return bitbuckettest.Start(t, forgetest.Opens(bitbucket.New)) },
	"bitbucket-cloud":  func(t *testing.T) server { return bitbucketcloudtest.Start(t, forgetest.Opens(bitbucketcloud.New)) },
	"github":           func(t *testing.T) server { return githubtest.Start(t, forgetest.Opens(github.New)) },
	"gitlab":           func(t *testing.T) server { return gitlabtest.Start(t, forgetest.Opens(gitlab.New)) },
}

// hostedRules let Bob in.
const hostedRules = `apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: staging, branch: main, directory: staging}
  - {name: production, branch: main, directory: production}
gates:
  - {environments: [production], approvals: {count: 1, users: [bob]}}
`

// hosted is a server with the repository and the gate.
type hosted struct {
	*testing.T
	server
	gate   *keeper.Keeper
	number int
	writes atomic.Int32 // of the gate
	later  time.Duration
	closed int // the status with which the forge answers who asks for a team; 0 tells them
}

// Every forge hears the same of a change as people approve it, push to it and take their
// word back: a status for every environment, one comment that is edited in place, and
// approvals that count for what was looked at alone. It is what leat gate --once does.
func TestForges(t *testing.T) {
	if testing.Short() {
		t.Skip("not in the quick suite; go test without -short runs it")
	}
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) { passesOver(host(t, start(t), hostedRules)) })
	}
}

func passesOver(s *hosted) {
	s.passes(forge.Pending, "waits for 1 approval of bob")
	said := s.comments()
	if len(said) != 1 || !strings.Contains(said[0].Body, "waits for 1 approval") {
		s.Fatalf("got the comments %+v, want one that says what it waits for", said)
	}

	s.approves(forgetest.Mallory)
	s.passes(forge.Pending, "waits for 1 approval of bob")
	s.approves(forgetest.Bob)
	s.passes(forge.Success, "approved by bob")
	again := s.comments()
	if len(again) != 1 || again[0].ID != said[0].ID || !strings.Contains(again[0].Body, "approved by bob") {
		s.Errorf("got the comments %+v, want the one edited in place", again)
	}

	// Bob saw another commit; what is rendered of it is the same, then it is not.
	s.Push(s.T, forgetest.Alice, "change", "README")
	s.passes(forge.Success, "approved by bob")
	s.Push(s.T, forgetest.Alice, "change", "production/more")
	s.passes(forge.Pending, "waits for 1 approval of bob")
	s.approves(forgetest.Bob)
	s.passes(forge.Success, "approved by bob")
	if err := s.Review(s.T, forgetest.Bob, s.number, forge.Rejected); err != nil {
		s.Fatal(err)
	}
	s.passes(forge.Failure, "bob asks for changes")
	if last := s.comments(); len(last) != 1 || last[0].ID != said[0].ID {
		s.Errorf("got the comments %+v, want the one edited in place", last)
	}
}

// A group that is a team of the forge: its members have a say as long as the forge names
// them, at every forge; where it does not tell, nobody of it has one, and that is said.
func TestTeamsOfForges(t *testing.T) {
	if testing.Short() {
		t.Skip("not in the quick suite; go test without -short runs it")
	}
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			on := start(t)
			named := fmt.Sprintf("groups: {platform: [{team: %s}]}\nforge: {kind: %s, url: https://git.example.com/team/fleet}\n", on.Can().Team, kind)
			passesByTeam(host(t, on, strings.Replace(hostedRules, "users: [bob]", "groups: [platform]", 1)+named))
		})
	}
}

func passesByTeam(s *hosted) {
	s.passes(forge.Pending, "waits for 1 approval of bob") // Alice is of the team, and the author
	s.approves(forgetest.Mallory)
	s.passes(forge.Pending, "waits for 1 approval of bob")
	s.approves(forgetest.Bob)
	s.passes(forge.Success, "approved by bob")

	team := s.Can().Team
	for _, c := range []struct {
		status    int
		line, say string
	}{
		{http.StatusForbidden, "nobody of " + team + " counts: ", "want "},
		{http.StatusNotFound, "nobody of " + team + " counts: ", "want "},
		{http.StatusTooManyRequests, "nobody of " + team + " counts: the forge", "asks for patience"},
		{http.StatusBadGateway, "nobody of " + team + " counts: the forge", "does not answer"},
	} {
		s.later += time.Minute
		s.closed = c.status
		s.passes(forge.Pending, c.line)
		if said := s.comments()[0].Body; !strings.Contains(said, c.say) {
			s.Errorf("at %d the comment says %s, want %q", c.status, said, c.say)
		}
		s.later += time.Minute
		s.closed = 0
		s.passes(forge.Success, "approved by bob")
	}

	s.Leave(forgetest.Bob)
	s.later += time.Minute
	s.passes(forge.Pending, "waits for 1 approval")
}

func host(t *testing.T, on server, rules string) *hosted {
	up := repotest.New(t)
	main := up.Commit("main", map[string]string{"leat.yaml": rules, "staging/a": "1\n", "production/a": "1\n"})
	on.Mirror(main, func(branch, file string) string { return up.Commit(branch, map[string]string{file: "new\n"}) })
	copied, err := repo.Clone(t.Context(), up.Bare, repo.Options{Dir: t.TempDir(), Credential: &git.Credential{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { copied.Close() })
	s := &hosted{T: t, server: on}
	s.gate = keeper.New(keeper.Config{
		Forge: on.Forge(t, forgetest.Leat, s.counted), Repo: copied, Render: s.render, Now: func() time.Time { return time.Now().Add(s.later) }, Log: slog.New(slog.DiscardHandler), Tool: "leat",
	})
	on.Push(t, forgetest.Alice, "change", "production/new")
	pr, err := s.as(forgetest.Alice).Create(t.Context(), forge.Draft{Head: "change", Base: forgetest.Main, Title: "change"})
	if err != nil {
		t.Fatal(err)
	}
	s.number = pr.Number
	return s
}

// counted counts what the gate changes at the forge, and keeps it from the team where
// that is closed.
func (s *hosted) counted(next http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		if s.closed != 0 && (strings.Contains(r.URL.Path, "/members") || r.URL.Query().Has("group")) {
			return &http.Response{StatusCode: s.closed, Header: http.Header{}, Body: http.NoBody, Request: r, ProtoMajor: 1}, nil
		}
		if r.Method != http.MethodGet {
			s.writes.Add(1)
		}
		return next.RoundTrip(r)
	})
}

type trip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (s *hosted) as(who string) forge.Forge {
	return s.Forge(s.T, who, func(rt http.RoundTripper) http.RoundTripper { return rt })
}

func (s *hosted) approves(who string) {
	s.Helper()
	if err := s.Review(s.T, who, s.number, forge.Approved); err != nil {
		s.Fatal(err)
	}
}

// passes lets the gate look at all that is open, and wants production to stand so. The
// other environment is not touched. A second pass changes nothing, but for the statuses
// of services that do not tell who set one: those are set again.
func (s *hosted) passes(want forge.CheckState, line string) {
	s.Helper()
	var told []keeper.Told
	if err := s.gate.Once(s.Context(), func(t keeper.Told) { told = append(told, t) }); err != nil {
		s.Fatal(err)
	}
	if len(told) != 1 || told[0].Number != s.number || forge.CheckState(told[0].State) != want {
		s.Fatalf("the gate told %+v, want %s of %d", told, want, s.number)
	}
	before, again := s.writes.Load(), int32(0)
	if !s.Can().Statuses {
		again = 2
	}
	if err := s.gate.Once(s.Context(), func(keeper.Told) {}); err != nil || s.writes.Load()-before != again {
		s.Errorf("a second pass changed %d things, want %d: %v", s.writes.Load()-before, again, err)
	}
	f := s.as(forgetest.Leat)
	pr, err := f.Pull(s.Context(), s.number)
	if err != nil {
		s.Fatal(err)
	}
	all, err := f.Statuses(s.Context(), pr.Head.Commit)
	if err != nil {
		s.Fatal(err)
	}
	for context, w := range map[string]forge.Status{
		"leat/production": {State: want, Description: line}, "leat/staging": {State: forge.Success, Description: "not touched"},
	} {
		i := slices.IndexFunc(all, func(have forge.Status) bool { return have.Context == context })
		if i < 0 || all[i].State != w.State || all[i].Description != "" && !strings.Contains(all[i].Description, w.Description) {
			s.Errorf("got the statuses %+v, want %s to be %s: %s", all, context, w.State, w.Description)
		}
	}
}

func (s *hosted) comments() []forge.Comment {
	s.Helper()
	list, err := s.as(forgetest.Leat).Comments(s.Context(), s.number)
	if err != nil {
		s.Fatal(err)
	}
	return list
}

// render is of the files of an environment's directory.
func (s *hosted) render(ctx context.Context, r keeper.Rendering) (check.Facts, error) {
	out := check.Facts{Environment: r.Environment}
	for at, digest := range map[repo.Hash]*gate.Digest{r.Base: &out.Before, r.Head: &out.After} {
		all, err := s.gate.Repo.Tree(ctx, at, r.Environment)
		if err != nil {
			return out, err
		}
		var files []string
		if err := all.Walk(func(file string, _ *tree.Blob) error { files = append(files, file); return nil }); err != nil {
			return out, err
		}
		*digest = gate.Digest("sha256:" + hash.Of([]byte(strings.Join(files, "\n"))).Hex())
	}
	return out, nil
}
