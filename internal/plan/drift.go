package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/hash"
)

// maxValueText bounds the text of one value in a FieldChange, in bytes; of a
// longer one its beginning, length and hash are kept.
const maxValueText = 4096

// Value is a value of an object as JSON, with secrets masked; empty means that
// there is none.
type Value string

// MarshalJSON writes the value itself, null for none.
func (v Value) MarshalJSON() ([]byte, error) {
	if v == "" {
		return []byte("null"), nil
	}
	return []byte(v), nil
}

// FieldChange is one difference between two states of an object. It never
// holds a secret.
type FieldChange struct {
	Path   string `json:"path"` // JSON pointer; lists by index
	Before Value  `json:"before"`
	After  Value  `json:"after"`
}

// String returns path: before → after, with ∅ for none.
func (c FieldChange) String() string {
	return fmt.Sprintf("%s: %s → %s", c.Path, orNone(c.Before), orNone(c.After))
}

func orNone(v Value) Value {
	if v == "" {
		return "∅"
	}
	return v
}

// Drift returns what would change in a live object if it became the predicted
// one: labels, annotations and all fields but the rest of metadata and status
// (hasDrifted in fluxcd/pkg/ssa v0.76 manager_diff.go). What rules ignore is
// left out. A live object that does not exist (nil) has no fields to differ.
func Drift(live, predicted *unstructured.Unstructured, rules Ignore, mask Mask) []FieldChange {
	if live == nil || predicted == nil {
		return nil
	}
	before, after := rules.strip(predicted, live), rules.strip(predicted, predicted)
	d := differ{
		before: mask.Object(before).Object,
		after:  mask.Object(after).Object,
	}
	for _, field := range []string{"labels", "annotations"} {
		d.maps([]string{"metadata", field}, metaMap(before, field), metaMap(after, field))
	}
	for _, field := range sortedKeys(before.Object, after.Object) {
		if field != "metadata" && field != "status" {
			d.child(nil, field, before.Object, after.Object)
		}
	}
	return d.changes
}

// metaMap returns labels or annotations, empty where there are none.
func metaMap(obj *unstructured.Unstructured, field string) map[string]any {
	v, _ := lookup(obj.Object, []string{"metadata", field})
	m, _ := v.(map[string]any)
	return m
}

// differ walks two trees of clear values and writes down the masked ones.
type differ struct {
	before, after map[string]any // masked
	changes       []FieldChange
}

func (d *differ) maps(path []string, a, b map[string]any) {
	for _, key := range sortedKeys(a, b) {
		d.child(path, key, a, b)
	}
}

func (d *differ) child(path []string, key string, a, b map[string]any) {
	path = append(slices.Clip(path), key)
	before, hadIt := a[key]
	after, hasIt := b[key]
	if hadIt != hasIt {
		d.note(path)
		return
	}
	d.values(path, before, after)
}

func (d *differ) values(path []string, a, b any) {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			d.maps(path, a, b)
			return
		}
	case []any:
		if b, ok := b.([]any); ok {
			d.lists(path, a, b)
			return
		}
	}
	if !apiequality.Semantic.DeepEqual(a, b) {
		d.note(path)
	}
}

func (d *differ) lists(path []string, a, b []any) {
	for i := range max(len(a), len(b)) {
		at := append(slices.Clip(path), strconv.Itoa(i))
		if i >= len(a) || i >= len(b) {
			d.note(at)
			continue
		}
		d.values(at, a[i], b[i])
	}
}

func (d *differ) note(path []string) {
	d.changes = append(d.changes, FieldChange{
		Path:   Pointer(path...),
		Before: valueAt(d.before, path),
		After:  valueAt(d.after, path),
	})
}

func valueAt(root map[string]any, path []string) Value {
	v, ok := lookup(root, path)
	if !ok {
		return ""
	}
	return ValueOf(v)
}

// ValueOf writes a value of an object, null included. Secrets in it must be
// masked already.
func ValueOf(v any) Value {
	text := jsonText(v)
	if len(text) <= maxValueText {
		return Value(text)
	}
	short := fmt.Sprintf("%.*s… (%d bytes, %s)", maxValueText, text, len(text), hash.Of(text))
	quoted, err := json.Marshal(short)
	if err != nil {
		return "" // unreachable: a string is always JSON
	}
	return Value(quoted)
}

// Cuts tells whether ValueOf shows only the beginning of a text.
func Cuts(text string) bool { return len(text) > maxValueText || len(jsonText(text)) > maxValueText }

func sortedKeys(a, b map[string]any) []string {
	keys := map[string]bool{}
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	return slices.Sorted(maps.Keys(keys))
}
