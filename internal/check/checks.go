package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/report"
)

// The checks, in the order in which they are told.
const (
	Build  = "build"  // every unit can be rendered
	Schema = "schema" // no object is refused by the schema of its kind
	Policy = "policy" // no finding that failOn names
	Plan   = "plan"   // no unit comes to stand worse, nothing immutable changes
)

// byDefault are the checks that must be green where a gate names none, and where
// no gate holds.
var byDefault = []string{Build, Schema, Plan}

// defaultFailOn is what policy fails on where no gate says it.
const defaultFailOn = "danger"

// Check is one check of a change in one environment.
type Check struct {
	Name     string `json:"name"`
	Required bool   `json:"required"` // a gate asks for it
	OK       bool   `json:"ok"`
	// Problems say what is wrong; what stood so before the change is none.
	Problems []string `json:"problems,omitempty"`
}

// checks are all of them: those that are not required are told all the same.
func checks(f Facts, gates []flow.Gate) []Check {
	required, failOn := asked(gates)
	out := make([]Check, 0, len(required))
	for _, c := range []struct {
		name     string
		problems []string
	}{
		{Build, unbuilt(f)}, {Schema, findings(f, schemaRules)}, {Policy, failing(f, failOn, covered(required))}, {Plan, worse(f)},
	} {
		out = append(out, Check{Name: c.name, Required: slices.Contains(required, c.name), OK: len(c.problems) == 0, Problems: c.problems})
	}
	return out
}

// asked are the checks that gates want, and what policy fails on.
func asked(gates []flow.Gate) (required, failOn []string) {
	if len(gates) == 0 {
		return byDefault, []string{defaultFailOn}
	}
	for _, g := range gates {
		mine := g.Checks
		if len(mine) == 0 {
			mine = byDefault
		}
		required = append(required, mine...)
		if g.FailOn != "" {
			required = append(required, Policy)
		}
		failOn = append(failOn, cmp.Or(g.FailOn, defaultFailOn))
	}
	return required, failOn
}

// unbuilt are the units that the change keeps from being rendered.
func unbuilt(f Facts) []string {
	if f.Error != "" {
		return []string{f.Error}
	}
	return causes(f, unrendered)
}

// unrendered tells causes for which there are no objects from those for which the
// objects do not come to stand.
func unrendered(c present.Cause) bool {
	refused := c.Reason == report.ReasonReconcileFailed || c.Reason == report.ReasonHealthFailed
	return c.State == string(fleet.NotRendered) || c.State == string(fleet.Failed) && !refused
}

// worse are the units that the change keeps from becoming ready though they can be
// rendered, and the changes that a server would refuse.
func worse(f Facts) []string {
	if f.Error != "" {
		return []string{"there is no plan: nothing could be rendered"}
	}
	out := causes(f, func(c present.Cause) bool { return !unrendered(c) })
	for _, cluster := range f.Plan.Clusters {
		if n := cluster.Objects.Refuse; n > 0 {
			out = append(out, fmt.Sprintf("%d change(s) of immutable fields would be refused", n))
		}
	}
	return out
}

// causes are the new reasons for which units would never become ready.
func causes(f Facts, which func(present.Cause) bool) []string {
	var out []string
	for _, cluster := range f.Plan.Clusters {
		for _, c := range cluster.NeverReady {
			if !c.Old && which(c) {
				out = append(out, place(c.At())+fmt.Sprintf("%s is %s: %s", c.Unit, c.State, c.Message))
			}
		}
	}
	return out
}

func place(at string) string {
	if at == "" {
		return ""
	}
	return at + ": "
}

// schemaRules are the rules that hold objects to schemas.
var schemaRules = []string{"schema-error", "kind-missing"}

// findings are those of rules that count.
func findings(f Facts, rules []string) []string {
	var out []string
	for _, one := range f.Findings {
		if one.Counts() && slices.Contains(rules, one.Rule) {
			out = append(out, one.String())
		}
	}
	return out
}

// neverReady is the rule that tells causes once more.
const neverReady = "never-ready"

// covered are the rules of findings that other required checks tell of.
func covered(required []string) []string {
	var out []string
	if slices.Contains(required, Schema) {
		out = append(out, schemaRules...)
	}
	if slices.Contains(required, Build) && slices.Contains(required, Plan) {
		out = append(out, neverReady)
	}
	return out
}

// failing are the findings that one of the gates names and no other check tells of.
func failing(f Facts, failOn, covered []string) []string {
	var out []string
	for _, text := range failOn {
		rule, err := finding.ParseFailOn(text)
		if err != nil { // flow.Parse refuses it
			out = append(out, err.Error())
			continue
		}
		for _, one := range rule.Of(f.Findings) {
			if line := one.String(); !slices.Contains(out, line) && !slices.Contains(covered, one.Rule) {
				out = append(out, line)
			}
		}
	}
	return out
}
