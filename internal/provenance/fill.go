package provenance

import (
	"context"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// The bounds of one Fill, per side.
const (
	maxBuilds = 400
	maxFields = 5000
)

// Sides are both sides of a change.
type Sides struct {
	Base, Head Fleet
	// Builds bounds the builds for each side; zero stands for the default.
	Builds int
}

// Fill tells of each unit, object and field of a change where it was written:
// at head, or at base where head does not have it. What was not found, or not
// any more within the bounds, has no origin. It ends early, with the error of
// the context, when that ends; what was found until then stays.
func Fill(ctx context.Context, set *change.Set, sides Sides) error {
	f := newFilling(sides)
	for i := range set.Units {
		if err := f.unit(ctx, &set.Units[i]); err != nil {
			return err
		}
	}
	return f.flaws(ctx, set)
}

// flaws says where what a schema says no to at head was written: the field, or
// the object where the build does not have the field. What it says at base as
// well is old and not looked for.
func (f *filling) flaws(ctx context.Context, set *change.Set) error {
	old := map[change.Flaw]bool{}
	for _, flaw := range set.Flaws[0] {
		flaw.At = ""
		old[flaw] = true
	}
	var fresh []*change.Flaw
	byUnit := map[object.Key][]question{}
	for i := range set.Flaws[1] {
		flaw := &set.Flaws[1][i]
		if f.fields++; f.fields <= maxFields && flaw.At == "" && !old[*flaw] {
			fresh = append(fresh, flaw)
			byUnit[flaw.Unit] = append(byUnit[flaw.Unit], question{flaw.Object.Key, flaw.Field})
		}
	}
	for _, flaw := range fresh {
		found, err := f.head.fields(ctx, flaw.Unit, byUnit[flaw.Unit], 0)
		if err != nil {
			return err
		}
		if at := found[question{flaw.Object.Key, flaw.Field}].origin.At(); at != "" {
			flaw.At = at
			continue
		}
		flaw.At = f.head.manifest(ctx, flaw.Unit, flaw.Object.Key).At()
	}
	return nil
}

// Target names one field of an object that a unit made.
type Target struct {
	Unit, Object object.Key
	Pointer      string // JSON pointer: /spec/replicas
}

// Field answers for one field. The answer is nil where it is not known.
func Field(ctx context.Context, side Fleet, of Target) (*fleet.Origin, error) {
	f := newFinder(side, nil, &work{builds: maxBuilds})
	found, err := f.field(ctx, of.Unit, question{of.Object, of.Pointer}, 0)
	return found.known(), err
}

func (l located) known() *fleet.Origin {
	if l.origin.File == "" && len(l.origin.Chain) == 0 {
		return nil
	}
	return &l.origin
}

// filling is one Fill.
type filling struct {
	base, head *finder
	fields     int
}

func newFilling(sides Sides) *filling {
	if sides.Builds == 0 {
		sides.Builds = maxBuilds
	}
	return &filling{
		base: newFinder(sides.Base, sides.Head, &work{builds: sides.Builds}),
		head: newFinder(sides.Head, sides.Base, &work{builds: sides.Builds}),
	}
}

func (f *filling) unit(ctx context.Context, u *change.Unit) error {
	of := f.side(u.Op)
	if parent, ok := of.parent(u.Key); ok {
		u.Origin = of.manifest(ctx, parent, u.Key)
		if err := f.answer(ctx, parent, asksOf(u.Key, u.Spec)); err != nil {
			return err
		}
	}
	var asks []ask
	for i := range u.Objects {
		o := &u.Objects[i]
		o.Origin = f.side(o.Op).manifest(ctx, u.Key, o.Ref.Key)
		asks = append(asks, asksOf(o.Ref.Key, o.Fields)...)
	}
	if err := f.values(ctx, u); err != nil {
		return err
	}
	return f.answer(ctx, u.Key, asks)
}

// values fills those of the composed values of a release that differ.
func (f *filling) values(ctx context.Context, u *change.Unit) error {
	if u.Release == nil {
		return nil
	}
	for i := range u.Release.Values {
		field := &u.Release.Values[i]
		path, err := plan.ParsePointer(field.Path)
		if f.fields++; err != nil || f.fields > maxFields {
			continue
		}
		def, _, err := f.of(field).valueDefinition(ctx, u.Key, path, 0)
		if err != nil {
			return err
		}
		field.Origin = def.known()
	}
	return nil
}

// side is the one that has an object under an operation.
func (f *filling) side(op change.Op) *finder {
	if op == change.Delete || op == change.Orphan {
		return f.base
	}
	return f.head
}

// ask is a question with the place of its answer.
type ask struct {
	question
	field *change.Field
}

func asksOf(key object.Key, fields []change.Field) []ask {
	out := make([]ask, len(fields))
	for i := range fields {
		out[i] = ask{question{key, fields[i].Path}, &fields[i]}
	}
	return out
}

// answer fills the fields of what one unit made: those that head does not have
// are looked for at base.
func (f *filling) answer(ctx context.Context, unit object.Key, asks []ask) error {
	bySide := map[*finder][]question{}
	for _, a := range asks {
		if f.fields++; f.fields > maxFields {
			break
		}
		bySide[f.of(a.field)] = append(bySide[f.of(a.field)], a.question)
	}
	for _, side := range []*finder{f.head, f.base} {
		if len(bySide[side]) == 0 {
			continue
		}
		found, err := side.fields(ctx, unit, bySide[side], 0)
		if err != nil {
			return err
		}
		for _, a := range asks {
			if f.of(a.field) == side {
				a.field.Origin = found[a.question].known()
			}
		}
	}
	return nil
}

// of is the side that has a field.
func (f *filling) of(field *change.Field) *finder {
	if field.After == "" {
		return f.base
	}
	return f.head
}

// manifest says where an object that a unit made was written as a whole.
func (f *finder) manifest(ctx context.Context, unit, key object.Key) fleet.Origin {
	if s := f.site(unit); s != nil {
		i, ok := s.find(key)
		if !ok {
			return fleet.Origin{}
		}
		o := s.manifest(ctx, i, f.work)
		o.Source = f.source(unit)
		return o
	}
	if f.side.Chart(unit) == nil {
		return fleet.Origin{}
	}
	r, err := f.release(ctx, unit)
	if err != nil || r == nil {
		return fleet.Origin{}
	}
	file := r.templates[key.In("")]
	if file == "" {
		return fleet.Origin{}
	}
	return fleet.Origin{File: file, Chain: []fleet.Link{{Kind: "chart", File: file}}}
}
