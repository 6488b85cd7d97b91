package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

// teamed is a forge that has a team, or fails to tell of it.
type teamed struct {
	forge.Forge
	members []string
	err     error
	asked   int
}

func (f *teamed) Me(context.Context) (forge.User, error) {
	return forge.User{ID: leat, Login: leat}, nil
}

func (f *teamed) Members(context.Context, string) ([]forge.User, error) {
	f.asked++
	var out []forge.User
	for _, m := range f.members {
		out = append(out, forge.User{ID: m, Login: m})
	}
	return out, f.err
}

// with names teams of the forge in the rules of the stage.
func with(groups string) string {
	return strings.Replace(rules, "groups: {platform: [bob, carol]}", "forge: {kind: gitea, url: https://git.example.com/acme/fleet}\ngroups: "+groups, 1)
}

// A thousand pull requests ask once a minute; a forge that limits rates is left alone,
// however many teams there are, one that fails is asked about each, and what it said
// before does not stand in for it.
func TestTeamsAreAskedOnce(t *testing.T) {
	f, now := &teamed{members: []string{"alice"}}, noon
	k := New(Config{Forge: f, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	declared, err := flow.Parse(flow.FileName, []byte(with("{platform: [{team: acme/a}, {team: acme/b}]}")))
	if err != nil {
		t.Fatal(err)
	}
	var c candidate
	c.rules.Flow, c.environments = declared, declared.Environments
	asks := func(want int, unread string) {
		t.Helper()
		for range 1000 {
			teams, err := k.teamsOf(t.Context(), &c)
			if err != nil || len(teams) != 2 {
				t.Fatalf("got %v, %v", teams, err)
			}
			for name, team := range teams {
				if !strings.Contains(team.Unread, unread) || (team.Unread == "") != (unread == "") || (len(team.Members) == 1) != (unread == "") {
					t.Fatalf("%s: got %+v, want unread for %q", name, team, unread)
				}
			}
		}
		if f.asked != want {
			t.Errorf("the forge was asked %d times, want %d", f.asked, want)
		}
		f.asked = 0
	}
	asks(2, "")
	now = now.Add(teamFresh - time.Second)
	asks(0, "")
	now = now.Add(time.Second)
	asks(2, "")

	f.err = &fault.Error{Class: fault.Busy, After: 10 * time.Minute, Err: errors.New("429")}
	now = now.Add(teamFresh)
	asks(1, "the forge asks for patience")
	now = now.Add(9 * time.Minute)
	asks(0, "the forge asks for patience")
	f.err = nil
	now = now.Add(time.Minute)
	asks(2, "")
	f.err = &fault.Error{Class: fault.Forbidden, Err: errors.New("403; want the scope read:org")}
	now = now.Add(teamFresh)
	asks(2, "forbidden: 403; want the scope read:org")
	f.err = &fault.Error{Class: fault.Unreachable, Err: errors.New("502")}
	now = now.Add(teamFresh)
	asks(2, "the forge does not answer")
	now = now.Add(teamFresh - time.Second)
	asks(0, "the forge does not answer")

	ctx, stop := context.WithCancel(t.Context())
	stop()
	now = now.Add(teamFresh)
	if _, err := k.teamsOf(ctx, &c); !errors.Is(err, context.Canceled) {
		t.Errorf("at the end: got %v", err)
	}
}

// Who is in a team by an answer of the forge.
func TestTeamOf(t *testing.T) {
	user := func(name string) forge.User { return forge.User{ID: "id of " + name, Login: name} }
	many := make([]forge.User, maxMembers+1)
	for name, c := range map[string]struct {
		members []forge.User
		err     error
		want    string
	}{
		"people, sorted":            {[]forge.User{user("bob"), user("alice")}, nil, "alice bob"},
		"no machines, not the gate": {[]forge.User{user("bob"), {ID: "9", Login: "robot", Bot: true}, user("leat"), {}}, nil, "bob"},
		"nobody":                    {nil, nil, ""},
		"too many":                  {many, nil, "it has 501 members, more than 500; name a smaller team"},
		"not there":                 {nil, &fault.Error{Class: fault.NotFound, Err: errors.New("404; want a name")}, "not found: 404; want a name"},
		"a part of it":              {[]forge.User{user("bob")}, &fault.Error{Class: fault.TooLarge, Err: errors.New("a long list")}, "too large: a long list"},
		"down":                      {[]forge.User{user("bob")}, errors.New("dial 10.0.0.1"), "the forge does not answer (unreachable), and is asked again; the gate's log says more"},
		"slow":                      {nil, &fault.Error{Class: fault.Timeout, Err: errors.New("dial 10.0.0.1")}, "the forge does not answer (timeout), and is asked again; the gate's log says more"},
	} {
		team := teamOf(c.members, user("leat"), c.err)
		var names []string
		for _, m := range team.Members {
			names = append(names, m.Login)
		}
		if got := strings.Join(names, " ") + team.Unread; got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// A look at what is open asks about the teams again: where one is another, all that is
// open is judged again, and only then; a member who left has no say, and an approval of
// somebody whom the forge does not name lets nothing in.
func TestTeamMoves(t *testing.T) {
	s, ctx := newStage(t), context.Background()
	f := &teamed{Forge: s.gate.Forge, members: []string{"bob", "carol", leat}}
	s.gate.Forge = f
	s.push("dave", "main", map[string]string{"leat.yaml": with("{platform: [{team: acme/platform}]}")})
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	n := s.opens("ann", "change")
	r := s.gate.rounds(Options{})
	looks := func(again bool, want string) {
		t.Helper()
		s.now = s.now.Add(teamFresh)
		s.must(r.look(ctx, changes))
		number, due, _ := r.q.next(s.now.Add(time.Second))
		if due != again {
			t.Fatalf("pull request %d is judged again: %t, want %t", number, due, again)
		}
		if due {
			r.q.done(number, s.now, time.Time{})
			s.judged(n, "production "+want)
		}
	}
	looks(true, "pending: waits for 2 approvals of alice, bob, carol")
	s.reviews("alice", n, forge.Approved)
	s.reviews("bob", n, forge.Approved)
	s.judged(n, fine)
	looks(false, "")

	f.members = []string{"carol"}
	looks(true, "pending: waits for 1 approval of carol")
	looks(false, "")
	f.err = &fault.Error{Class: fault.NotFound, Err: errors.New("404; want <organisation>/<team>")}
	looks(true, "pending: waits for 1 approval, and nobody is left who may give one; nobody of acme/platform counts: not found: 404; want <organisation>/<team>")
	if _, comment := s.told(n); !strings.Contains(comment, "nobody of the team acme/platform counts: not found: 404") {
		t.Errorf("the comment says %s", comment)
	}
	f.err = &fault.Error{Class: fault.Unreachable, Err: errors.New("dial 10.0.0.1")}
	looks(false, "")
	f.err, f.members = nil, []string{"bob"}
	looks(true, "success: checks passed; approved by alice, bob")

	// What nothing is judged by any more is not asked for.
	s.push("dave", "main", map[string]string{"leat.yaml": with("{platform: [carol]}")})
	s.judged(n, "production pending: waits for 1 approval of carol")
	s.must(r.look(ctx, everything))
	s.must(r.look(ctx, everything))
	f.asked = 0
	s.now = s.now.Add(time.Hour)
	s.must(r.look(ctx, everything))
	if f.asked > 0 {
		t.Errorf("the forge was asked %d times for a team that nothing names", f.asked)
	}
}

// Who asks for changes while the forge does not tell of a team may be one of it.
func TestUnreadTeamHoldsWhatIsRejected(t *testing.T) {
	slow(t)
	s := newStage(t)
	f := &teamed{Forge: s.gate.Forge, members: []string{"carol"}}
	s.gate.Forge = f
	s.push("dave", "main", map[string]string{"leat.yaml": strings.Replace(with("{platform: [{team: acme/platform}]}"), "count: 2", "count: 1", 1)})
	s.push("ann", "change", map[string]string{"production/a": "2\n"})
	n := s.opens("ann", "change")
	s.reviews("alice", n, forge.Approved)
	s.judged(n, "production success: checks passed; approved by alice")
	s.reviews("carol", n, forge.Rejected)
	s.judged(n, "production failure: carol asks for changes")
	s.now = s.now.Add(teamFresh)
	f.err = errors.New("it is down")
	out := s.judged(n, fmt.Sprintf("production pending: carol asks for changes, and may be of acme/platform: %s", whyUnread(f.err)))
	if out.Report.State != check.Pending {
		t.Errorf("got %s", out.Report.State)
	}
}
