package change

import (
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/plan"
)

// pair is an object before and after, in clear, with what hides its secrets.
type pair struct {
	before, after *unstructured.Unstructured
	mask          plan.Mask
}

// fieldsOf returns the fields that differ, in order. The path of a field is that
// in the object after the change; where the change removes the field, that in the
// object before. Elements of lists are matched by their key where they have one,
// else by what they have in common, so that one that is put in is one field.
func fieldsOf(p pair) []Field {
	if p.before == nil || p.after == nil || sameObject(p.before, p.after) {
		return nil
	}
	before, after := p.mask.Object(p.before).Object, p.mask.Object(p.after).Object
	d := differ{}
	a := node{clear: without(p.before.Object, "status"), shown: before}
	b := node{clear: without(p.after.Object, "status"), shown: after}
	for _, key := range sortedKeys(a.clear, b.clear) {
		if key != "metadata" {
			d.child(a, b, key)
			continue
		}
		am, bm := a.at(key), b.at(key)
		for _, key := range sortedKeys(am.clear, bm.clear) {
			if !ofServer[key] {
				d.child(am, bm, key)
			}
		}
	}
	return d.fields(p.mask)
}

func without(m map[string]any, key string) map[string]any {
	if _, has := m[key]; !has {
		return m
	}
	m = maps.Clone(m)
	delete(m, key)
	return m
}

// treesOf returns the fields in which two trees of values differ; each is given
// in clear and as it may be shown.
func treesOf(a, b [2]any, mask plan.Mask) []Field {
	d := differ{}
	d.values(node{clear: a[0], shown: a[1], there: true}, node{clear: b[0], shown: b[1], there: true})
	return d.fields(mask)
}

// node is a value of one of the two objects: in clear, as it is shown, and where
// it stands.
type node struct {
	clear, shown any
	path         []string
	there        bool
}

// at goes down by a key or an index. Below what is hidden nothing is shown.
func (n node) at(step string) node {
	out := node{path: append(slices.Clip(n.path), step)}
	switch clear := n.clear.(type) {
	case map[string]any:
		out.clear, out.there = clear[step]
		if shown, ok := n.shown.(map[string]any); ok {
			if value, ok := shown[step]; ok {
				out.shown = value
				return out
			}
		}
	case []any:
		i, _ := strconv.Atoi(step)
		out.clear, out.there = clear[i], true
		if shown, ok := n.shown.([]any); ok && i < len(shown) {
			out.shown = shown[i]
			return out
		}
	}
	if out.there {
		out.shown = "«secret»"
	}
	return out
}

// open tells whether what is inside is shown.
func (n node) open() bool {
	switch n.clear.(type) {
	case map[string]any:
		_, is := n.shown.(map[string]any)
		return is
	case []any:
		_, is := n.shown.([]any)
		return is
	}
	return true
}

func (n node) value() plan.Value {
	if !n.there {
		return ""
	}
	return plan.ValueOf(n.shown)
}

// differ walks two trees and notes where they differ.
type differ struct{ found []plan.FieldChange }

func (d *differ) fields(mask plan.Mask) []Field {
	out := make([]Field, 0, len(d.found))
	for _, f := range d.found {
		f.Path = mask.Text(f.Path)
		out = append(out, Field{FieldChange: f})
	}
	return out
}

// note writes down a field that is changed, came or went.
func (d *differ) note(a, b node) {
	path := b.path
	if !b.there {
		path = a.path
	}
	if a.there && b.there {
		a.shown, b.shown = narrowed(a.shown, b.shown)
	}
	d.found = append(d.found, plan.FieldChange{Path: plan.Pointer(path...), Before: a.value(), After: b.value()})
}

func (d *differ) child(a, b node, key string) {
	a, b = a.at(key), b.at(key)
	if a.there != b.there {
		d.note(a, b)
		return
	}
	d.values(a, b)
}

func (d *differ) values(a, b node) {
	if equal(a.clear, b.clear) {
		return
	}
	if !a.open() || !b.open() {
		d.note(a, b)
		return
	}
	switch before := a.clear.(type) {
	case map[string]any:
		if after, ok := b.clear.(map[string]any); ok {
			for _, key := range sortedKeys(before, after) {
				d.child(a, b, key)
			}
			return
		}
	case []any:
		if after, ok := b.clear.([]any); ok && len(before) > 0 && len(after) > 0 {
			d.lists(a, b, align(before, after))
			return
		}
	}
	d.note(a, b)
}

// lists notes the differences of two lists as they were aligned; where elements
// that stay changed places, the list is told as a whole.
func (d *differ) lists(a, b node, found []match) {
	if reordered(found) {
		d.note(a, b)
		return
	}
	for _, m := range found {
		switch {
		case m.before < 0:
			d.note(node{}, b.at(strconv.Itoa(m.after)))
		case m.after < 0:
			d.note(a.at(strconv.Itoa(m.before)), node{})
		default:
			d.values(a.at(strconv.Itoa(m.before)), b.at(strconv.Itoa(m.after)))
		}
	}
}

func sortedKeys(a, b any) []string {
	one, _ := a.(map[string]any)
	other, _ := b.(map[string]any)
	keys := slices.AppendSeq(make([]string, 0, len(one)+len(other)), maps.Keys(one))
	for key := range other {
		if _, both := one[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
