package report

import (
	"slices"
	"strings"
)

// Warning is something that a person should know of a unit and that does not
// keep it from being ready.
type Warning struct {
	Reason string `json:"reason"`
	// Message is the same on every unit that the cause concerns.
	Message string `json:"message"`
	Object  string `json:"object,omitempty"` // Kind/namespace/name, where it is about one
	At      string `json:"at,omitempty"`     // file:line, where known
	// Cause is what warnings with different messages have in common, where they do.
	Cause string `json:"cause,omitempty"`
	// Note is a quiet one: as somebody may have meant it.
	Note bool `json:"note,omitempty"`
}

// String is the warning in a line: "apps/web.yaml:12: the variable …".
func (w Warning) String() string {
	if w.At == "" {
		return w.Message
	}
	return w.At + ": " + w.Message
}

// Warn puts warnings into the report: all of them into the summary, and an event
// for each kind of those that were not told before. It returns the new ones and
// what has been told by now. Notes make no event.
func (r *Report) Warn(found []Warning, told map[string]bool) (fresh []Warning, now map[string]bool) {
	r.Summary.Warnings = found
	now = make(map[string]bool, len(found))
	lines := map[string][]string{}
	var reasons []string
	for _, w := range found {
		now[w.String()] = true
		if told[w.String()] {
			continue
		}
		fresh = append(fresh, w)
		if w.Note {
			continue
		}
		if lines[w.Reason] == nil {
			reasons = append(reasons, w.Reason)
		}
		lines[w.Reason] = append(lines[w.Reason], w.String())
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		r.Events = append(r.Events, Event{Warning: true, Reason: reason, Message: strings.Join(lines[reason], "\n")})
	}
	return fresh, now
}
