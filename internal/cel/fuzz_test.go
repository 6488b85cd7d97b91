package cel

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

func gkOf(apiVersion, kind string) schema.GroupKind {
	return schema.FromAPIVersionAndKind(apiVersion, kind).GroupKind()
}

// FuzzExpressions: no expression panics or outlasts its budget, and every error
// says which class it is of. The bound in time is generous: machines differ.
func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{
		"status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')",
		"spec.names.map(x, [x, x]).map(x, [x, x]) == [spec]",
		"'%s %d %.3f'.format([spec, 1, 1.5]) == ''",
		"spec.text.split('').join(spec.text) == ''",
		"spec.text.replace('', spec.text).replace('a', 'aa') == ''",
		"spec.text.matches('(a+)+$')", "sets.contains(spec.names, spec.names)",
		"dep.?status.?phase.orValue('') == self.spec.x", "[1, 2].exists_one(x, x in [2])",
		"base64.decode(base64.encode(b'x')) == b'x'", "((((((((((1))))))))))", "{'a': {'b': [1]}}.a.b[0] == 1",
		"timestamp('2026-01-01T00:00:00Z').getFullYear() == duration('1h').getHours()", "a ? b : c ? d : e",
	} {
		f.Add(seed)
	}
	obj := map[string]any{
		"kind": "A", "metadata": map[string]any{"name": "a", "generation": int64(1)},
		"spec":   map[string]any{"names": []any{"x", "y"}, "text": strings.Repeat("ab", 1000), "n": int64(1)},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}},
	}
	f.Fuzz(func(t *testing.T, expr string) {
		start := time.Now()
		if health, err := ParseHealth([]HealthCheck{{APIVersion: "a.io/v1", Kind: "A", Current: expr}}); err == nil {
			check := health.checks[gkOf("a.io/v1", "A")]
			if _, err := check.Eval(obj); err != nil && !errors.As(err, new(*EvalError)) {
				t.Errorf("evaluate: got %T: %v", err, err)
			}
		} else if !errors.As(err, new(*Error)) {
			t.Errorf("parse: got %T: %v", err, err)
		}
		if ready, err := CompileReady(expr); err == nil {
			if _, err := ready.Eval(obj, obj); err != nil && !errors.As(err, new(*EvalError)) {
				t.Errorf("evaluate: got %T: %v", err, err)
			}
		} else if !errors.As(err, new(*Error)) {
			t.Errorf("compile: got %T: %v", err, err)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

// BenchmarkHealth is one check of a custom resource, compiled once.
func BenchmarkHealth(b *testing.B) {
	checks := []HealthCheck{{APIVersion: "example.com/v1", Kind: "Thing",
		Failed:  "status.conditions.exists(e, e.type == 'Ready' && e.status == 'False' && e.reason == 'Failed')",
		Current: "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"}}
	for b.Loop() {
		health, err := ParseHealth(checks)
		if err != nil {
			b.Fatal(err)
		}
		check, _ := health.For(gkOf("example.com/v1", "Thing"))
		if _, err := check.Eval(exampleObject); err != nil {
			b.Fatal(err)
		}
	}
}
