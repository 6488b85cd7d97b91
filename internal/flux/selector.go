package flux

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/unit"
)

// StatusSelector is a --status-selector: a condition and what it is, or is not.
// The zero value matches everything.
type StatusSelector struct {
	Condition, Status string
	Not               bool
}

// ParseStatusSelector reads condition=status or condition!=status.
func ParseStatusSelector(s string) (StatusSelector, error) {
	if s == "" {
		return StatusSelector{}, nil
	}
	if condition, status, ok := strings.Cut(s, "!="); ok {
		return StatusSelector{condition, status, true}, nil
	}
	if condition, status, ok := strings.Cut(s, "="); ok {
		return StatusSelector{condition, status, false}, nil
	}
	return StatusSelector{}, fmt.Errorf("expected status selector in type=status or type!=status format, but found: %s", s)
}

// Matches tells whether an object is selected. A condition that is not there has
// no status: only != selects the object.
func (s StatusSelector) Matches(k Kind, obj *unstructured.Unstructured) bool {
	if s == (StatusSelector{}) {
		return true
	}
	if k.always != "" {
		return (strings.EqualFold(s.Condition, "Ready") && strings.EqualFold(s.Status, "True")) != s.Not
	}
	is := false
	if status, err := unit.StatusOf(obj); err == nil {
		for _, c := range status.Conditions {
			if strings.EqualFold(c.Type, s.Condition) {
				is = strings.EqualFold(string(c.Status), s.Status)
			}
		}
	}
	return is != s.Not
}
