package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/present"
)

// Version names the format of a Report. Fields are only ever added to it.
const Version = "leat.dev/check/v1"

// Report is what a change does to all environments of a branch.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Tool       string `json:"tool,omitempty"`
	Branch     string `json:"branch"` // that the change goes into
	Base       string `json:"base"`   // commits
	Head       string `json:"head"`
	Verdict    string `json:"verdict"`
	State      State  `json:"state"`
	// Environments are those that it touches, in the order of leat.yaml; Untouched are
	// the others of the branch.
	Environments []Environment `json:"environments"`
	Untouched    []string      `json:"untouched,omitempty"`
	Notes        []string      `json:"notes,omitempty"`
}

// Sum gives a report its verdict: that of the environment that stands worst.
func (r Report) Sum() Report {
	r.APIVersion, r.State = Version, Success
	var lines []string
	for _, e := range r.Environments {
		if rank(e.State) > rank(r.State) {
			r.State = e.State
		}
		lines = append(lines, e.Name+": "+e.Line)
	}
	r.Verdict = strings.Join(lines, "; ")
	if len(lines) == 0 {
		r.Verdict = "no environment is touched"
		r.Environments = []Environment{}
	}
	return r
}

func rank(s State) int { return slices.Index([]State{Success, Pending, Failure, Errored}, s) }

// JSON is the report as one value.
func (r Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }

// Document is the plan of all environments together.
func (r Report) Document() present.Document {
	out := present.Document{Version: present.Version, Tool: r.Tool, Verdict: r.Verdict, Clusters: []present.Cluster{}}
	for _, e := range r.Environments {
		out.Changes = out.Changes || e.Plan.Changes
		out.Clusters = append(out.Clusters, e.Plan.Clusters...)
	}
	return out
}

var signs = map[State]string{Success: "✓", Pending: "…", Failure: "✗", Errored: "!"}

// maxListed bounds how many problems of a check are listed.
const maxListed = 10

// Text is the report for a terminal.
func (r Report) Text() string {
	var b strings.Builder
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for _, e := range r.Environments {
		fmt.Fprintf(&b, "%s %s: %s\n", signs[e.State], e.Name, e.Line)
		for _, line := range e.lines() {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	if len(r.Untouched) > 0 {
		fmt.Fprintf(&b, "= not touched: %s\n", strings.Join(r.Untouched, ", "))
	}
	if len(r.Environments)+len(r.Untouched) == 0 {
		fmt.Fprintf(&b, "no environment follows %s\n", r.Branch)
	}
	return b.String()
}

// lines tell of an environment what its one line does not.
func (e Environment) lines() []string {
	var out []string
	for _, c := range e.Checks {
		out = append(out, c.line())
		for i, problem := range c.Problems {
			if i == maxListed {
				out = append(out, fmt.Sprintf("    … and %d more", len(c.Problems)-i))
				break
			}
			out = append(out, "    "+oneLine(problem))
		}
	}
	if e.Plan.Verdict != "" {
		out = append(out, "what it does: "+e.Plan.Verdict)
	}
	out = append(out, e.approvalLines()...)
	if e.After != "" {
		out = append(out, fmt.Sprintf("rendered: %s, before %s", e.After.Short(), e.Before.Short()))
	}
	return out
}

func (c Check) line() string {
	switch {
	case c.OK:
		return c.Name + " passed"
	case c.Required:
		return c.Name + " failed"
	}
	return c.Name + " failed, and no gate asks for it"
}

// approvalLines say who approved, whose approval does not count and why, and when the
// environment is open.
func (e Environment) approvalLines() []string {
	var out []string
	for _, a := range e.Approvals {
		if !e.Asked {
			out = append(out, fmt.Sprintf("%s needed: not asked for, no forge was looked at", approvals(a.Count)))
			continue
		}
		out = append(out, fmt.Sprintf("%d of %s%s", len(a.By), approvals(a.Count), from(a.By)))
		for _, r := range a.Refused {
			out = append(out, fmt.Sprintf("%s does not count: %s", r.User, r.Why))
		}
		for _, user := range a.Unclear {
			out = append(out, user+" asks for changes, and nobody knows whether that counts")
		}
		for _, u := range a.Unread {
			out = append(out, fmt.Sprintf("nobody of the team %s counts: %s", u.Team, u.Why))
		}
	}
	if o := e.Override; o != nil {
		out = append(out, fmt.Sprintf("%s; let in all the same by %s at %s: %s", e.Opening.Why, o.By, moment(o.At), o.Reason))
	} else if e.Opening.Open && !e.Opening.Next.IsZero() {
		out = append(out, "open until "+moment(e.Opening.Next))
	}
	return out
}

func from(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return ": " + strings.Join(by, ", ")
}

// oneLine puts a text of several lines into one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
