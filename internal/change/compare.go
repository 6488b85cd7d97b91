package change

import (
	"cmp"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/unit"
)

// Compare returns what becomes of a fleet that was base and is head now.
func Compare(base, head fleet.Rendered, o Options) Set {
	c := newComparison(base, head, o)
	set := Set{
		Base: base.Revision, Head: head.Revision, Fidelity: head.Fidelity, All: len(head.Units),
		Placeholders: head.Placeholders, Before: base, After: head, secrets: c.secrets,
	}
	for _, h := range c.head.inOrder() {
		if u, touched := c.unit(c.base.units[h.Key], h); touched {
			set.Units = append(set.Units, u)
		}
	}
	for _, b := range slices.Backward(c.base.inOrder()) {
		if c.head.units[b.Key] == nil {
			set.Units = append(set.Units, c.gone(b))
		}
	}
	set.Causes = c.causes()
	return set
}

// comparison is the work on one pair of fleets.
type comparison struct {
	base, head side
	secrets    *secrets
	fates      map[object.Key]fate
	ends       map[holder]object.Key // nil until asked for
}

func newComparison(base, head fleet.Rendered, o Options) *comparison {
	c := &comparison{base: newSide(base), head: newSide(head), fates: map[object.Key]fate{}}
	c.secrets = newSecrets(c, o)
	return c
}

// side is one of the two fleets, with what finds things in it.
type side struct {
	fleet.Rendered
	units  map[object.Key]*fleet.Unit
	owners map[object.Key][]*fleet.Unit // of objects; made when first asked for
}

func newSide(r fleet.Rendered) side {
	s := side{Rendered: r, units: make(map[object.Key]*fleet.Unit, len(r.Units))}
	for i := range r.Units {
		s.units[r.Units[i].Key] = &r.Units[i]
	}
	return s
}

// inOrder returns the units in the order of delivery.
func (s *side) inOrder() []*fleet.Unit {
	out := make([]*fleet.Unit, 0, len(s.Units))
	for i := range s.Units {
		out = append(out, &s.Units[i])
	}
	slices.SortStableFunc(out, func(a, b *fleet.Unit) int {
		return cmp.Or(a.Order-b.Order, object.Compare(a.Key, b.Key))
	})
	return out
}

// ownersOf returns the units that make an object.
func (s *side) ownersOf(key object.Key) []*fleet.Unit {
	if s.owners == nil {
		s.owners = make(map[object.Key][]*fleet.Unit)
		for i := range s.Units {
			for _, o := range s.Units[i].Objects {
				s.owners[o.Ref.Key] = append(s.owners[o.Ref.Key], &s.Units[i])
			}
		}
	}
	return s.owners[key]
}

// unit compares a unit of head with what it was; b is nil for a new one. The
// second result is false where nothing of it changes.
func (c *comparison) unit(b, h *fleet.Unit) (Unit, bool) {
	u := Unit{Key: h.Key, Parent: h.Parent, Cluster: h.Cluster, Op: Create, Order: h.Order, Origin: h.Origin, Warnings: h.Warnings}
	touched := true
	if b == nil {
		b = &fleet.Unit{Key: h.Key}
		u.Objects, u.Release = c.objects(b, h), c.release(b, h)
		if h.State == fleet.NotRendered {
			u.Op, u.Why = Unknown, unrendered(h, "it could not be rendered")
		}
	} else if touched = c.compare(&u, b, h); touched {
		u.Before = c.standing(b)
	}
	if touched {
		u.After, u.Warnings = c.standing(h), c.warnings(h, u.Warnings)
	}
	return u, touched
}

// unrendered says why nothing is known of a unit, where there is more to say.
func unrendered(u *fleet.Unit, otherwise string) string {
	if unit.Elsewhere(u.Object) != "" {
		return u.Message
	}
	return otherwise
}

// compare fills in what differs of a unit that is there on both sides, and tells
// whether anything does.
func (c *comparison) compare(u *Unit, b, h *fleet.Unit) bool {
	u.Op, u.Warnings = Change, newWarnings(b.Warnings, h.Warnings)
	if !sameObject(b.Object, h.Object) {
		u.Spec = fieldsOf(pair{b.Object, h.Object, c.secrets.mask(h.Key)})
	}
	switch {
	case b.State == fleet.NotRendered && h.State == fleet.NotRendered:
		u.Op, u.Why = Unknown, unrendered(h, "")
		return len(u.Spec) > 0
	case h.State == fleet.NotRendered:
		u.Op, u.Why = Unknown, unrendered(h, "it could not be rendered at head")
		return true
	case b.State == fleet.NotRendered:
		u.Op, u.Why = Unknown, "it could not be rendered at base"
		return true
	}
	u.Objects, u.Release = c.objects(b, h), c.release(b, h)
	if _, known := unwanted(h, nil); !known && h.State != fleet.Suspended && Applied(b) && len(b.Objects) > 0 {
		u.Why = "it is not applied at head, and what it would prune is not known"
	}
	if len(u.Spec)+len(u.Objects) == 0 && u.Release == nil {
		u.Op = Same
	}
	return u.Op != Same || len(u.Warnings) > 0 || !c.standsAlike(b, h)
}

// gone is a unit that head does not have.
func (c *comparison) gone(b *fleet.Unit) Unit {
	f := c.fate(b)
	u := Unit{Key: b.Key, Parent: b.Parent, Cluster: b.Cluster, Op: f.op, Why: f.why, Before: c.standing(b), Order: b.Order, Origin: b.Origin}
	if f.op == Delete {
		u.Objects, u.Release = c.leftovers(b), c.release(b, nil)
	}
	return u
}

func (c *comparison) standing(u *fleet.Unit) Standing {
	return Standing{
		State: u.State, Reason: u.Reason, Message: c.secrets.mask(u.Key).Text(u.Message),
		On: u.On, Missing: u.Missing, Revision: u.Revision,
	}
}

// standsAlike tells whether a unit stands as it did. What it says counts while it
// is not ready, and revisions do not.
func (c *comparison) standsAlike(b, h *fleet.Unit) bool {
	if b.State != h.State || b.State == fleet.Ready || b.State == fleet.Suspended {
		return b.State == h.State
	}
	return b.Reason == h.Reason && b.Missing == h.Missing && slices.Equal(b.On, h.On) &&
		unrevised(b, c.base.Revision) == unrevised(h, c.head.Revision)
}

// unrevised is the message of a unit without revisions.
func unrevised(u *fleet.Unit, revision string) string {
	text := u.Message
	for _, r := range []string{u.Revision, revision} {
		if r != "" {
			text = strings.ReplaceAll(text, r, "…")
		}
	}
	return text
}

// newWarnings returns those that were not there before; a line that only moved
// makes none.
func newWarnings(before, after []report.Warning) []report.Warning {
	type mark struct{ reason, message, object string }
	had := map[mark]bool{}
	for _, w := range before {
		had[mark{w.Reason, w.Message, w.Object}] = true
	}
	var out []report.Warning
	for _, w := range after {
		if !had[mark{w.Reason, w.Message, w.Object}] {
			out = append(out, w)
		}
	}
	return out
}

// warnings are those of a unit as they may be shown.
func (c *comparison) warnings(h *fleet.Unit, all []report.Warning) []report.Warning {
	out := slices.Clone(all)
	for i := range out {
		mask := c.secrets.mask(h.Key)
		out[i].Message, out[i].Cause = mask.Text(out[i].Message), mask.Text(out[i].Cause)
	}
	return out
}

// causes returns the root causes of head, those that the change brings first.
func (c *comparison) causes() []Cause {
	before := map[string][]string{}
	for _, old := range screen.OfFleet(c.base.Rendered).Causes() {
		before[old.Unit] = append(append([]string{old.Unit}, old.Units...), old.Blocking...)
	}
	found := screen.OfFleet(c.head.Rendered).Causes()
	if len(found) == 0 {
		return nil
	}
	keys := make(map[string]object.Key, len(c.head.units))
	for key := range c.head.units {
		keys[key.String()] = key
	}
	var out []Cause
	for _, cause := range found {
		was, old := before[cause.Unit]
		more := slices.ContainsFunc(slices.Concat(cause.Units, cause.Blocking), func(unit string) bool { return !slices.Contains(was, unit) })
		cause.Message = c.secrets.mask(keys[cause.Unit]).Text(cause.Message)
		out = append(out, Cause{cause, old && !more})
	}
	slices.SortStableFunc(out, func(a, b Cause) int { return age(a) - age(b) })
	return out
}

func age(c Cause) int {
	if c.Old {
		return 1
	}
	return 0
}
