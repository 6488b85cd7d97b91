package plan

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

func examplePlan(t fataler) Plan {
	live := parse(t, deployment)
	desired := parse(t, strings.Replace(deployment, "replicas: 2\n", "replicas: 3\n", 1))
	config := newObject("v1", "ConfigMap", "apps", "settings")
	return Plan{
		Fidelity: world.Exact,
		Mask:     testMask,
		Stages: []Stage{
			{Definitions, []Step{{Op: Unchanged, Ref: object.RefOf(newObject("v1", "Namespace", "", "apps"))}}},
			{Resources, []Step{
				{Op: Create, Ref: object.RefOf(config), After: config, Why: "new in the source"},
				{Op: Update, Ref: object.RefOf(live), Before: live, After: desired, Fields: Drift(live, desired, Ignore{}, testMask),
					Why: "changed in the source", If: world.Precondition{UID: "u1", ResourceVersion: "1"}},
			}},
		},
		Prune: []Step{{Op: Delete, Ref: object.RefOf(newObject("v1", "Service", "apps", "old")), Why: "no longer in the source",
			If: world.Precondition{UID: types.UID("u2")}}},
	}
}

func TestPlanString(t *testing.T) {
	want := `create ConfigMap/apps/settings (new in the source)
update Deployment/apps/web (changed in the source)
  /spec/replicas: 2 → 3
delete Service/apps/old (no longer in the source)
3 to change, 1 unchanged or skipped, fidelity exact`
	if got := examplePlan(t).String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPlanJSON(t *testing.T) {
	text, err := json.Marshal(examplePlan(t).Prune)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"op":"delete","ref":{"apiVersion":"v1","kind":"Service","namespace":"apps","name":"old"},"why":"no longer in the source","if":{"uid":"u2"}}]`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	text, err = json.Marshal(examplePlan(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"managedFields", "creationTimestamp", `"status"`, `"generation"`} {
		if strings.Contains(string(text), absent) {
			t.Errorf("%s is in %s", absent, text)
		}
	}
	for _, present := range []string{`"fields":[{"path":"/spec/replicas","before":2,"after":3}]`, `"fidelity":"exact"`, `"name":"definitions"`} {
		if !strings.Contains(string(text), present) {
			t.Errorf("%s is not in %s", present, text)
		}
	}
}

func TestPlanID(t *testing.T) {
	id := func(change func(*Plan)) string {
		p := examplePlan(t)
		change(&p)
		id, err := p.ID()
		if err != nil {
			t.Fatal(err)
		}
		return id.Hex()
	}
	base := id(func(*Plan) {})
	if id(func(*Plan) {}) != base {
		t.Error("equal plans have different ids")
	}
	for name, change := range map[string]func(*Plan){
		"op":           func(p *Plan) { p.Stages[1].Steps[0].Op = Update },
		"precondition": func(p *Plan) { p.Stages[1].Steps[1].If.ResourceVersion = "2" },
		"order":        func(p *Plan) { p.Stages[0], p.Stages[1] = p.Stages[1], p.Stages[0] },
		"prune":        func(p *Plan) { p.Prune = nil },
		"fidelity":     func(p *Plan) { p.Fidelity = world.Structural },
		"object":       func(p *Plan) { p.Stages[1].Steps[1].After.Object["spec"] = map[string]any{"replicas": int64(9)} },
	} {
		if id(change) == base {
			t.Errorf("another %s has the same id", name)
		}
	}
	a := Plan{Mask: testMask, Prune: []Step{{Op: Update, After: newSecret(map[string]any{"k": encoded("one secret")})}}}
	b := Plan{Mask: testMask, Prune: []Step{{Op: Update, After: newSecret(map[string]any{"k": encoded("two secret")})}}}
	idA, _ := a.ID()
	idB, _ := b.ID()
	if idA == idB {
		t.Error("plans that differ in a secret have the same id")
	}
}

func TestOps(t *testing.T) {
	for op, want := range map[Op]struct {
		changes bool
		done    string
	}{
		Create: {true, "created"}, Update: {true, "configured"}, TakeOver: {true, "configured"}, Replace: {true, "created"},
		Delete: {true, "deleted"}, Skip: {false, "skipped"}, Unchanged: {false, "unchanged"}, "": {false, "unknown"},
	} {
		if op.Changes() != want.changes || op.Done() != want.done {
			t.Errorf("%s: got %v, %s; want %v, %s", op, op.Changes(), op.Done(), want.changes, want.done)
		}
	}
}

// TestPlanDoesNotAlias: asking a plan for its steps leaves it as it is.
func TestPlanDoesNotAlias(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := examplePlan(t)
		steps := p.Steps()
		steps[rapid.IntRange(0, len(steps)-1).Draw(t, "i")].Op = "other"
		if !reflect.DeepEqual(p, examplePlan(t)) {
			t.Fatal("the plan changed")
		}
	})
}
