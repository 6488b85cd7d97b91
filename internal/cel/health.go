package cel

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Outcome is what a health check says of an object.
type Outcome string

// The outcomes, with the names of kstatus.
const (
	InProgress Outcome = "InProgress"
	Failed     Outcome = "Failed"
	Current    Outcome = "Current"
)

// HealthCheck is one item of spec.healthCheckExprs. It holds for one kind, or
// for all kinds of the group where Kind is empty. InProgress and Failed may be
// empty.
type HealthCheck struct {
	APIVersion, Kind            string
	InProgress, Failed, Current string
}

// Health is the compiled checks of one unit; its zero value has none.
type Health struct {
	checks map[schema.GroupKind]Check
}

// ParseHealth compiles checks. All its errors are of type *Error: an expression
// that does not parse, a missing current, or two checks for the same kinds.
func ParseHealth(checks []HealthCheck) (Health, error) {
	compiled := make(map[schema.GroupKind]Check, len(checks))
	for i, hc := range checks {
		where := fmt.Sprintf("spec.healthCheckExprs[%d]", i)
		gk := schema.FromAPIVersionAndKind(hc.APIVersion, hc.Kind).GroupKind()
		if _, ok := compiled[gk]; ok {
			return Health{}, &Error{where, hc.Current, fmt.Errorf("is the second check for %s", name(gk))}
		}
		check, err := parseCheck(where, hc)
		if err != nil {
			return Health{}, err
		}
		compiled[gk] = check
	}
	return Health{compiled}, nil
}

func name(gk schema.GroupKind) string {
	if gk.Kind == "" {
		return fmt.Sprintf("all kinds of group %q", gk.Group)
	}
	return gk.String()
}

func parseCheck(where string, hc HealthCheck) (Check, error) {
	if hc.Current == "" {
		return Check{}, &Error{where + ".current", "", errors.New("is missing")}
	}
	var check Check
	// The order in which they are asked (Flux RFC 0009).
	for _, rule := range []struct {
		field, text string
		outcome     Outcome
	}{
		{"inProgress", hc.InProgress, InProgress},
		{"failed", hc.Failed, Failed},
		{"current", hc.Current, Current},
	} {
		if rule.text == "" {
			continue
		}
		p, err := newProgram(parsed, rule.text)
		if err != nil {
			return Check{}, &Error{where + "." + rule.field, rule.text, err}
		}
		check.rules = append(check.rules, healthRule{p, rule.outcome})
	}
	return check, nil
}

// For returns the check for a kind: its own, else that of its group.
func (h Health) For(gk schema.GroupKind) (Check, bool) {
	if check, ok := h.checks[gk]; ok {
		return check, true
	}
	check, ok := h.checks[schema.GroupKind{Group: gk.Group}]
	return check, ok
}

// Check tells the health of objects.
type Check struct{ rules []healthRule }

type healthRule struct {
	program program
	outcome Outcome
}

// Eval returns the outcome of the first expression that is true, InProgress if
// none is, and InProgress as long as status.observedGeneration is a number other
// than metadata.generation. The expressions see the top-level fields of obj.
// Its errors are of type *EvalError.
func (c Check) Eval(obj map[string]any) (Outcome, error) {
	if !generationObserved(obj) {
		return InProgress, nil
	}
	for _, rule := range c.rules {
		yes, err := rule.program.evalBool(obj)
		if err != nil {
			return "", err
		}
		if yes {
			return rule.outcome, nil
		}
	}
	return InProgress, nil
}

func generationObserved(obj map[string]any) bool {
	observed, ok, err := unstructured.NestedInt64(obj, "status", "observedGeneration")
	if !ok || err != nil {
		return true
	}
	generation, ok, err := unstructured.NestedInt64(obj, "metadata", "generation")
	return !ok || err != nil || observed == generation
}
