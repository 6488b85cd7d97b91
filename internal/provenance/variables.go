package provenance

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// variables tells which variables each answer depends on, in the order of the
// text; one build marks them all.
func (f *finder) variables(ctx context.Context, s *site, answers []*asked) (map[*asked][]string, error) {
	uses := map[*asked][]string{}
	marked := map[string]string{}
	var edits []edit
	for _, a := range answers {
		if a.found == nil {
			continue
		}
		for _, m := range variableNames.FindAllStringSubmatch(a.found.value, -1) {
			name := m[1]
			value, known := s.build.Recipe.Substitute[name]
			if !known || slices.Contains(uses[a], name) {
				continue
			}
			uses[a] = append(uses[a], name)
			if marked[name] == "" {
				e, mark := f.work.marks.of(&leaf{in: place{field: variableAt(name)}, tag: "!!str", value: value, to: len(value)})
				edits, marked[name] = append(edits, e), mark
			}
		}
	}
	if len(edits) == 0 {
		return nil, nil
	}
	objects, err := f.work.build(ctx, s, edits)
	if err != nil || objects == nil {
		return nil, err
	}
	after := s.reader(objects)
	for a, names := range uses {
		now, ok := after.value(a)
		uses[a] = slices.DeleteFunc(names, func(name string) bool { return !ok || !shows(now, marked[name]) })
	}
	return uses, nil
}

func variableAt(name string) string { return plan.Pointer("spec", "postBuild", "substitute", name) }

// substitution is a variable in a text that was located.
type substitution struct {
	in   located
	leaf *leaf
	name string
}

// substituted goes on from the use of a variable to its definition. The
// definition is the origin where the text is nothing but the variable, or where
// its value is what differs between both sides.
func (f *finder) substituted(ctx context.Context, s *site, v substitution, hops int) (located, error) {
	def, note, err := f.definition(ctx, s.unit, v.name, hops)
	if err != nil {
		return located{}, err
	}
	at := v.in
	link := fleet.Link{Kind: "substitution", File: def.origin.File, Line: def.origin.Line, Note: "${" + v.name + "} " + note}
	at.origin.Chain = append(slices.Clip(at.origin.Chain), link)
	if def.origin.File == "" || !v.whole() && !f.differs(s, v.name) {
		return at, nil
	}
	at.origin.Source, at.origin.File, at.origin.Line, at.leaf = def.origin.Source, def.origin.File, def.origin.Line, def.leaf
	return at, nil
}

// whole tells whether the text is the variable alone.
func (v substitution) whole() bool {
	return variable.FindString(v.leaf.value) == strings.TrimSpace(v.leaf.value)
}

func (f *finder) differs(s *site, name string) bool {
	if f.other == nil {
		return false
	}
	other, ok := f.other.Build(s.unit)
	return ok && other.Recipe.Substitute[name] != s.build.Recipe.Substitute[name]
}

// definition finds where a unit's variable gets its value.
func (f *finder) definition(ctx context.Context, unit object.Key, name string, hops int) (located, string, error) {
	u := f.units[unit]
	if u == nil || u.Object == nil {
		return located{}, "", nil
	}
	if _, inline, _ := unstructured.NestedString(u.Object.Object, "spec", "postBuild", "substitute", name); inline {
		note := "of " + unit.String()
		parent, ok := f.parent(unit)
		if !ok {
			return located{}, note, nil
		}
		found, err := f.field(ctx, parent, question{unit, variableAt(name)}, hops+1)
		return found, note, err
	}
	refs, _, _ := unstructured.NestedSlice(u.Object.Object, "spec", "postBuild", "substituteFrom")
	for _, ref := range slices.Backward(refs) {
		r, _ := ref.(map[string]any)
		from := object.Key{Kind: scalar(r["kind"]), Namespace: unit.Namespace, Name: scalar(r["name"])}
		note := "from " + from.String()
		owner, o := f.made(from)
		if o == nil {
			if len(refs) == 1 {
				return located{}, note + ", outside the fleet", nil
			}
			continue
		}
		if _, has, _ := unstructured.NestedFieldNoCopy(o.Object, "data", name); !has {
			continue
		}
		found, err := f.field(ctx, owner, question{from, plan.Pointer("data", name)}, hops+1)
		return found, note, err
	}
	return located{}, "from outside the fleet", nil
}

// made finds an object that a unit of the fleet made.
func (f *finder) made(key object.Key) (object.Key, *unstructured.Unstructured) {
	owner, ok := f.owners[key]
	if !ok {
		return object.Key{}, nil
	}
	for _, o := range f.units[owner].Objects {
		if o.Ref.Key == key {
			return owner, o.Value
		}
	}
	return object.Key{}, nil
}
