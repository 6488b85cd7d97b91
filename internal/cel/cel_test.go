package cel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

var exampleObject = map[string]any{
	"apiVersion": "example.com/v1", "kind": "Thing",
	"metadata": map[string]any{"name": "a", "generation": int64(2)},
	"spec":     map[string]any{"replicas": int64(3), "ratio": 0.5, "names": []any{"x", "y"}, "when": "2026-01-02T03:04:05Z"},
	"status": map[string]any{
		"observedGeneration": int64(2),
		"conditions": []any{
			map[string]any{"type": "Ready", "status": "True"},
			map[string]any{"type": "Synced", "status": "False"},
		},
	},
}

// TestLanguage holds the language to that of Flux: which functions there are,
// and how numbers and times compare.
func TestLanguage(t *testing.T) {
	for _, tc := range []struct {
		expr string
		want bool
	}{
		{"status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')", true},
		{"status.conditions.exists(e, e.type == 'Synced' && e.status == 'True')", false},
		{"has(status.phase) && status.phase == 'Done'", false},
		{"status.?phase.orValue('Done') == 'Done'", true},               // optional types
		{"spec.replicas == 3.0 && spec.replicas > 2.5 && 1u < 2", true}, // numbers of different types
		{"spec.ratio < 1", true},                                                   //
		{"'a,b'.split(',') == ['a', 'b']", true},                                   // strings
		{"['a', 'b'].join('-') == 'a-b'", true},                                    //
		{"'abc'.replace('b', 'x') == 'axc'", true},                                 //
		{"'%s is %d'.format(['x', 1]) == 'x is 1'", true},                          //
		{"' x '.trim().upperAscii().reverse() == 'X'", true},                       //
		{"sets.contains(spec.names, ['x'])", true},                                 // sets
		{"sets.intersects(spec.names, ['z'])", false},                              //
		{"base64.encode(b'hi') == 'aGk=' && base64.decode('aGk=') == b'hi'", true}, // encoders
		{"timestamp(spec.when).getHours() == 3", true},                             // UTC
		{"'x' in spec.names && !('z' in spec.names) && 'replicas' in spec", true},
		{"kind.matches('^Th.ng$')", true},
		{"spec.names != ['x']", true},
		{"metadata.name == 'a' ? spec.replicas == 3 : false", true},
		{"spec.names.map(n, n + n) == ['xx', 'yy']", true},
		{"status == {'observedGeneration': 2, 'conditions': status.conditions}", true},
	} {
		p, err := newProgram(parsed, tc.expr)
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
			continue
		}
		got, err := p.evalBool(exampleObject)
		if err != nil || got != tc.want {
			t.Errorf("%s: got %v, %v; want %v", tc.expr, got, err, tc.want)
		}
	}
}

func TestHealthInvalid(t *testing.T) {
	for _, tc := range []struct {
		name   string
		checks []HealthCheck
		want   []string
	}{
		{"syntax", []HealthCheck{{"a.io/v1", "A", "", "", "status."}}, []string{"spec.healthCheckExprs[0].current", "1:8", "Syntax error"}},
		{"failed", []HealthCheck{{"a.io/v1", "A", "", "(", "true"}}, []string{"spec.healthCheckExprs[0].failed"}},
		{"inProgress", []HealthCheck{{"a.io/v1", "A", ")", "", "true"}}, []string{"spec.healthCheckExprs[0].inProgress"}},
		{"no current", []HealthCheck{{"a.io/v1", "A", "true", "", ""}}, []string{"current", "is missing"}},
		{"twice", []HealthCheck{{"a.io/v1", "A", "", "", "true"}, {"a.io/v2", "A", "", "", "true"}}, []string{"spec.healthCheckExprs[1]", "A.a.io"}},
		{"group twice", []HealthCheck{{"a.io/v1", "", "", "", "true"}, {"a.io/v2", "", "", "", "true"}}, []string{"all kinds of group"}},
		{"long", []HealthCheck{{"a.io/v1", "A", "", "", strings.Repeat("a", MaxLength+1)}}, []string{"bytes long", "…"}},
	} {
		_, err := ParseHealth(tc.checks)
		var invalid *Error
		if !errors.As(err, &invalid) {
			t.Errorf("%s: got %v, want an *Error", tc.name, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want it to contain %q", tc.name, err, want)
			}
		}
		if len(err.Error()) > 1000 {
			t.Errorf("%s: message of %d bytes", tc.name, len(err.Error()))
		}
	}
}

func TestHealthOrder(t *testing.T) {
	object := func(generation, observed any) map[string]any {
		return map[string]any{
			"metadata": map[string]any{"generation": generation},
			"status":   map[string]any{"observedGeneration": observed, "n": int64(1)},
		}
	}
	all := HealthCheck{"a.io/v1", "A", "status.n == 1", "status.n >= 1", "status.n >= 0"}
	for _, tc := range []struct {
		name  string
		check HealthCheck
		obj   map[string]any
		want  Outcome
	}{
		{"inProgress before failed", all, object(int64(1), int64(1)), InProgress},
		{"failed before current", HealthCheck{"a.io/v1", "A", "false", "true", "true"}, object(int64(1), int64(1)), Failed},
		{"current", HealthCheck{"a.io/v1", "A", "", "", "true"}, object(int64(1), int64(1)), Current},
		{"none is InProgress", HealthCheck{"a.io/v1", "A", "false", "false", "false"}, object(int64(1), int64(1)), InProgress},
		{"generation not observed", HealthCheck{"a.io/v1", "A", "", "true", "true"}, object(int64(2), int64(1)), InProgress},
		{"observed generation is a text", HealthCheck{"a.io/v1", "A", "", "", "true"}, object(int64(2), "1"), Current},
	} {
		health, err := ParseHealth([]HealthCheck{tc.check})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		check, ok := health.For(schema.GroupKind{Group: "a.io", Kind: "A"})
		if !ok {
			t.Fatalf("%s: no check for the kind", tc.name)
		}
		if got, err := check.Eval(tc.obj); got != tc.want || err != nil {
			t.Errorf("%s: got %s, %v; want %s", tc.name, got, err, tc.want)
		}
	}
}

func TestHealthFor(t *testing.T) {
	health, err := ParseHealth([]HealthCheck{
		{"a.io/v1", "", "", "", "false"}, {"a.io/v1", "A", "", "", "true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for gk, want := range map[schema.GroupKind]Outcome{
		{Group: "a.io", Kind: "A"}: Current,
		{Group: "a.io", Kind: "B"}: InProgress,
	} {
		check, ok := health.For(gk)
		if !ok {
			t.Errorf("%s: no check", gk)
			continue
		}
		if got, err := check.Eval(map[string]any{}); got != want || err != nil {
			t.Errorf("%s: got %s, %v; want %s", gk, got, err, want)
		}
	}
	if _, ok := health.For(schema.GroupKind{Group: "b.io", Kind: "A"}); ok {
		t.Error("b.io: got a check of another group")
	}
	if _, ok := (Health{}).For(schema.GroupKind{Kind: "A"}); ok {
		t.Error("zero Health has a check")
	}
}

func TestEvalErrors(t *testing.T) {
	for expr, want := range map[string]string{
		"status.phase == 'x'": "no such",
		"'text'":              "want true or false",
		"nothing.here":        "no such attribute",
		"1 / 0 == 1":          "division by zero",
	} {
		p, err := newProgram(parsed, expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		_, err = p.evalBool(map[string]any{"status": map[string]any{}})
		var failed *EvalError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an *EvalError with %q", expr, err, want)
		}
	}
}

func TestReady(t *testing.T) {
	self := map[string]any{"metadata": map[string]any{"annotations": map[string]any{"v": "2"}}}
	dep := map[string]any{"metadata": map[string]any{"labels": map[string]any{"v": "2"}}, "status": map[string]any{"n": int64(4)}}
	for expr, want := range map[string]bool{
		"dep.metadata.labels['v'] == self.metadata.annotations['v']": true,
		"dep.status.n > 4": false,
		"dep.status.?conditions.orValue([]).filter(e, e.type == 'Ready').exists_one(e, true)": false,
	} {
		ready, err := CompileReady(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got, err := ready.Eval(self, dep); got != want || err != nil {
			t.Errorf("%s: got %v, %v; want %v", expr, got, err, want)
		}
	}
	for expr, want := range map[string]string{
		"dep.status.n":      "want bool",
		"self.":             "Syntax error",
		"status.n > 1":      "undeclared reference",
		"'a' + 1 == 'a'":    "no matching overload",
		"dep.spec.matches(": "1:18",
	} {
		_, err := CompileReady(expr)
		var invalid *Error
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an *Error with %q", expr, err, want)
		}
	}
}

// TestBombs holds every expression to its budget: case 13 of the attacks.
func TestBombs(t *testing.T) {
	items := make([]any, 3000)
	for i := range items {
		items[i] = map[string]any{"name": "item", "value": strings.Repeat("v", 100)}
	}
	obj := map[string]any{"spec": map[string]any{"items": items, "text": strings.Repeat("a", 300_000), "one": []any{"x"}}}
	double := strings.Repeat(".map(x, [x, x])", 60)
	for name, expr := range map[string]string{
		"nested loops":      "spec.items.all(a, spec.items.all(b, spec.items.all(c, c.name == 'item')))",
		"equal in a loop":   "spec.items.all(a, spec == spec)",
		"in, in a loop":     "spec.items.all(a, a in spec.items && a in spec.items)",
		"shared lists":      "spec.one" + double + " == spec.one" + double,
		"shared lists in":   "spec.one" + double + "[0] in spec.one" + double,
		"shared and format": "'%s'.format([spec.one" + double + "]) == ''",
		"doubled list":      "spec.one" + strings.Repeat(".map(x, x + x)", 60) + ".size() == 0",
		"concatenated":      "[spec.one]" + strings.Repeat(".map(x, x + x)", 60) + "[0].size() == 0",
		"replace":           "spec.text" + strings.Repeat(".replace('a', 'aaaaaaaaaaaaaaaaaaaa')", 20) + " == ''",
		"replace nothing":   "spec.text.replace('', spec.text) == ''",
		"join":              "spec.text.split('').join(spec.text) == ''",
		"split in a loop":   "spec.items.all(a, spec.text.split('').size() > 0)",
		"regexp":            "spec.text.matches('(((a*)*)*)*b{900}c')",
		"regexp in a loop":  "spec.items.all(a, !spec.text.matches('(a|aa)+$b'))",
		"sets":              "sets.equivalent(spec.items, spec.items.map(x, {'name': x.name, 'value': x.value}))",
		"precision":         "'" + strings.Repeat("%.999999f", 200) + "'.format([" + strings.Repeat("1.0,", 199) + "1.0]) == ''",
		"text doubled":      "[spec.text]" + strings.Repeat(".map(x, x + x)", 60) + "[0].size() == 0",
		"contains":          "spec.items.all(a, !spec.text.contains('b'))",
		"long literal":      "[" + strings.Repeat("1,", 3000) + "1].all(x, [" + strings.Repeat("1,", 3000) + "1].all(y, x == y))",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			p, err := newProgram(parsed, expr)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.evalBool(obj)
			if !errors.Is(err, ErrTooExpensive) {
				t.Errorf("got %v, want %v", err, ErrTooExpensive)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestBoundsOfText: what is refused before it is ever evaluated, and how.
func TestBoundsOfText(t *testing.T) {
	for name, c := range map[string]struct{ expr, want string }{
		"length":        {strings.Repeat("true && ", MaxLength/8) + "true", "want at most 16384"},
		"parentheses":   {strings.Repeat("(", 1000) + "true" + strings.Repeat(")", 1000), "250"},
		"loops":         {strings.Repeat("[1].all(x, ", 1000) + "true" + strings.Repeat(")", 1000), "250"},
		"optMap":        {"status.?a" + strings.Repeat(".optMap(x, x)", 200) + ".orValue(true)", "expands to more than 10000"},
		"optFlatMap":    {"status.?a" + strings.Repeat(".optFlatMap(x, x)", 200) + ".orValue(true)", "expands to more than 10000"},
		"in each other": {strings.Repeat("a.optMap(x, ", 200) + "a" + strings.Repeat(")", 200), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseHealth([]HealthCheck{{APIVersion: "v1", Kind: "A", Current: c.expr}})
			if c.want == "" && err == nil {
				return
			}
			var invalid *Error
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "healthCheckExprs[0].current") {
				t.Errorf("got %.300v, want an *Error with its place and %q", err, c.want)
			}
		})
	}
}

// TestBigInput: the work until the budget is found spent does not grow with the
// input; a run is not held up by a list of 200,000 items.
func TestBigInput(t *testing.T) {
	items := make([]any, 200_000)
	for i := range items {
		items[i] = "x"
	}
	obj := map[string]any{"items": items, "text": strings.Repeat("x", 1_000_000)}
	for _, expr := range []string{
		"items.all(a, items.all(b, a == b))", "items.map(a, a + a).exists(b, b == 'y')",
		"text.split('').all(a, text.contains(a))", "items.filter(a, a in items).size() > 1",
		"items.exists_one(a, items.exists_one(b, a == b || b != a))",
	} {
		p, err := newProgram(parsed, expr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.evalBool(obj); !errors.Is(err, ErrTooExpensive) {
			t.Errorf("%s: got %v, want %v", expr, err, ErrTooExpensive)
		}
	}
}

// TestDeadline: where the time is over, a loop ends with the same error, also one
// whose error a logical operator would swallow.
func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, expr := range []string{"spec.names.map(a, a).size() == 2", "[1, 2].all(a, " + strings.Repeat("[1, 2, 3].all(b, ", 5) + "a < 5" + strings.Repeat(")", 6) + " || true"} {
		p, err := newProgram(parsed, expr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.evalWithin(ctx, exampleObject); !errors.Is(err, ErrTooExpensive) {
			t.Errorf("%s: got %v, want %v", expr, err, ErrTooExpensive)
		}
	}
}

// TestHonestWork is what must stay within the budget: objects as big as the API
// allows, looked at item by item.
func TestHonestWork(t *testing.T) {
	entries := make([]any, 10_000)
	for i := range entries {
		entries[i] = map[string]any{"id": "apps_web_apps_Deployment", "v": "v1"}
	}
	obj := map[string]any{"status": map[string]any{"entries": entries}}
	for _, expr := range []string{
		"status.entries.all(e, e.v == 'v1')",
		"status.entries.filter(e, e.id.startsWith('apps_')).size() == 10000",
		"status.entries.map(e, e.id).all(id, id.contains('web'))",
		"status.entries.exists(e, e.id.matches('^apps_w.*$'))",
		"status.entries == status.entries",
	} {
		p, err := newProgram(parsed, expr)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.evalBool(obj); !got || err != nil {
			t.Errorf("%s: got %v, %v; want true", expr, got, err)
		}
	}
}

// TestConcurrent: one cache and one program serve many goroutines.
func TestConcurrent(t *testing.T) {
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 50 {
				p, err := newProgram(parsed, fmt.Sprintf("spec.replicas == %d", (i+j)%10))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := p.evalBool(exampleObject); err != nil || got != ((i+j)%10 == 3) {
					t.Errorf("%d: got %v, %v", (i+j)%10, got, err)
				}
			}
		})
	}
	group.Wait()
}
