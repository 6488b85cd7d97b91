package plan

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Op is what a step does.
type Op string

// The operations.
const (
	Create    Op = "create"
	Update    Op = "update"
	Unchanged Op = "unchanged"
	// Skip leaves an object alone; Step.Why tells which mark asked for it.
	Skip Op = "skip"
	// Replace deletes an object and makes it anew, because a field is immutable.
	Replace Op = "replace"
	Delete  Op = "delete"
	// TakeOver takes the fields of other managers and changes nothing else.
	TakeOver Op = "takeover"
)

// Changes tells whether the operation writes to the world.
func (o Op) Changes() bool { return o != Unchanged && o != Skip && o != "" }

// Done returns the word that Flux writes in events and logs once the operation
// is done (Action in fluxcd/pkg/ssa v0.76 changeset.go).
func (o Op) Done() string {
	switch o {
	case Create, Replace:
		return "created"
	case Update, TakeOver:
		return "configured"
	case Delete:
		return "deleted"
	case Skip:
		return "skipped"
	case Unchanged:
		return "unchanged"
	}
	return "unknown"
}

// Step is one thing to do to one object. Printing it, in any form, never shows
// the values of a Secret.
type Step struct {
	Op  Op
	Ref object.Ref
	// Before and After are the object as it is and as it will be; nil where it
	// does not exist or is not known.
	Before, After *unstructured.Unstructured
	// Fields are the differences; none for Create and Delete.
	Fields []FieldChange
	// Why says what asked for the step, for people.
	Why string
	// If is the state the step was computed under.
	If world.Precondition
}

// String returns one line and a line per field, with «secret» for every secret.
func (s Step) String() string { return s.show(Mask{}) }

// GoString is String: no verb of fmt prints a secret.
func (s Step) GoString() string { return s.String() }

// MarshalJSON writes the step with «secret» for every secret. Use Plan for
// fingerprints that differ where the secrets do.
func (s Step) MarshalJSON() ([]byte, error) { return json.Marshal(s.form(Mask{})) }

func (s Step) show(mask Mask) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", s.Op, s.Ref.Key)
	if s.Why != "" {
		fmt.Fprintf(&b, " (%s)", mask.Text(s.Why, s.Before, s.After))
	}
	for _, change := range s.Fields {
		fmt.Fprintf(&b, "\n  %s", change)
	}
	return b.String()
}

// stepForm is the JSON of a step.
type stepForm struct {
	Op     Op             `json:"op"`
	Ref    refForm        `json:"ref"`
	Why    string         `json:"why,omitempty"`
	If     *ifForm        `json:"if,omitempty"`
	Fields []FieldChange  `json:"fields,omitempty"`
	Before map[string]any `json:"before,omitempty"`
	After  map[string]any `json:"after,omitempty"`
}

type refForm struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

type ifForm struct {
	UID             string `json:"uid,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

func (s Step) form(mask Mask) stepForm {
	f := stepForm{
		Op:     s.Op,
		Ref:    refForm{s.Ref.APIVersion(), s.Ref.Kind, s.Ref.Namespace, s.Ref.Name},
		Why:    mask.Text(s.Why, s.Before, s.After),
		Fields: s.Fields,
	}
	if s.If != (world.Precondition{}) {
		f.If = &ifForm{string(s.If.UID), s.If.ResourceVersion}
	}
	if s.Op.Changes() {
		f.Before, f.After = intent(mask.Object(s.Before)), intent(mask.Object(s.After))
	}
	return f
}

// intent returns what people and Git say about an object: without status and
// without what the API server keeps for itself.
func intent(obj *unstructured.Unstructured) map[string]any {
	if obj == nil {
		return nil
	}
	clean := make(map[string]any, len(obj.Object))
	for field, value := range obj.Object {
		switch field {
		case "status":
		case "metadata":
			clean[field] = intentMetadata(value)
		default:
			clean[field] = value
		}
	}
	return clean
}

func intentMetadata(v any) any {
	meta, ok := v.(map[string]any)
	if !ok {
		return v
	}
	clean := make(map[string]any, len(meta))
	for field, value := range meta {
		switch field {
		case "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink":
		default:
			clean[field] = value
		}
	}
	return clean
}
