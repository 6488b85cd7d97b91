package change

import (
	"encoding/base64"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/unit"
)

// secrets knows which Secrets reach the objects of a unit: as variables that are
// substituted, as values of a chart, and through the unit that made it.
type secrets struct {
	c     *comparison
	plain plan.Mask
	// byKey are the Secrets of both fleets and of the inputs.
	byKey map[object.Key][]*unstructured.Unstructured
	reach map[object.Key][]string
	masks map[object.Key]plan.Mask
}

func newSecrets(c *comparison, o Options) *secrets {
	s := &secrets{c: c, plain: o.Mask, byKey: map[object.Key][]*unstructured.Unstructured{}, reach: map[object.Key][]string{}, masks: map[object.Key]plan.Mask{}}
	for _, obj := range o.Inputs {
		s.add(object.KeyOf(obj), obj)
	}
	for _, r := range []fleet.Rendered{c.base.Rendered, c.head.Rendered} {
		for i := range r.Units {
			for j := range r.Units[i].Objects {
				s.add(r.Units[i].Objects[j].Ref.Key, r.Units[i].Objects[j].Value)
			}
		}
	}
	return s
}

// Masks returns, for a fleet, what hides the secrets that can reach the objects of a
// unit: as variables, as values of a chart, and through the unit that made it.
func Masks(r fleet.Rendered, o Options) func(unit object.Key) plan.Mask {
	s := newComparison(fleet.Rendered{}, r, o).secrets
	return func(unit object.Key) plan.Mask { return s.mask(unit) }
}

func (s *secrets) add(key object.Key, obj *unstructured.Unstructured) {
	if key.Kind == "Secret" && key.Group == "" && obj != nil {
		s.byKey[key] = append(s.byKey[key], obj)
	}
}

// mask hides what can reach the objects of units.
func (s *secrets) mask(units ...object.Key) plan.Mask {
	if len(units) == 1 {
		if m, known := s.masks[units[0]]; known {
			return m
		}
	}
	var clear []string
	for _, key := range units {
		clear = append(clear, s.of(key)...)
	}
	m := s.plain
	if len(clear) > 0 {
		m = m.Knowing(clear...)
	}
	if len(units) == 1 {
		s.masks[units[0]] = m
	}
	return m
}

// of returns the secrets in clear that can reach the objects of a unit.
func (s *secrets) of(key object.Key) []string {
	if clear, known := s.reach[key]; known {
		return clear
	}
	s.reach[key] = nil // ends circles
	found := map[string]bool{}
	for _, side := range []*side{&s.c.base, &s.c.head} {
		u := side.units[key]
		if u == nil {
			continue
		}
		from := s.of(u.Parent)
		for _, ref := range references(u) {
			from = slices.Concat(from, s.ofReference(side, ref))
		}
		for _, clear := range from {
			found[clear] = true
		}
	}
	s.reach[key] = slices.Sorted(maps.Keys(found))
	return s.reach[key]
}

// ofReference returns the secrets that a ConfigMap or a Secret brings; into a
// ConfigMap they come from what made it.
func (s *secrets) ofReference(side *side, ref reference) []string {
	var out []string
	if ref.object.Kind != "Secret" {
		for _, owner := range side.ownersOf(ref.object) {
			out = append(out, s.of(owner.Key)...)
		}
		return out
	}
	for _, obj := range s.byKey[ref.object] {
		for key, clear := range dataOf(obj) {
			if ref.key != "" && ref.key != key {
				continue
			}
			out = append(out, clear)
			if ref.values() {
				out = append(out, leaves(parsed(clear))...)
			}
		}
	}
	return out
}

// reference is a ConfigMap or Secret that a unit reads.
type reference struct {
	object object.Key
	key    string // of its data; empty: all of it, as variables
	target string // of a value: where in the values; empty: it is values itself
}

// values tells whether it is a file of values.
func (r reference) values() bool { return r.key != "" && r.target == "" }

// references are what a unit takes variables or values from, the last one wins.
func references(u *fleet.Unit) []reference {
	if u.Object == nil {
		return nil
	}
	path, byDefault := []string{"spec", "postBuild", "substituteFrom"}, ""
	switch u.Key.Kind {
	case unit.KustomizationKind:
	case unit.HelmReleaseKind:
		path, byDefault = []string{"spec", "valuesFrom"}, "values.yaml"
	default:
		return nil
	}
	in := u.Object.Object
	for _, step := range path[:len(path)-1] {
		in = submap(in, step)
	}
	items, _ := in[path[len(path)-1]].([]any)
	var out []reference
	for _, item := range items {
		m, _ := item.(map[string]any)
		kind, _ := m["kind"].(string)
		name, _ := m["name"].(string)
		ref := reference{object: object.Key{Kind: kind, Namespace: u.Key.Namespace, Name: name}, key: byDefault}
		if key, ok := m["valuesKey"].(string); ok && key != "" {
			ref.key = key
		}
		ref.target, _ = m["targetPath"].(string)
		out = append(out, ref)
	}
	return out
}

// dataOf returns the data of a Secret in clear.
func dataOf(obj *unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	for key, value := range submap(obj.Object, "data") {
		if text, ok := value.(string); ok {
			out[key] = text
			if clear, err := base64.StdEncoding.DecodeString(text); err == nil {
				out[key] = string(clear)
			}
		}
	}
	for key, value := range submap(obj.Object, "stringData") {
		if text, ok := value.(string); ok {
			out[key] = text
		}
	}
	return out
}

// parsed reads a file of values; nil where it is none.
func parsed(text string) any {
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		return nil
	}
	return out
}

// leaves are the scalars of a tree, as texts.
func leaves(v any) []string {
	var out []string
	switch v := v.(type) {
	case nil, bool:
	case map[string]any:
		for _, value := range v {
			out = append(out, leaves(value)...)
		}
	case []any:
		for _, value := range v {
			out = append(out, leaves(value)...)
		}
	case string:
		out = append(out, v)
	default:
		out = append(out, string(plan.ValueOf(v)))
	}
	return out
}
