// Package drift says what in a cluster differs from what Git wants, which field,
// and who wrote it since when.
//
//	u := drift.Unit{Key: key, Revision: "main@sha1:…", Objects: []drift.Object{…}}
//	r := drift.Make([]drift.Unit{u})
//	fmt.Print(r.Text(now))
//
// It is pure, and holds no secret: values come masked.
package drift

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// State says how an object differs.
type State string

// The states.
const (
	// Changed objects have fields that are not as Git wants them.
	Changed State = "changed"
	// Missing objects are wanted and do not exist.
	Missing State = "missing"
	// Extra objects were applied before and are not wanted any more.
	Extra State = "extra"
	// Refused objects could not be compared: the API says no to what Git wants.
	Refused State = "refused"
)

// Field is one field that differs.
type Field struct {
	Path string     `json:"path"` // JSON pointer
	Live plan.Value `json:"live"` // null where there is none
	Git  plan.Value `json:"git"`
	// Writer is who wrote what is there; nil where nothing is, or nobody owns it.
	Writer *plan.Writer `json:"writer,omitempty"`
}

// Object is one object that differs.
type Object struct {
	Ref    object.Ref `json:"-"`
	State  State      `json:"state"`
	Fields []Field    `json:"fields,omitempty"`
	Why    string     `json:"why,omitempty"`
}

// Unit is one unit and what differs of it.
type Unit struct {
	Key      object.Key `json:"-"`
	Revision string     `json:"revision,omitempty"`
	// Compared counts the objects that were looked at.
	Compared int      `json:"compared"`
	Objects  []Object `json:"objects,omitempty"`
	// Error says why the unit could not be compared.
	Error string `json:"error,omitempty"`
	// Suspended units do not correct what differs.
	Suspended bool `json:"suspended,omitempty"`
}

// Report is a whole cluster.
type Report struct {
	Units []Unit
}

// Make returns the report on units, ordered by kind, namespace and name.
func Make(units []Unit) Report {
	slices.SortFunc(units, func(a, b Unit) int { return object.Compare(a.Key, b.Key) })
	return Report{units}
}

// Drifted counts the units and the objects that differ.
func (r Report) Drifted() (units, objects int) {
	for _, u := range r.Units {
		if len(u.Objects) > 0 {
			units++
		}
		objects += len(u.Objects)
	}
	return units, objects
}

// Failed counts the units that could not be compared.
func (r Report) Failed() (n int) {
	for _, u := range r.Units {
		if u.Error != "" {
			n++
		}
	}
	return n
}

// Of returns what a step that was not taken says of an object, as live is now;
// false where nothing differs.
func Of(step plan.Step, live *unstructured.Unstructured) (Object, bool) {
	o := Object{Ref: step.Ref, State: Changed, Why: step.Why}
	switch {
	case step.Op == plan.Create:
		o.State = Missing
	case step.Op == plan.Replace, len(step.Fields) > 0:
		o.Fields = FieldsOf(step.Fields, live)
	default:
		return Object{}, false
	}
	return o, true
}

// FieldsOf says who wrote the fields of a live object that differ.
func FieldsOf(changes []plan.FieldChange, live *unstructured.Unstructured) []Field {
	var out []Field
	for _, f := range changes {
		one := Field{Path: f.Path, Live: f.Before, Git: f.After}
		if w, ok := plan.WriterOf(live, f.Path); ok && f.Before != "" {
			one.Writer = &w
		}
		out = append(out, one)
	}
	return out
}

// Hide leaves nothing of secrets in the fields of an object that is no Secret
// itself: where either value has one, both are replaced. A mask with a key keeps
// different values apart.
func (o *Object) Hide(mask plan.Mask, secrets []string) {
	o.Why = mask.Values(o.Why, secrets...)
	for i := range o.Fields {
		f := &o.Fields[i]
		live, git := string(f.Live), string(f.Git)
		if mask.Values(live, secrets...) != live || mask.Values(git, secrets...) != git {
			f.Live, f.Git = fingerprint(mask, f.Live), fingerprint(mask, f.Git)
		}
	}
}

func fingerprint(mask plan.Mask, v plan.Value) plan.Value {
	if v == "" {
		return v
	}
	return plan.ValueOf(mask.Fingerprint([]byte(v)))
}
