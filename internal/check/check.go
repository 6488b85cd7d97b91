// Package check decides whether a change may be merged: what its environments are
// held to, what of that holds, what is missing, and how that is told.
//
//	e := check.Judge(facts, check.Case{Gates: check.Gates(declared, environment, files), Opening: declared.Opening(name, now)})
//	fmt.Println(e.State, e.Line) // pending waits for 1 approval of alice, bob
//
// Everything is computed from values. Who gathers them must take the rules from the
// branch that a change goes into, never from the change: a change of leat.yaml is
// judged by the old one.
package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/words"
)

// Facts are what was found out about a change in one environment. They are plain
// data and hold no secret: they may come from another process.
type Facts struct {
	Environment string            `json:"environment"`
	Plan        present.Document  `json:"plan"`
	Findings    []finding.Finding `json:"findings,omitempty"`
	// Error says why nothing could be rendered; Broken that the change is why.
	Error  string `json:"error,omitempty"`
	Broken bool   `json:"broken,omitempty"`
	// Before and After are what is rendered without and with the change. What cannot
	// be rendered enters them with all files of its branch, so that approvals of it
	// fall with any change.
	Before gate.Digest `json:"before"`
	After  gate.Digest `json:"after"`
}

// Case is what the rules say, and who said something about it.
type Case struct {
	Gates   []flow.Gate // those that hold, see Gates
	Opening gate.Opened
	// Problem is that of the change's Files.
	Problem string
	People  gate.People
	// Change is what people approve, and Reviews what they said; a nil Change was
	// asked of nobody.
	Change  *gate.Change
	Reviews []gate.Review
	// Override lets the change in though the environment is closed.
	Override *gate.Override
}

// State is how a change stands in an environment; the words are those of forges.
type State string

// The states.
const (
	Success State = "success"
	Pending State = "pending" // something may still come: an approval, an hour
	Failure State = "failure"
	Errored State = "error" // it could not be found out
)

// Environment is the verdict about one environment.
type Environment struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Line says it in one line, for the status of a commit.
	Line   string      `json:"line"`
	Before gate.Digest `json:"before,omitempty"`
	After  gate.Digest `json:"after,omitempty"`
	Checks []Check     `json:"checks"`
	// Approvals are the verdicts of the gates that want some; Asked tells whether a
	// forge was asked for reviews.
	Approvals []Approval       `json:"approvals,omitempty"`
	Asked     bool             `json:"asked"`
	Opening   gate.Opened      `json:"opening"`
	Override  *Override        `json:"override,omitempty"`
	Error     string           `json:"error,omitempty"`
	Plan      present.Document `json:"plan"`
}

// Approval is what one gate says about the reviews.
type Approval struct {
	Count int `json:"count"`
	gate.Verdict
}

// Override is a decision that the hour does not count, as it is recorded.
type Override struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Judge decides about one environment.
func Judge(f Facts, c Case) Environment {
	if c.Problem != "" && f.Error == "" {
		f.Error, f.Broken = c.Problem, true
	}
	out := Environment{
		Name: f.Environment, Before: f.Before, After: f.After, Checks: checks(f, c.Gates), Opening: c.Opening, Asked: c.Change != nil,
		Error: f.Error, Plan: f.Plan,
	}
	if o := c.Override; o != nil && !c.Opening.Open {
		out.Override = &Override{o.By, o.Reason, o.At}
	}
	for _, g := range c.Gates {
		if g.Approvals == nil {
			continue
		}
		a := Approval{Count: g.Approvals.Count}
		if c.Change != nil {
			a.Verdict = gate.Approvals(ruleOf(g.Approvals, a.Count), *c.Change, c.Reviews, c.People)
		}
		out.Approvals = append(out.Approvals, a)
	}
	out.State, out.Line = out.verdict(f)
	out.Line = oneLine(out.Line)
	return out
}

// verdict says how it stands, the worst first.
func (e Environment) verdict(f Facts) (State, string) {
	failed := e.failed()
	switch {
	case f.Error != "" && !f.Broken:
		return Errored, "could not be checked: " + e.Error
	case f.Error != "":
		return Failure, "cannot be rendered: " + e.Error
	case len(failed) > 0:
		return Failure, strings.Join(failed, ", ")
	case len(e.against()) > 0:
		return Failure, words.Some(e.against()) + " asks for changes"
	}
	var waits []string
	for _, text := range []string{e.missing(), e.unread(), e.closed()} {
		if text != "" {
			waits = append(waits, text)
		}
	}
	if len(waits) > 0 {
		return Pending, strings.Join(waits, "; ")
	}
	return Success, e.fine()
}

// failed are the checks that are asked for and not green, in a few words each.
func (e Environment) failed() []string {
	var out []string
	for _, c := range e.Checks {
		if c.Required && !c.OK {
			out = append(out, c.Name+" failed: "+brief(c.Problems))
		}
	}
	return out
}

// maxBrief bounds in runes what of a problem stands in one line with others.
const maxBrief = 90

// brief is the first of several problems, cut, and how many more there are.
func brief(problems []string) string {
	first := []rune(problems[0])
	if len(first) > maxBrief {
		first = append(first[:maxBrief-1], '…')
	}
	if n := len(problems) - 1; n > 0 {
		return fmt.Sprintf("%s (and %d more)", string(first), n)
	}
	return string(first)
}

// against are those who ask for changes.
func (e Environment) against() []string {
	var out []string
	for _, a := range e.Approvals {
		out = append(out, a.Against...)
	}
	return each(out)
}

// missing says whose approval is missing; empty where none is.
func (e Environment) missing() string {
	most := Approval{}
	for _, a := range e.Approvals {
		if a.Missing > most.Missing {
			most = a
		}
	}
	switch {
	case !e.Asked || most.Missing == 0:
		return ""
	case len(most.From) >= most.Missing:
		return fmt.Sprintf("waits for %s of %s", approvals(most.Missing), words.Some(most.From))
	case len(most.Unread) > 0:
		return fmt.Sprintf("waits for %s, and %s", approvals(most.Missing), few(most.From))
	}
	return fmt.Sprintf("waits for %s, and %s: name more people in leat.yaml", approvals(most.Missing), few(most.From))
}

// unread says which teams could not be read, where that stands in the way: an approval is
// missing, or somebody asks for changes who may be one of them.
func (e Environment) unread() string {
	var teams, unclear []string
	why := ""
	for _, a := range e.Approvals {
		if a.Missing == 0 && len(a.Unclear) == 0 {
			continue
		}
		for _, u := range a.Unread {
			why = cmp.Or(why, u.Why)
			teams = append(teams, u.Team)
		}
		unclear = append(unclear, a.Unclear...)
	}
	if len(teams) == 0 {
		return ""
	}
	text := "nobody of " + words.Some(each(teams)) + " counts"
	if len(unclear) > 0 {
		text = words.Some(each(unclear)) + " asks for changes, and may be of " + words.Some(each(teams))
	}
	return text + ": " + why
}

// each is a list sorted, each once.
func each(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

func few(from []string) string {
	if len(from) == 0 {
		return "nobody is left who may give one"
	}
	return "only " + words.Some(from) + " may give one"
}

func approvals(n int) string {
	if n == 1 {
		return "1 approval"
	}
	return fmt.Sprintf("%d approvals", n)
}

// closed says why a change may not go in at this hour, and when it may.
func (e Environment) closed() string {
	if e.Opening.Open || e.Override != nil {
		return ""
	}
	text := "closed: " + e.Opening.Why
	if !e.Opening.Next.IsZero() {
		text += "; opens " + moment(e.Opening.Next)
	}
	return text
}

func moment(t time.Time) string { return t.Format("2006-01-02 15:04 MST") }

// fine says what lets the change in.
func (e Environment) fine() string {
	parts := []string{"checks passed"}
	var by []string
	for _, a := range e.Approvals {
		by = append(by, a.By...)
	}
	switch by = each(by); {
	case len(by) > 0:
		parts = append(parts, "approved by "+words.Some(by))
	case len(e.Approvals) > 0 && !e.Asked:
		parts = append(parts, "approvals were not asked for")
	}
	if o := e.Override; o != nil {
		parts = append(parts, fmt.Sprintf("closed, let in by %s: %s", o.By, o.Reason))
	}
	return strings.Join(parts, "; ")
}
