package keeper

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Bounds of what the forge is asked about its teams.
const (
	// teamFresh is for how long counts what the forge said of a team: a thousand pull
	// requests are judged by one answer. One who leaves it has a say for no longer.
	teamFresh = time.Minute
	// teamWait is how long the forge is given to tell of a team.
	teamWait = 30 * time.Second
	// maxMembers bounds how many people a team may have.
	maxMembers = 500
)

// teams are what the forge said of its teams. What it does not tell is kept as long as
// what it tells, and nothing that it told before stands in for it.
type teams struct {
	mu    sync.Mutex // held while the forge is asked: who else wants to know waits for the answer
	known map[string]*answer
	// hold is until when a forge that limits rates is asked about no team.
	hold time.Time
	// moved tells that a team is another than it was when somebody was judged by it.
	moved bool
}

// answer is what the forge said of a team.
type answer struct {
	team  flow.Team
	until time.Time // it counts
	used  bool      // since all pull requests were last asked for
}

// teamsOf are the teams whose members have a say in the environments of a change.
func (k *Keeper) teamsOf(ctx context.Context, c *candidate) (map[string]flow.Team, error) {
	out := map[string]flow.Team{}
	for _, e := range c.environments {
		for _, name := range c.rules.Flow.TeamsOf(e.Name) {
			if _, asked := out[name]; asked {
				continue
			}
			team, err := k.team(ctx, name, c.me)
			if err != nil {
				return nil, err
			}
			out[name] = team
		}
	}
	return out, nil
}

// team is what the forge says of a team now, or said a moment ago. That it does not tell
// is no error: nobody is in the team then.
func (k *Keeper) team(ctx context.Context, name string, me forge.User) (flow.Team, error) {
	k.teams.mu.Lock()
	defer k.teams.mu.Unlock()
	a := k.teams.known[name]
	if a == nil || !k.Now().Before(a.until) {
		if err := k.ask(ctx, name, me); err != nil {
			return flow.Team{}, err
		}
		a = k.teams.known[name]
	}
	a.used = true
	return a.team, nil
}

// teamsMoved asks again about the teams by which pull requests were judged, and tells
// whether one is another since. Before all pull requests are judged again, those that
// none of them needed are forgotten.
func (k *Keeper) teamsMoved(ctx context.Context, which scope) (bool, error) {
	k.teams.mu.Lock()
	defer k.teams.mu.Unlock()
	for name, a := range k.teams.known {
		if which == everything && !a.used {
			delete(k.teams.known, name)
		}
	}
	if len(k.teams.known) == 0 {
		return false, nil
	}
	me, err := k.Forge.Me(ctx)
	if err != nil {
		return false, err
	}
	for name, a := range k.teams.known {
		if a.until.Sub(k.Now()) < teamFresh/2 {
			if err := k.ask(ctx, name, me); err != nil {
				return false, err
			}
		}
	}
	moved := k.teams.moved
	k.teams.moved = false
	if moved || which == everything {
		for _, a := range k.teams.known {
			a.used = false
		}
	}
	return moved, nil
}

// ask asks the forge about a team, and keeps what it says; the lock is held. Its error is
// that there is no more time at all.
func (k *Keeper) ask(ctx context.Context, name string, me forge.User) error {
	next := answer{until: k.Now().Add(teamFresh)}
	var err error
	if next.team, err = k.hears(ctx, name, me); err != nil {
		return err
	}
	if last := k.teams.known[name]; last != nil {
		next.used = last.used
		k.teams.moved = k.teams.moved || !sameTeam(last.team, next.team)
	}
	k.teams.known[name] = &next
	return nil
}

// hears asks the forge about a team, if it may be asked now.
func (k *Keeper) hears(ctx context.Context, name string, me forge.User) (flow.Team, error) {
	if k.Now().Before(k.teams.hold) {
		return flow.Team{Unread: patience}, nil
	}
	within, cancel := context.WithTimeout(ctx, teamWait)
	defer cancel()
	members, err := k.Forge.Members(within, name)
	if ctx.Err() != nil {
		return flow.Team{}, fmt.Errorf("ask the forge who is in the team %s: %w", name, ctx.Err())
	}
	if err != nil {
		k.Log.Warn("the forge does not tell who is in a team", "team", name, "error", err)
	}
	if fault.ClassOf(err) == fault.Busy {
		k.teams.hold = k.Now().Add(min(max(fault.After(err), teamFresh), maxPause))
	}
	return teamOf(members, me, err), nil
}

// teamOf is a team by what the forge answered: its people, without machines and without
// ourselves.
func teamOf(members []forge.User, me forge.User, err error) flow.Team {
	if err != nil {
		return flow.Team{Unread: whyUnread(err)}
	}
	if len(members) > maxMembers {
		return flow.Team{Unread: fmt.Sprintf("it has %d members, more than %d; name a smaller team", len(members), maxMembers)}
	}
	var out flow.Team
	for _, m := range members {
		if m.Login != "" && !m.Bot && m.ID != me.ID {
			out.Members = append(out.Members, flow.Account{ID: m.ID, Login: m.Login})
		}
	}
	slices.SortFunc(out.Members, func(a, b flow.Account) int {
		return cmp.Or(strings.Compare(a.Login, b.Login), strings.Compare(a.ID, b.ID))
	})
	return out
}

// passes tells of an error whether it says something of the forge's state rather than of
// the team.
func passes(err error) bool {
	switch fault.ClassOf(err) {
	case fault.Auth, fault.Forbidden, fault.NotFound, fault.TooLarge, fault.Invalid:
		return false
	}
	return err != nil
}

// patience is why no team is read while the forge limits rates.
const patience = "the forge asks for patience, and is asked again"

// whyUnread says in a comment why a team could not be read. What passes is told in words
// that are the same each time, without what a connection has to say about addresses.
func whyUnread(err error) string {
	class := cmp.Or(fault.ClassOf(err), fault.Unreachable)
	switch {
	case class == fault.Busy:
		return patience
	case passes(err):
		return fmt.Sprintf("the forge does not answer (%s), and is asked again; the gate's log says more", class)
	}
	return fmt.Sprintf("%s: %v", class, err)
}

// sameTeam tells whether two answers are of the same people.
func sameTeam(a, b flow.Team) bool {
	return (a.Unread == "") == (b.Unread == "") && slices.Equal(a.Members, b.Members)
}
