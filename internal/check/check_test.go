package check

import (
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/present"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// two wants two approvals of three people.
var two = flow.Gate{Approvals: &flow.Approvals{Count: 2, Users: []string{"alice", "bob", "carol"}}}

func approved(by string, digest gate.Digest) gate.Review {
	return gate.Review{User: by, State: gate.Approved, At: noon, Digest: digest}
}

func TestJudge(t *testing.T) {
	open := gate.Opened{Open: true}
	closed := gate.Opened{Why: "frozen", Next: noon.Add(time.Hour)}
	change := &gate.Change{Author: "carol", Digest: "d"}
	cause := present.Cause{Unit: "Kustomization/x/a", State: "failed", Reason: "BuildFailed", Message: "no such file"}
	waits := present.Cause{Unit: "Kustomization/x/a", State: "waiting", Message: "nobody makes b"}
	plan := func(c present.Cause) present.Document {
		return present.Document{Clusters: []present.Cluster{{NeverReady: []present.Cause{c}}}}
	}
	danger := []finding.Finding{{Rule: "privileged", Severity: finding.Danger, Message: "it is root"}}
	for name, c := range map[string]struct {
		facts Facts
		of    Case
		state State
		line  string
	}{
		"nothing stands against it":        {of: Case{Opening: open}, state: Success, line: "checks passed"},
		"a unit cannot be built":           {facts: Facts{Plan: plan(cause)}, of: Case{Opening: open}, state: Failure, line: "build failed: Kustomization/x/a is failed: no such file"},
		"it could not be before":           {facts: Facts{Plan: plan(func() present.Cause { c := cause; c.Old = true; return c }())}, of: Case{Opening: open}, state: Success, line: "checks passed"},
		"a unit waits for ever":            {facts: Facts{Plan: plan(waits)}, of: Case{Opening: open}, state: Failure, line: "plan failed: Kustomization/x/a is waiting: nobody makes b"},
		"the gate does not ask":            {facts: Facts{Plan: plan(waits)}, of: Case{Opening: open, Gates: []flow.Gate{{Checks: []string{Build}}}}, state: Success, line: "checks passed"},
		"a danger, and nobody asks":        {facts: Facts{Findings: danger}, of: Case{Opening: open}, state: Success, line: "checks passed"},
		"a danger":                         {facts: Facts{Findings: danger}, of: Case{Opening: open, Gates: []flow.Gate{{FailOn: "danger"}}}, state: Failure, line: "policy failed: danger privileged: it is root"},
		"policy without more":              {facts: Facts{Findings: danger}, of: Case{Opening: open, Gates: []flow.Gate{{Checks: []string{Policy}}}}, state: Failure, line: "policy failed: danger privileged: it is root"},
		"another rule":                     {facts: Facts{Findings: danger}, of: Case{Opening: open, Gates: []flow.Gate{{FailOn: "plain-secret"}}}, state: Success, line: "checks passed"},
		"one gate is stricter":             {facts: Facts{Findings: danger}, of: Case{Opening: open, Gates: []flow.Gate{{FailOn: "plain-secret"}, {FailOn: "privileged"}}}, state: Failure, line: "policy failed: danger privileged: it is root"},
		"the change breaks it":             {facts: Facts{Error: "two entries", Broken: true}, of: Case{Opening: open}, state: Failure, line: "cannot be rendered: two entries"},
		"it cannot be found out":           {facts: Facts{Error: "no room"}, of: Case{Opening: open}, state: Errored, line: "could not be checked: no room"},
		"closed":                           {of: Case{Opening: closed}, state: Pending, line: "closed: frozen; opens 2026-11-20 13:00 UTC"},
		"let in":                           {of: Case{Opening: closed, Override: &gate.Override{By: "bob", Reason: "outage"}}, state: Success, line: "checks passed; closed, let in by bob: outage"},
		"nobody was asked":                 {of: Case{Opening: open, Gates: []flow.Gate{two}}, state: Success, line: "checks passed; approvals were not asked for"},
		"nobody approved":                  {of: Case{Opening: open, Gates: []flow.Gate{two}, Change: change}, state: Pending, line: "waits for 2 approvals of alice, bob"},
		"one approved":                     {of: Case{Opening: closed, Gates: []flow.Gate{two}, Change: change, Reviews: []gate.Review{approved("alice", "d")}}, state: Pending, line: "waits for 1 approval of bob; closed: frozen; opens 2026-11-20 13:00 UTC"},
		"both approved":                    {of: Case{Opening: open, Gates: []flow.Gate{two}, Change: change, Reviews: []gate.Review{approved("alice", "d"), approved("bob", "d")}}, state: Success, line: "checks passed; approved by alice, bob"},
		"one approved something else":      {of: Case{Opening: open, Gates: []flow.Gate{two}, Change: change, Reviews: []gate.Review{approved("alice", "c"), approved("bob", "d")}}, state: Pending, line: "waits for 1 approval of alice"},
		"nobody is left":                   {of: Case{Opening: open, Gates: []flow.Gate{{Approvals: &flow.Approvals{Count: 1, Users: []string{"carol"}}}}, Change: change}, state: Pending, line: "waits for 1 approval, and nobody is left who may give one: name more people in leat.yaml"},
		"two gates":                        {of: Case{Opening: open, Gates: []flow.Gate{two, {Approvals: &flow.Approvals{Count: 1, Users: []string{"dave"}}}}, Change: change, Reviews: []gate.Review{approved("alice", "d"), approved("bob", "d")}}, state: Pending, line: "waits for 1 approval of dave"},
		"somebody asks for changes":        {of: Case{Opening: open, Gates: []flow.Gate{two}, Change: change, Reviews: []gate.Review{approved("bob", "d"), {User: "alice", State: gate.Rejected, At: noon}}}, state: Failure, line: "alice asks for changes"},
		"an approval in spite of failures": {facts: Facts{Plan: plan(cause)}, of: Case{Opening: open, Gates: []flow.Gate{two}, Change: change, Reviews: []gate.Review{approved("alice", "d"), approved("bob", "d")}}, state: Failure, line: "build failed: Kustomization/x/a is failed: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Judge(c.facts, c.of)
			if got.State != c.state || got.Line != c.line {
				t.Errorf("got %s %q, want %s %q", got.State, got.Line, c.state, c.line)
			}
		})
	}
}

func declared(t *testing.T) flow.Flow {
	t.Helper()
	f, err := flow.Parse("leat.yaml", []byte(`apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: staging, branch: main, cluster: clusters/staging}
  - {name: production, branch: main, directory: production}
gates:
  - {environments: [production], paths: ["shared/**"], approvals: {count: 1, users: [alice]}}
  - {environments: [production, staging]}
`))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What a change touches, and which gates hold for it.
func TestTouches(t *testing.T) {
	f := declared(t)
	for name, c := range map[string]struct {
		environment string
		files       Files
		facts       Facts
		touches     bool
		gates       int
	}{
		"nothing":                  {"production", Files{}, Facts{}, false, 1},
		"a file of its directory":  {"production", Files{Changed: []string{"production/a.yaml"}}, Facts{}, true, 1},
		"a file of another one":    {"production", Files{Changed: []string{"productions/a.yaml"}}, Facts{}, false, 1},
		"a file that renders":      {"production", Files{Changed: []string{"base/a.yaml"}}, Facts{Before: "a", After: "b"}, true, 1},
		"a gate's path":            {"production", Files{Changed: []string{"shared/x/a.yaml"}}, Facts{}, true, 2},
		"a file, without one":      {"staging", Files{Changed: []string{"shared/x/a.yaml"}}, Facts{}, false, 1},
		"it cannot be rendered":    {"staging", Files{}, Facts{Error: "no"}, true, 1},
		"the rules":                {"staging", Files{Guards: map[string]string{"leat.yaml": "x"}}, Facts{}, true, 1},
		"the rules, for all gates": {"production", Files{Guards: map[string]string{"leat.yaml": "x"}}, Facts{}, true, 2},
	} {
		e, _ := f.Environment(c.environment)
		if got := Touches(f, e, c.files, c.facts); got != c.touches {
			t.Errorf("%s: touches is %t", name, got)
		}
		if got := len(Gates(f, c.environment, c.files)); got != c.gates {
			t.Errorf("%s: %d gates hold, want %d", name, got, c.gates)
		}
	}
}

// An approval of a change of the rules is bound to their text, since they render nothing.
func TestBound(t *testing.T) {
	if Bound("d", nil) != "d" || Bound("", map[string]string{"leat.yaml": "x"}) != "" {
		t.Error("what is rendered alone does not count as it is")
	}
	x, y := Bound("d", map[string]string{"leat.yaml": "x"}), Bound("d", map[string]string{"leat.yaml": "y"})
	if x == y || x == "d" || !x.Valid() {
		t.Errorf("got %s and %s", x, y)
	}
}

// Nothing that others wrote is markup in the comment, and it fits.
func TestMarkdown(t *testing.T) {
	hostile := "</details> @org/all <!-- leat:gate --> `x` [a](http://b) \u202e| 🟢 approved"
	r := Report{Branch: hostile, Base: "0123456789abcdef", Head: "fedcba9876543210", Notes: []string{hostile}, Untouched: []string{hostile}}
	for range 20 {
		e := Judge(Facts{Environment: hostile, Error: hostile, Broken: true}, Case{
			Opening: gate.Opened{Open: true}, Gates: []flow.Gate{two}, Change: &gate.Change{Digest: "d"}, Reviews: []gate.Review{approved(hostile, "d")},
		})
		r.Environments = append(r.Environments, e)
	}
	r = r.Sum()
	for _, limit := range []int{3000, 60_000} {
		text := r.Markdown(limit)
		if len(text) > limit {
			t.Errorf("%d bytes, more than %d", len(text), limit)
		}
		for _, bad := range []string{"@org", "<!--", "</details>", "\u202e", "[a](http"} {
			if strings.Contains(text, bad) {
				t.Errorf("the comment holds %q", bad)
			}
		}
	}
	if strings.Contains(r.Environments[0].Line, "\n") {
		t.Error("a status has two lines")
	}
}

func TestSum(t *testing.T) {
	if got := (Report{}).Sum(); got.State != Success || got.Verdict != "no environment is touched" {
		t.Errorf("got %+v", got)
	}
	got := Report{Environments: []Environment{{Name: "a", State: Pending, Line: "x"}, {Name: "b", State: Failure, Line: "y"}, {Name: "c", State: Success}}}.Sum()
	if got.State != Failure || !strings.HasPrefix(got.Verdict, "a: x; b: y") {
		t.Errorf("got %+v", got)
	}
}
