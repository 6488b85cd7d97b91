// Package finding says what of a change is dangerous, wrong, or worth a look.
// Every rule is a value in a list; docs, --fail-on and SARIF come from the list.
//
//	found := finding.Check(set, finding.Rules)
//	worst := finding.Worst(found)
package finding

import (
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

// Rule is one thing that is looked for.
type Rule struct {
	Name     string // kebab-case; stable, for --fail-on and suppression
	Doc      string // one or two sentences for people: what, why it matters, what to do
	Severity Severity
	Check    func(set change.Set) []Finding
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
}
