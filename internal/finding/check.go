package finding

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// Allow is the annotation that allows findings: names of rules, with commas. On
// an object it allows those about the object; on a unit those about all that the
// unit makes, but no danger.
const Allow = "leat.dev/allow"

// Check returns what rules find in a change: what it brings first, the most
// dangerous first, then in the order of delivery.
func Check(set change.Set, rules []Rule) []Finding {
	p := newPlaces(set)
	rank := make(map[string]int, len(rules))
	var out []Finding
	objects := eachObject(set, rules)
	for i, rule := range rules {
		rank[rule.Name] = i
		all := objects[i]
		if rule.Check != nil {
			all = append(all, rule.Check(set)...)
		}
		for _, f := range all {
			f.Rule, f.Severity = rule.Name, rule.Severity
			if f.grade != nil {
				f.Severity = *f.grade
			}
			f.grade = nil
			f.At, f.whole = p.at(f)
			f.Message = set.Text(f.Unit, f.Message)
			if f.Allowed = p.allows(f); f.Allowed {
				f.AllowedBy = Allow
			}
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(
			quiet(a)-quiet(b), int(b.Severity-a.Severity), rank[a.Rule]-rank[b.Rule], p.order[a.Unit]-p.order[b.Unit],
			object.Compare(a.subject(), b.subject()), strings.Compare(a.Field, b.Field), strings.Compare(a.Message, b.Message),
		)
	})
	return slices.CompactFunc(out, same)
}

func same(a, b Finding) bool { return a == b }

// quiet ranks what the change did not bring, and what is meant, last.
func quiet(f Finding) int {
	switch {
	case f.Allowed:
		return 2
	case f.Old:
		return 1
	}
	return 0
}

// Counts tells whether a finding counts: the change brings it, and nobody meant it.
func (f Finding) Counts() bool { return quiet(f) == 0 }

// Worst returns the highest severity of the findings that count; false where
// there are none.
func Worst(found []Finding) (Severity, bool) {
	worst, some := Info, false
	for _, f := range found {
		if f.Counts() {
			worst, some = max(worst, f.Severity), true
		}
	}
	return worst, some
}

// AtLeast returns the findings that count and are of a severity or above.
func AtLeast(found []Finding, s Severity) []Finding {
	var out []Finding
	for _, f := range found {
		if f.Counts() && f.Severity >= s {
			out = append(out, f)
		}
	}
	return out
}

// Allowed counts the findings that are meant.
func Allowed(found []Finding) int {
	n := 0
	for _, f := range found {
		if f.Allowed {
			n++
		}
	}
	return n
}

// places knows where things of a change were written, and what they allow.
type places struct {
	set           change.Set
	order         map[object.Key]int
	touched       map[object.Key]*change.Unit
	before, after map[object.Key]*fleet.Unit
}

func newPlaces(set change.Set) places {
	p := places{
		set: set, order: map[object.Key]int{}, touched: map[object.Key]*change.Unit{},
		before: byKey(set.Before), after: byKey(set.After),
	}
	for i := range set.Units {
		p.order[set.Units[i].Key] = set.Units[i].Order
		p.touched[set.Units[i].Key] = &set.Units[i]
	}
	for key, u := range p.after {
		p.order[key] = u.Order
	}
	return p
}

func byKey(r fleet.Rendered) map[object.Key]*fleet.Unit {
	out := make(map[object.Key]*fleet.Unit, len(r.Units))
	for i := range r.Units {
		out[r.Units[i].Key] = &r.Units[i]
	}
	return out
}

// at is where a finding was written: its field, as far as the change knows that;
// else what the rule says; else the object or the unit, as a whole.
func (p places) at(f Finding) (at string, whole bool) {
	var fields []change.Field
	var origin fleet.Origin
	if u := p.touched[f.Unit]; u != nil {
		fields, origin = u.Spec, u.Origin
		if !f.Object.IsZero() {
			fields, origin = nil, fleet.Origin{}
			i := slices.IndexFunc(u.Objects, func(o change.Object) bool { return o.Ref.Key == f.Object.Key })
			if i >= 0 {
				fields, origin = u.Objects[i].Fields, u.Objects[i].Origin
			}
		}
	} else if u := p.after[f.Unit]; u != nil && f.Object.IsZero() {
		origin = u.Origin
	}
	for _, field := range fields {
		if field.Origin != nil && touch(field.Path, f.Field) {
			return cmp.Or(field.Origin.At(), f.At, origin.At()), false
		}
	}
	return cmp.Or(f.At, origin.At()), f.At == "" || f.At == origin.At()
}

// touch tells whether one of two fields is the other, or inside it.
func touch(a, b string) bool {
	return b != "" && (a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/"))
}

// allows tells whether an annotation allows a finding: as head has it, or base
// where head has the thing no more.
func (p places) allows(f Finding) bool {
	u := cmp.Or(p.after[f.Unit], p.before[f.Unit])
	if u != nil && (f.Object.IsZero() || f.Severity < Danger) && allowed(u.Object, f.Rule) {
		return true
	}
	if f.Object.IsZero() {
		return false
	}
	for _, u := range []*fleet.Unit{p.after[f.Unit], p.before[f.Unit]} {
		for o := range made(u) {
			if o.Ref.Key == f.Object.Key {
				return allowed(o.Value, f.Rule)
			}
		}
	}
	return false
}

func allowed(u *unstructured.Unstructured, rule string) bool {
	if u == nil {
		return false
	}
	for name := range strings.SplitSeq(u.GetAnnotations()[Allow], ",") {
		if strings.TrimSpace(name) == rule {
			return true
		}
	}
	return false
}

// Locate gives the findings that have no line, and those about a field that have
// that of their object, the place that where knows for their unit, object (zero for
// none) and field: file:line, or nothing.
func Locate(found []Finding, where func(unit, obj object.Key, field string) string) {
	for i := range found {
		f := &found[i]
		within := f.whole && f.Field != "" // the object's own document
		if f.Unit.IsZero() || lined(f.At) && !within {
			continue
		}
		at := where(f.Unit, f.Object.Key, f.Field)
		if at != "" && (!lined(f.At) || fileOf(at) == fileOf(f.At)) {
			f.At = at
		}
	}
}

func fileOf(at string) string {
	file, _, _ := strings.Cut(at, ":")
	return file
}

// lined tells whether a place has a line, or is a file of another repository, of
// which no line is known.
func lined(at string) bool {
	_, line, _ := strings.Cut(at, ":")
	return line != "" || strings.Contains(at, "//")
}
