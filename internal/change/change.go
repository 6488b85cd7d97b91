// Package change is what a change of a fleet does: the difference between two
// rendered fleets, unit by unit, object by object, field by field.
//
//	set := change.Compare(base, head, change.Options{Mask: mask})
//	for _, u := range set.Units { … u.Op, u.Objects … }
//
// What is gone from head is pruned only where something prunes it: the unit that
// made it was applied, prunes, and no other unit has the object now. Revisions
// alone are no change.
//
// It is pure, and nothing in the JSON of a Set is a secret in clear.
package change

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/world"
)

// Options say what a comparison knows beside the two fleets.
type Options struct {
	// Mask makes the fingerprints of secrets.
	Mask plan.Mask
	// Inputs are objects from outside of both fleets that their units read: the
	// values of Secrets among them are hidden wherever they are repeated.
	Inputs []*unstructured.Unstructured
}

// Set is everything that a change does.
type Set struct {
	Base, Head string // revisions
	Fidelity   world.Fidelity
	// Units are those that the change touches, in the order of delivery.
	Units []Unit
	// All counts the units of head, touched or not.
	All          int
	Placeholders []fleet.Placeholder // of head
	// Causes are why units of head are not ready, each once, those that the
	// change brings first.
	Causes []Cause
	// Flaws are what schemas say against the objects of base and of head; package
	// validate finds them.
	Flaws [2][]Flaw
	// Before and After are both fleets, with secrets as they are: rules look at
	// them, nothing prints them.
	Before, After fleet.Rendered `json:"-"`

	secrets *secrets
}

// Text returns a text about a unit or its objects, made from Before or After,
// without the secrets that can be in it. It is not for concurrent use.
func (s Set) Text(unit object.Key, text string) string {
	if s.secrets == nil {
		return text
	}
	return s.secrets.mask(unit).Text(text)
}

// Cause is one root cause, with every unit that is not ready because of it.
type Cause struct {
	screen.Cause
	// Old causes stand at base as well, and keep nobody more than there.
	Old bool `json:"old,omitempty"`
}

// Flaw is one thing that the schema of an object says against it.
type Flaw struct {
	Unit    object.Key
	Object  object.Ref
	Field   string // JSON pointer
	Message string // holds no secret
	At      string // file:line, where known
	// Unknown fields would be dropped; everything else is refused.
	Unknown bool
}

// Op says what happens to a unit or an object.
type Op string

// The operations.
const (
	Create Op = "create"
	Change Op = "change"
	// Delete of an object is a prune.
	Delete Op = "delete"
	// Replace deletes and creates: an immutable field changes, with force.
	Replace Op = "replace"
	// Refuse is a change of an immutable field without force, which will fail, or
	// what an API server has refused.
	Refuse Op = "refuse"
	// Orphan leaves an object in the cluster that nobody manages any more: prune
	// is off, or the object says so.
	Orphan Op = "orphan"
	// Move gives an object to another unit, unchanged or changed.
	Move Op = "move"
	// Unknown is that of a unit that could not be rendered at one side, or that
	// is not made at head because the unit that made it was not applied.
	Unknown Op = "unknown"
	// Same units are listed because something else of them changed: how they
	// stand, or what is warned of.
	Same Op = "same"
)

// Unit is what happens to one unit.
type Unit struct {
	Key, Parent object.Key
	Cluster     string // other than the fleet's own, that it works in; see fleet.Unit
	Op          Op
	// Why says more of a unit that is orphaned, or of which nothing is known.
	Why  string
	Spec []Field // of its own manifest
	// Before and After are how it stands; empty where it does not exist.
	Before, After Standing
	Objects       []Object // that change, in the order in which they are applied, prunes last
	Release       *Release
	Order         int
	Origin        fleet.Origin
	Warnings      []report.Warning // of head, that base does not have
}

// Standing is how a unit stands at one side.
type Standing struct {
	State           fleet.State
	Reason, Message string
	On              []string
	Missing         bool
	Revision        string
}

// Object is what happens to one object.
type Object struct {
	Ref    object.Ref
	Op     Op
	Fields []Field
	// Why says more: which field is immutable, to which unit it moves.
	Why string
	// ByServer tells that an API server refused it, in the words of Why.
	ByServer bool
	// Before and After are masked; nil where it does not exist.
	Before, After *unstructured.Unstructured
	Origin        fleet.Origin
}

// Field is one field that differs, and where its new value (for a removed one:
// its old value) was written.
type Field struct {
	plan.FieldChange
	Origin *fleet.Origin // nil where it was not looked for or is not known
}

// Release is what happens to a Helm release.
type Release struct {
	Namespace, Name string
	Op              Op
	Chart           [2]string // name of base and head; empty where it does not exist
	Version         [2]string
	Values          []Field // composed values that differ, masked
}
