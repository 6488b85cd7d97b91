package present

import (
	"encoding/json"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// Version names the format of a Document. Fields are only ever added to it; one
// that goes or changes its meaning makes a new version. docs/schema holds its
// JSON Schema.
const Version = "leat.dev/plan/v1"

// Document is a plan as it is shown, and as JSON.
type Document struct {
	Version string `json:"apiVersion"`
	Tool    string `json:"tool,omitempty"`
	// Verdict is the plan in one line.
	Verdict string `json:"verdict"`
	// Changes tells whether anything changes at all.
	Changes  bool      `json:"changes"`
	Clusters []Cluster `json:"clusters"`
}

// Cluster is what happens to one cluster.
type Cluster struct {
	Path     string  `json:"path"`
	Base     string  `json:"base"` // revisions
	Head     string  `json:"head"`
	Fidelity string  `json:"fidelity"`
	Seconds  Seconds `json:"seconds"`
	Verdict  string  `json:"verdict"`
	// All counts the units of head, Units those that the change touches.
	All          int           `json:"unitsTotal"`
	Units        Counts        `json:"unitCounts"`
	Objects      Counts        `json:"objectCounts"`
	Severities   Severities    `json:"findingCounts"`
	Findings     []Finding     `json:"findings"`
	NeverReady   []Cause       `json:"neverReady"`
	Images       []Image       `json:"images"`
	Changes      []Unit        `json:"units"`
	Placeholders []Placeholder `json:"placeholders"`
	Notes        []string      `json:"notes,omitempty"`
}

// Seconds is how long both sides were rendered.
type Seconds struct {
	Base float64 `json:"base"`
	Head float64 `json:"head"`
}

// Counts counts by operation.
type Counts struct {
	Create  int `json:"create"`
	Change  int `json:"change"`
	Replace int `json:"replace"`
	Refuse  int `json:"refuse"`
	Move    int `json:"move"`
	Orphan  int `json:"orphan"`
	Delete  int `json:"delete"`
	Unknown int `json:"unknown"`
	Same    int `json:"same"`
}

// Severities counts findings; those that base has too are counted apart.
type Severities struct {
	Danger  int `json:"danger"`
	Warning int `json:"warning"`
	Info    int `json:"info"`
	Old     int `json:"old"`
	Allowed int `json:"allowed"`
}

// Ref names an object or a unit.
type Ref struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	// KubeConfig names what leads to the other cluster that an object is in, or that a
	// unit works in: Secret/flux-system/edge, Secret/flux-system/clusters/KEY.
	KubeConfig string `json:"kubeConfig,omitempty"`
}

// String is Kind/namespace/name, and in which other cluster.
func (r Ref) String() string {
	if r == (Ref{}) {
		return ""
	}
	return object.Key{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Cluster: r.KubeConfig}.String()
}

// here is the same as seen from inside its cluster.
func (r Ref) here() Ref {
	r.KubeConfig = ""
	return r
}

// Finding is one thing found.
type Finding struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"` // danger, warning or info
	Unit     Ref    `json:"unit,omitzero"`
	Object   Ref    `json:"object,omitzero"`
	Field    string `json:"field,omitempty"`     // JSON pointer
	Name     string `json:"fieldName,omitempty"` // for people: spec.replicas
	Message  string `json:"message"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	// Old findings stand at base as well.
	Old bool `json:"old,omitempty"`
	// Allowed findings are meant, the fleet says; they count for nothing.
	Allowed bool `json:"allowed,omitempty"`
	// AllowedBy says who says so: the annotation leat.dev/allow, or file:line of a
	// file of allowed findings and the reason.
	AllowedBy string `json:"allowedBy,omitempty"`
}

// Cause is why units would never become ready.
type Cause struct {
	// Unit is Kind/namespace/name of a unit, or of a thing that is missing.
	Unit    string `json:"unit"`
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message"`
	// On is what it waits on, Blocking the units that wait for it.
	On       []string `json:"waitingOn,omitempty"`
	Blocking []string `json:"blocking,omitempty"`
	// Missing tells that Unit is no unit of the fleet.
	Missing bool `json:"missing,omitempty"`
	// Old causes stand at base as well, and keep nobody more than there.
	Old bool `json:"old,omitempty"`
	Origin
}

// Image is a container image that changes.
type Image struct {
	Name string `json:"name"` // without tag and digest
	// Before and After are tags and digests; one is empty for an image that
	// comes or goes.
	Before    []string `json:"before"`
	After     []string `json:"after"`
	Workloads []Ref    `json:"workloads"`
}

// Unit is what happens to one unit.
type Unit struct {
	Ref
	Op       change.Op `json:"op"`
	Why      string    `json:"why,omitempty"` // it is orphaned, or nothing is known of it
	Parent   Ref       `json:"parent,omitzero"`
	Spec     []Field   `json:"spec,omitempty"` // of its own manifest
	Before   *Standing `json:"before,omitempty"`
	After    *Standing `json:"after,omitempty"`
	Objects  []Object  `json:"objects,omitempty"`
	Release  *Release  `json:"release,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	Origin
}

// String is Kind/namespace/name: the unit itself is an object of the fleet's own cluster.
func (u Unit) String() string { return u.here().String() }

// String is Kind/namespace/name: in which cluster, its unit tells.
func (o Object) String() string { return o.here().String() }

// Standing is how a unit stands at one side.
type Standing struct {
	State    string   `json:"state"`
	Reason   string   `json:"reason,omitempty"`
	Message  string   `json:"message,omitempty"`
	On       []string `json:"waitingOn,omitempty"`
	Revision string   `json:"revision,omitempty"`
}

// Object is what happens to one object.
type Object struct {
	Ref
	Op     change.Op `json:"op"`
	Why    string    `json:"why,omitempty"`
	Fields []Field   `json:"fields,omitempty"`
	// Manifest is the object that is created or goes, masked.
	Manifest json.RawMessage `json:"manifest,omitempty"`
	Origin
}

// Field is one field that differs. A side that does not have it is left out.
type Field struct {
	Path   string          `json:"path"`  // JSON pointer
	Name   string          `json:"field"` // for people: spec.containers[web].image
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	Origin
}

// Release is what happens to a Helm release.
type Release struct {
	Name   string    `json:"name"` // namespace/name
	Op     change.Op `json:"op"`
	Before Chart     `json:"before,omitzero"`
	After  Chart     `json:"after,omitzero"`
	Values []Field   `json:"values,omitempty"` // composed ones
}

// Chart is the chart of a release.
type Chart struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Placeholder is an input that was not given and made up.
type Placeholder struct {
	Ref
	Keys []string `json:"keys,omitempty"`
	By   []Ref    `json:"by,omitempty"` // units that asked for it
}

// Origin is where a thing was written; zero where that is not known.
type Origin struct {
	Source string       `json:"source,omitempty"` // Kind/namespace/name, where it is not the entry's
	File   string       `json:"file,omitempty"`
	Line   int          `json:"line,omitempty"`
	Chain  []fleet.Link `json:"chain,omitempty"` // from the first file to the last
}
