package provenance

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// release is the chart of one HelmRelease, rendered as the fleet has it.
type release struct {
	*site
	templates map[object.Key]string
}

// release returns the rendered chart of a unit; nil where it does not render.
func (f *finder) release(ctx context.Context, unit object.Key) (*release, error) {
	if r, ok := f.releases[unit]; ok {
		return r, nil
	}
	f.releases[unit] = nil
	u, chart := f.units[unit], f.side.Chart(unit)
	if u == nil || u.Release == nil || f.work.builds <= 0 {
		return nil, nil
	}
	f.work.builds--
	rendered, err := chart.Render(ctx, u.Release.Values)
	if err != nil {
		return nil, ctx.Err()
	}
	s := &site{unit: unit, objects: map[object.Key]map[string]any{}, leaves: valueLeaves(u.Release.Values, nil)}
	s.render = func(ctx context.Context, edits []edit) ([]build.Object, error) {
		out, err := chart.Render(ctx, changedValues(u.Release.Values, edits))
		return encoded(out), err
	}
	s.build.Outcome.Result.Objects = encoded(rendered)
	r := &release{s, map[object.Key]string{}}
	for _, o := range rendered {
		r.templates[object.KeyOf(o.Object)] = o.Template
	}
	f.releases[unit] = r
	return r, nil
}

func encoded(objects []Templated) []build.Object {
	out := make([]build.Object, 0, len(objects))
	for _, o := range objects {
		if text, err := o.Object.MarshalJSON(); err == nil {
			out = append(out, build.Object{Ref: object.RefOf(o.Object), JSON: text})
		}
	}
	return out
}

// valueLeaves are the scalars of values, each at its pointer.
func valueLeaves(v any, at []string) []*leaf {
	var out []*leaf
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, valueLeaves(v[key], append(slices.Clip(at), key))...)
		}
	case []any:
		for i, item := range v {
			out = append(out, valueLeaves(item, append(slices.Clip(at), index(i)))...)
		}
	default:
		l := &leaf{in: place{field: plan.Pointer(at...)}, path: at, value: asText(v), tag: "!!str", kind: "values"}
		if _, text := v.(string); !text {
			l.tag = "!!int"
		}
		out = append(out, l)
	}
	return out
}

func asText(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case int:
		return strconv.Itoa(v)
	}
	return scalar(v)
}

// changedValues returns values with edits made.
func changedValues(values map[string]any, edits []edit) map[string]any {
	out := runtime.DeepCopyJSON(plainValues(values))
	for _, e := range edits {
		to := any(e.value + e.text)
		switch {
		case e.value == "true" || e.value == "false":
			to = e.value != "true"
		case e.tag == "!!int":
			n, err := strconv.ParseInt(e.text, 10, 64)
			if err != nil {
				continue
			}
			to = n
		}
		setAt(out, e.path, to)
	}
	return out
}

// plainValues brings numbers to the types that a deep copy knows.
func plainValues(values map[string]any) map[string]any {
	text, err := json.Marshal(values)
	if err != nil {
		return map[string]any{}
	}
	u := unstructured.Unstructured{}
	if u.UnmarshalJSON([]byte(`{"apiVersion":"v1","kind":"Values","v":`+string(text)+`}`)) != nil {
		return map[string]any{}
	}
	out, _ := u.Object["v"].(map[string]any)
	return out
}

func setAt(v any, path []string, to any) {
	for i, key := range path {
		last := i == len(path)-1
		switch node := v.(type) {
		case map[string]any:
			if last {
				node[key] = to
			}
			v = node[key]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(node) {
				return
			}
			if last {
				node[n] = to
			}
			v = node[n]
		}
	}
}

// charted answers from the chart of a HelmRelease.
func (f *finder) charted(ctx context.Context, unit object.Key, asks []question, hops int) error {
	r, err := f.release(ctx, unit)
	if err != nil || r == nil {
		return err
	}
	prepared := r.prepare(asks)
	if err := r.solve(ctx, prepared, f.work); err != nil {
		return err
	}
	for _, a := range prepared {
		template := r.templates[r.build.Outcome.Result.Objects[a.index].Ref.Key]
		at := located{origin: fleet.Origin{File: template, Chain: []fleet.Link{{Kind: "chart", File: template}}}}
		if a.found != nil {
			if at, err = f.fromValues(ctx, unit, located{at.origin, a.found}, hops); err != nil {
				return err
			}
		}
		f.known[a.question] = at
	}
	return nil
}

// fromValues goes on from a key of the values to what wrote it.
func (f *finder) fromValues(ctx context.Context, unit object.Key, from located, hops int) (located, error) {
	def, note, err := f.valueDefinition(ctx, unit, from.leaf.path, hops)
	if err != nil {
		return located{}, err
	}
	note = strings.Join(from.leaf.path, ".") + note
	from.origin.Chain = append(from.origin.Chain, fleet.Link{Kind: "values", File: def.origin.File, Line: def.origin.Line, Note: note})
	if def.origin.File == "" {
		return located{origin: from.origin}, nil
	}
	return located{fleet.Origin{
		Source: def.origin.Source, File: def.origin.File, Line: def.origin.Line, Chain: append(from.origin.Chain, def.origin.Chain...),
	}, def.leaf}, nil
}

// valueDefinition finds where a key of the composed values of a release was
// written: in its spec, or in an object of valuesFrom.
func (f *finder) valueDefinition(ctx context.Context, unit object.Key, path []string, hops int) (located, string, error) {
	u := f.units[unit]
	if u == nil || u.Object == nil {
		return located{}, "", nil
	}
	inSpec := append([]string{"spec", "values"}, path...)
	if _, inline := valueAt(u.Object.Object, inSpec); inline {
		note := " of " + unit.String()
		parent, ok := f.parent(unit)
		if !ok {
			return located{}, note, nil
		}
		found, err := f.field(ctx, parent, question{unit, plan.Pointer(inSpec...)}, hops+1)
		return found, note, err
	}
	refs, _, _ := unstructured.NestedSlice(u.Object.Object, "spec", "valuesFrom")
	for _, ref := range slices.Backward(refs) {
		r, _ := ref.(map[string]any)
		found, note, err := f.valuesIn(ctx, referred{unit, r, path}, hops)
		if err != nil || note != "" {
			return found, note, err
		}
	}
	return located{}, " of the chart", nil
}

// referred is a key of values that may come from one object of valuesFrom.
type referred struct {
	unit object.Key
	ref  map[string]any
	path []string
}

// valuesIn looks for a key of values in one object of valuesFrom; the note is
// empty where it is not there.
func (f *finder) valuesIn(ctx context.Context, v referred, hops int) (located, string, error) {
	ref, path := v.ref, v.path
	from := object.Key{Kind: scalar(ref["kind"]), Namespace: v.unit.Namespace, Name: scalar(ref["name"])}
	owner, o := f.made(from)
	if o == nil {
		return located{}, "", nil
	}
	key := "values.yaml"
	if s, ok := ref["valuesKey"].(string); ok {
		key = s
	}
	data, _ := valueAt(o.Object, []string{"data", key})
	line := 0
	if target, ok := ref["targetPath"].(string); ok {
		if target != strings.Join(path, ".") {
			return located{}, "", nil
		}
	} else if line = lineIn(scalar(data), path); line == 0 {
		return located{}, "", nil
	}
	found, err := f.field(ctx, owner, question{from, plan.Pointer("data", key)}, hops+1)
	switch l := found.leaf; {
	case l == nil || line == 0:
	case l.block:
		found.origin.Line = l.line + line
	case l.isFile():
		found.origin.Line = line
		found.origin.Chain = slices.Clone(found.origin.Chain)
		found.origin.Chain[len(found.origin.Chain)-1].Line = line
	}
	return found, " from " + from.String(), err
}

// lineIn is the line of a value in a text of YAML; 0 where it is not there.
func lineIn(text string, path []string) int {
	for _, l := range parse(place{}, []byte(text)).leaves {
		if slices.Equal(l.path, path) {
			return l.line
		}
	}
	return 0
}
