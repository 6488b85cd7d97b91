package check

import (
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
)

// Said is a comment below a pull request.
type Said struct {
	User   string
	ID     string // of the account, where the forge tells
	Bot    bool
	Edited bool // perhaps by somebody else
	Body   string
	At     time.Time
}

// OverrideWord begins the line of a comment that lets a change in though the
// environment is closed: /leat override production the disk of every node is full
const OverrideWord = "/leat override"

// overrideLasts is how long an override counts.
const overrideLasts = 24 * time.Hour

// Lapses is when an override ends.
func Lapses(o Override) time.Time { return o.At.Add(overrideLasts) }

// LetIn finds who lets a change into a closed environment: somebody whose approval of
// it would count, with a reason, in the last day, in a comment as it was first written.
// nil is nobody.
func LetIn(said []Said, environment string, c Case, now time.Time) *gate.Override {
	if c.Change == nil {
		return nil
	}
	var out *gate.Override
	for _, s := range said {
		reason := s.overrides(environment)
		if reason == "" || s.Edited || s.At.After(now) || now.Sub(s.At) >= overrideLasts || !c.may(s) {
			continue
		}
		out = &gate.Override{By: s.User, Reason: reason, At: s.At}
	}
	return out
}

// overrides is the reason that a comment gives for an environment.
func (s Said) overrides(environment string) string {
	for line := range strings.Lines(s.Body) {
		rest, is := strings.CutPrefix(strings.TrimSpace(line), OverrideWord+" ")
		if !is {
			continue
		}
		if name, reason, _ := strings.Cut(strings.TrimSpace(rest), " "); name == environment {
			return oneLine(reason)
		}
	}
	return ""
}

// may tells whether the approval of who said something would count.
func (c Case) may(s Said) bool {
	for _, g := range c.Gates {
		if g.Approvals == nil {
			continue
		}
		mine := gate.Review{User: s.User, ID: s.ID, Bot: s.Bot, State: gate.Approved, At: s.At, Digest: c.Change.Digest}
		if gate.Approvals(ruleOf(g.Approvals, 1), *c.Change, []gate.Review{mine}, c.People).Granted {
			return true
		}
	}
	return false
}

func ruleOf(a *flow.Approvals, count int) gate.Rule {
	return gate.Rule{Count: count, Users: a.Users, Groups: a.Groups}
}
