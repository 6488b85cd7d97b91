// Package finding says what of a change is dangerous, wrong, or worth a look.
// Every rule is a value in a list; docs, --fail-on and SARIF come from the list.
//
//	found := finding.Check(set, finding.Rules)
//	worst, any := finding.Worst(found)
//	failOn, err := finding.ParseFailOn("danger,plain-secret")
//	if len(failOn.Of(found)) > 0 { … }
//
// A finding that is meant is allowed by an annotation, which is seen in review
// as well: `leat.dev/allow: host-path, privileged` on the object, or on its unit
// for what is no danger; or by an Allowance, with a reason and a last day. It is
// shown as allowed and counted, never left out.
//
// The package is pure. No finding holds a secret: messages name objects, fields
// and what is no secret of them.
package finding

import (
	"fmt"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/object"
)

// Severity orders findings.
type Severity int

// The severities.
const (
	Info Severity = iota
	Warning
	Danger
)

var severities = []string{Info: "info", Warning: "warning", Danger: "danger"}

// String is info, warning or danger.
func (s Severity) String() string {
	if s < Info || s > Danger {
		return fmt.Sprintf("severity %d", int(s))
	}
	return severities[s]
}

// MarshalText writes what String returns.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severities {
		if name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("read severity %q: want info, warning or danger", text)
}

// Rule is one thing that is looked for.
type Rule struct {
	Name     string // kebab-case; stable, for --fail-on and suppression
	Doc      string // one or two sentences for people: what, why it matters, what to do
	Severity Severity
	// Practice is the number of the practice of GitOps that the rule watches over;
	// 0 for none. See Practices.
	Practice int
	// Check returns what the rule finds. Its name, and its severity where the
	// finding has no higher or lower one, are filled in. It may be nil where each
	// says all.
	Check func(set change.Set) []Finding

	// each is a check of one object as it is. All rules look at an object in one
	// pass over the fleet.
	each func(i *item) []Finding
}

// Finding is one thing found. It holds no secret.
type Finding struct {
	Rule     string     `json:"rule"`
	Severity Severity   `json:"severity"`
	Unit     object.Key `json:"unit"`
	Object   object.Ref `json:"object,omitzero"`
	Field    string     `json:"field,omitempty"` // JSON pointer
	Message  string     `json:"message"`
	At       string     `json:"at,omitempty"` // file:line
	// Old findings stand at base as well; the change did not bring them.
	Old bool `json:"old,omitempty"`
	// Allowed findings are meant. AllowedBy says who says so: the annotation, or
	// file:line of a file of allowances with the reason.
	Allowed   bool   `json:"allowed,omitempty"`
	AllowedBy string `json:"allowedBy,omitempty"`

	grade *Severity // where it is not that of the rule
	whole bool      // At is where the object begins, not the field
}

// as returns the finding with another severity than the rule's.
func (f Finding) as(s Severity) Finding {
	f.grade = &s
	return f
}

// subject is what a finding is about: an object, else a unit, else the fleet.
func (f Finding) subject() object.Key {
	if f.Object.IsZero() {
		return f.Unit
	}
	return f.Object.Key
}

// String is the finding in a line.
func (f Finding) String() string {
	text := f.Severity.String() + " " + f.Rule
	if at := f.subject(); !at.IsZero() {
		text += " " + at.String()
	}
	if f.Field != "" {
		text += " " + f.Field
	}
	if f.At != "" {
		text += " (" + f.At + ")"
	}
	return text + ": " + f.Message
}
