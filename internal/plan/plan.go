// Package plan says what has to be done so that a world becomes what was
// asked for: which steps, in which order, under which precondition, and why.
//
//	for _, batch := range plan.Stages(objects, nil) { … }
//	policy := plan.PolicyOf(desired, live)
//	fields := plan.Drift(live, predicted, rules, mask)
//	prune := plan.PruneSteps(plan.Prune{Old: before, New: after, …})
//
// A plan is a value: the same one stands in a controller's log, in a pull
// request and in a test. The package computes and never acts: no network, no
// clock. It must never delete what is not in the inventory, nor print a secret.
package plan

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/world"
)

// Plan is what will be done for one unit: the stages one after the other, then
// the deletions.
type Plan struct {
	Stages   []Stage
	Prune    []Step
	Fidelity world.Fidelity
	// Mask makes the fingerprints of secrets in String, JSON and ID.
	Mask Mask
}

// Stage is steps that belong together, in the order of applying.
type Stage struct {
	Name  StageName
	Steps []Step
}

// Steps returns all steps, the deletions last.
func (p Plan) Steps() []Step {
	var steps []Step
	for _, stage := range p.Stages {
		steps = append(steps, stage.Steps...)
	}
	return append(steps, p.Prune...)
}

// Changes returns the steps that write to the world.
func (p Plan) Changes() []Step {
	var changes []Step
	for _, step := range p.Steps() {
		if step.Op.Changes() {
			changes = append(changes, step)
		}
	}
	return changes
}

// String lists what changes, and counts what does not.
func (p Plan) String() string {
	var b strings.Builder
	quiet := 0
	for _, step := range p.Steps() {
		if !step.Op.Changes() {
			quiet++
			continue
		}
		fmt.Fprintln(&b, step.show(p.Mask))
	}
	fmt.Fprintf(&b, "%d to change, %d unchanged or skipped, fidelity %s", len(p.Changes()), quiet, p.Fidelity)
	return b.String()
}

// GoString is String: no verb of fmt prints a secret.
func (p Plan) GoString() string { return p.String() }

// MarshalJSON writes the plan with fingerprints for secrets; equal plans have
// equal bytes.
func (p Plan) MarshalJSON() ([]byte, error) {
	type stageForm struct {
		Name  StageName  `json:"name"`
		Steps []stepForm `json:"steps"`
	}
	form := struct {
		Fidelity world.Fidelity `json:"fidelity"`
		Stages   []stageForm    `json:"stages,omitempty"`
		Prune    []stepForm     `json:"prune,omitempty"`
	}{Fidelity: p.Fidelity, Prune: stepForms(p.Prune, p.Mask)}
	for _, stage := range p.Stages {
		form.Stages = append(form.Stages, stageForm{stage.Name, stepForms(stage.Steps, p.Mask)})
	}
	return json.Marshal(form)
}

func stepForms(steps []Step, mask Mask) []stepForm {
	var forms []stepForm
	for _, step := range steps {
		forms = append(forms, step.form(mask))
	}
	return forms
}

// ID names what the plan does and the state it was computed under.
func (p Plan) ID() (hash.ID, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return hash.ID{}, fmt.Errorf("encode plan: %w", err)
	}
	return hash.New("plan/v1").Bytes(text).Sum(), nil
}
