package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/bench/kube"
)

func unitEvent(name string, generation, observed int, ready, revision string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"n","generation":%d},"status":{"observedGeneration":%d,
		"lastAppliedRevision":%q,"conditions":[{"type":"Ready","status":%q,"reason":"R"}]}}`, name, generation, observed, revision, ready))
}

func TestReadyAt(t *testing.T) {
	for _, c := range []struct {
		name                 string
		generation, observed int
		ready, revision      string
		want                 bool
	}{
		{"ready", 2, 2, "True", "r1", true},
		{"not ready", 2, 2, "False", "r1", false},
		{"of an old spec", 2, 1, "True", "r1", false},
		{"at an old revision", 2, 2, "True", "r0", false},
	} {
		s, err := decodeState(unitEvent("a", c.generation, c.observed, c.ready, c.revision))
		if err != nil {
			t.Fatal(err)
		}
		if got := readyAt("r1")(s); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	source := json.RawMessage(`{"metadata":{"generation":1},"status":{"observedGeneration":1,"artifact":{"revision":"r1"},"conditions":[{"type":"Ready","status":"True"}]}}`)
	if s, err := decodeState(source); err != nil || !readyAt("r1")(s) {
		t.Error("a source is not Ready at the revision of its artifact")
	}
}

func TestRevisionOfARelease(t *testing.T) {
	for _, c := range []struct{ history, want string }{
		{`[]`, ""},
		{`[{"chartVersion":"1.0.0","status":"deployed","version":2},{"chartVersion":"0.9.0","status":"superseded","version":1}]`, "1.0.0"},
		{`[{"chartVersion":"1.0.0","status":"failed","version":2}]`, ""},
	} {
		s, err := decodeState(json.RawMessage(`{"status":{"history":` + c.history + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.revision(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.history, got, c.want)
		}
	}
}

// TestGoalNeedsAllAtOnce: a unit that was Ready and is not any more must not
// count.
func TestGoalNeedsAllAtOnce(t *testing.T) {
	tr := &tracker{known: map[string]state{}, goals: map[*goal]bool{}}
	start := time.Now()
	see := func(name, ready string, after time.Duration) {
		tr.see(kube.Event{Type: "MODIFIED", Object: unitEvent(name, 1, 1, ready, "r1"), At: start.Add(after)})
	}
	see("a", "False", 0)
	g := tr.expect(2, readyAt("r1"))
	see("a", "True", 1*time.Second)
	see("a", "False", 2*time.Second)
	see("b", "True", 3*time.Second)
	if g.isReached() {
		t.Fatal("reached while a is not Ready")
	}
	if text := g.missing(); !strings.Contains(text, "1 of 2") || !strings.Contains(text, "n/a: Ready=False") {
		t.Errorf("what is missing is told as %q", text)
	}
	see("a", "True", 4*time.Second)
	got, err := g.wait(t.Context(), start)
	if want := []time.Duration{3 * time.Second, 4 * time.Second}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestMedians(t *testing.T) {
	got := medians([]Result{
		{Row: "A", N: 5, Wall: 3, Requests: 10, Git: Git{Refs: 1}, Steady: &Steady{Requests: 5}},
		{Row: "D", N: 5, Wall: 9},
		{Row: "A", N: 5, Wall: 1, Requests: 30, Git: Git{Refs: 3}, Steady: &Steady{Requests: 1}},
		{Row: "A", N: 5, Wall: 2, Requests: 20, Git: Git{Refs: 2}, Steady: &Steady{Requests: 9}},
	})
	want := []Result{{Row: "A", N: 5, Wall: 2, Requests: 20, Git: Git{Refs: 2}, Steady: &Steady{Requests: 5}}, {Row: "D", N: 5, Wall: 9}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMarkdown(t *testing.T) {
	text := Report{Command: "x", Results: []Result{
		{Row: "A", N: 5, Wall: 2.5, P50: 1, P95: 2, Requests: 50, Verbs: []kube.Named{{Name: "GET", N: 50}}, EngineCPU: 0.5, EnginePeak: 80.4},
		{Row: "drift", N: 5, Drifts: []Drift{{"port", 0.5, true}, {"image", 3, true}, {"gone", 0, false}}},
	}}.markdown()
	for _, want := range []string{
		"| A | 5 | 2.50 | 1.00 / 2.00 | - | - | 50 (10.0) | 0.50 | 80 | - / - | 0 / 0 | - |",
		"1 of 3 drifts corrected within 2 s, the slowest after 3.00 s (image); not corrected: gone.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	lines := strings.Split(text, "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != strings.Count(lines[4], "|") {
			t.Errorf("another number of cells: %s", line)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args, want string // want is a part of the error; empty for none
	}{
		{"--rows A,B,F --n 5,10", ""},
		{"--engine-none --rows up,A", ""},
		{"--rows C,C-values --n 5", ""},
		{"--engine-none --rows C", "needs an engine"},
		{"--rows X", "no row"},
		{"--n 0", "no number"},
		{"--engine-none --rows D", "needs an engine"},
		{"--engine-none --engine x", "exclude"},
		{"--out html", "neither"},
		{"more", "flags only"},
	} {
		_, err := parse(strings.Fields(c.args), &strings.Builder{})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.args, err, c.want)
		}
	}
	for row, first := range map[string]string{"E": "A", "C-steady": "C"} {
		if c, err := parse([]string{"--rows", row}, &strings.Builder{}); err != nil || !c.has(first) {
			t.Errorf("row %s without the fleet of row %s: %v", row, first, err)
		}
	}
}
