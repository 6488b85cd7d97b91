// Package fleet is what a fleet becomes, as plain data: its units, how each
// stands when everything has come to rest, and what each made.
//
//	base, head := fleet.Rendered{…}, fleet.Rendered{…} // package preview makes them
//	set := change.Compare(base, head, change.Options{Mask: mask})
//
// Values are shared and must not be changed.
package fleet

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/world"
)

// Rendered is a whole fleet at one revision.
type Rendered struct {
	// Revision is that of the entry's source: main@sha1:….
	Revision string
	Fidelity world.Fidelity
	Units    []Unit // by key
	// Placeholders stand for what lives outside Git and was not given.
	Placeholders []Placeholder
}

// Unit is one unit at rest.
type Unit struct {
	Key object.Key
	// Parent made it; zero for the fleet's entry and its like.
	Parent object.Key
	// Object is the unit as it was applied, with the status it reached.
	Object *unstructured.Unstructured
	State  State
	// Cluster names the other cluster that the unit works in (unit.Elsewhere), and so do
	// the keys of its Objects; empty is the fleet's own.
	Cluster string
	// Reason and Message are those of its Ready condition; On is what it waits
	// on, and Missing tells that this does not exist.
	Reason, Message string
	On              []string
	Missing         bool
	// Source is what it builds from; Revision and Path are what of it.
	Source         object.Key
	Revision, Path string
	// Order counts the units in the order in which they first came to rest:
	// dependencies come before what depends on them.
	Order     int
	DependsOn []object.Key
	Objects   []Object // in the order in which they are applied
	// Wanted is what its build asks for, of a Kustomization that was built and not
	// applied; what else it had goes as soon as it is. nil where that is not known.
	Wanted   []object.Ref
	Release  *Release // of a HelmRelease
	Warnings []report.Warning
	Origin   Origin     // of the unit's own manifest
	Reads    record.Set // what the last run looked at
	Files    []string   // of its source that its build read, sorted
}

// State says how a unit stands at rest.
type State string

// The states.
const (
	Ready     State = "ready"
	Suspended State = "suspended"
	// Waiting units wait for something that nothing in the fleet delivers.
	Waiting State = "waiting"
	Failed  State = "failed"
	// NotRendered units could not be built, because their source is out of
	// reach: nothing is known of what they hold.
	NotRendered State = "not rendered"
)

// Object is one object that a unit made.
type Object struct {
	Ref object.Ref
	// Value is the object as the world holds it: applied, with the defaults that
	// its schema knows, and without what only a server sets (uid, versions,
	// managed fields, status).
	Value *unstructured.Unstructured
	// Refused says why an API server would not have it; empty where none was asked, or
	// took it.
	Refused string
	// Assumed tells that its health is taken for granted: no controller ran.
	Assumed bool
	// Provided objects are the engine's and are not applied (the CRDs and
	// controllers of Flux inside a fleet).
	Provided bool
	Origin   Origin
}

// Release is what a HelmRelease installs.
type Release struct {
	Namespace, Name string
	Chart, Version  string
	AppVersion      string
	Values          map[string]any // composed; hold secrets, to be shown through a mask only
	Hooks           []Object
	Notes           string
}

// Origin is where a thing was written.
type Origin struct {
	Source object.Key // whose tree the file stands in; zero where unknown
	File   string     // relative to the root of that tree
	Line   int        // from 1; 0 where only the file is known
	// Chain is how it came to be as it is, from the first file to the last that
	// touched it.
	Chain []Link
}

// Link is one step on the way of an object or a field.
type Link struct {
	// Kind is base, patch, component, generator, transformer, substitution,
	// values, chart, or spec (of the unit).
	Kind string `json:"kind"`
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	// Note says more, for people: «replicas: web», «${replicas} from ConfigMap/vars».
	Note string `json:"note,omitempty"`
}

// At is file:line, or what of it is known.
func (o Origin) At() string {
	if o.Line == 0 {
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// Placeholder is an input from outside Git that was not given and made up.
type Placeholder struct {
	Object object.Ref
	Keys   []string // that were asked for, where known
	By     []object.Key
}

// Unit returns the unit of a key; nil where there is none.
func (r Rendered) Unit(key object.Key) *Unit {
	for i := range r.Units {
		if r.Units[i].Key == key {
			return &r.Units[i]
		}
	}
	return nil
}

// Shared tells whether two lists are one and the same, from memory: renderings share
// what did not change between them.
func Shared[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
