package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// Bounds of what a status tells of fields: how many of one object, how long a path and a
// value are, and how many bytes there are in all.
const (
	MaxFields     = 32
	maxFieldPath  = 512
	maxFieldValue = 1 << 10
	maxFieldBytes = 128 << 10
)

// Field is a field of a live object as somebody wrote it by hand.
type Field struct {
	// Path is a JSON pointer; an item of a list with keys is named by them:
	// /spec/template/spec/containers/[name=web]/image.
	Path string `json:"path"`
	// Value is the live value as JSON; where there is none, Hidden says why.
	Value  string `json:"value,omitempty"`
	Hidden string `json:"hidden,omitempty"`
}

// Fields returns the fields of a live object that were written by hand within a window,
// as its managed fields tell, in the order of their paths, and how many more there are
// than a status holds. Of Secrets, and of what the mask knows for a secret, it has no
// values. What is left out: the status, metadata but labels and annotations, and what
// clients and controllers note there for themselves.
func Fields(live *unstructured.Unstructured, w Window, mask plan.Mask) (out []Field, more int) {
	gk := live.GroupVersionKind().GroupKind()
	byPath := map[string]fieldpath.Path{}
	for _, e := range live.GetManagedFields() {
		if !byHand(e, w) || e.FieldsV1 == nil {
			continue
		}
		set := &fieldpath.Set{}
		if set.FromJSON(bytes.NewReader(e.FieldsV1.Raw)) != nil {
			continue
		}
		for p := range set.Leaves().All() {
			if path := pathOf(p); told(path) && !(isUnit(gk) && slices.Equal(path, suspend)) {
				byPath[plan.Pointer(path...)] = p.Copy()
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		if len(out) == MaxFields || len(path) > maxFieldPath {
			more++
			continue
		}
		if value, found := valueAt(live.Object, pathOf(byPath[path])); found {
			out = append(out, fieldOf(path, value, gk.Group == "" && gk.Kind == "Secret", mask))
		}
	}
	return out, more
}

// suspend is the field of a unit that is told apart (Write.Suspended): nobody wants it in Git.
var suspend = []string{"spec", "suspend"}

// byHand tells whether an entry is of somebody who writes by hand, and of the window. The
// API server notes no time for what is written through scale (k8s.io/apimachinery v0.36.4.4
// pkg/util/managedfields/scalehandler.go ToParent): that counts whenever it was, because
// a unit at work would have taken the field back before the grant.
func byHand(e metav1.ManagedFieldsEntry, w Window) bool {
	if e.Subresource == "status" || slices.Contains(machines, e.Manager) && (e.Subresource != "scale" || e.Manager == autoscaler) {
		return false
	}
	return undated(e) || e.Time != nil && w.has(e.Time.Time)
}

// autoscaler is the only controller that scales through scale; the others there are people,
// who may call their client as they like.
const autoscaler = "kube-controller-manager"

func undated(e metav1.ManagedFieldsEntry) bool { return e.Time == nil && e.Subresource == "scale" }

// told tells whether a field can be of interest in Git.
func told(path []string) bool {
	switch path[0] {
	case "apiVersion", "kind", "status":
		return false
	case "metadata":
	default:
		return true
	}
	return len(path) == 3 && (path[1] == "labels" || path[1] == "annotations") && !noted(path[2])
}

// noted tells whether clients and controllers keep an annotation for themselves.
func noted(annotation string) bool {
	return annotation == "kubectl.kubernetes.io/last-applied-configuration" || annotation == object.RequestedAt ||
		strings.HasPrefix(annotation, "deployment.kubernetes.io/") || strings.HasPrefix(annotation, "meta.helm.sh/")
}

func fieldOf(path string, value any, ofSecret bool, mask plan.Mask) Field {
	f := Field{Path: path}
	if ofSecret || !reflect.DeepEqual(mask.Tree(value), value) {
		f.Hidden = "it is a secret, or repeats one"
		return f
	}
	text, err := json.Marshal(value)
	switch {
	case err != nil:
		f.Hidden = "it cannot be written down"
	case len(text) > maxFieldValue:
		f.Hidden = fmt.Sprintf("it has %d bytes, more than %d", len(text), maxFieldValue)
	default:
		f.Value = string(text)
	}
	return f
}

// Fit cuts the fields of writes to what one status holds.
func Fit(writes []Write) {
	room := maxFieldBytes
	for i := range writes {
		w := &writes[i]
		for n, f := range w.Fields {
			if room -= len(f.Path) + len(f.Value); room < 0 {
				w.MoreFields += len(w.Fields) - n
				w.Fields = w.Fields[:n]
				break
			}
		}
	}
}

// pathOf names a path of managed fields element by element.
func pathOf(p fieldpath.Path) []string {
	out := make([]string, len(p))
	for i, e := range p {
		switch {
		case e.FieldName != nil:
			out[i] = *e.FieldName
		case e.Index != nil:
			out[i] = strconv.Itoa(*e.Index)
		case e.Value != nil:
			out[i] = "[=" + scalarText((*e.Value).Unstructured()) + "]"
		case e.Key != nil:
			var keys []string
			for _, k := range *e.Key {
				keys = append(keys, k.Name+"="+scalarText(k.Value.Unstructured()))
			}
			out[i] = "[" + strings.Join(keys, ",") + "]"
		}
	}
	return out
}

func scalarText(v any) string {
	if text, is := v.(string); is {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// Locate finds a field by its path in an object, and returns its path with indices in
// the place of keys, as a JSON pointer, and its value.
func Locate(of map[string]any, path string) (pointer string, value any, found bool) {
	steps, err := plan.ParsePointer(path)
	if err != nil {
		return "", nil, false
	}
	at := make([]string, 0, len(steps))
	value = any(of)
	for _, step := range steps {
		if value, step, found = inside(value, step); !found {
			return "", nil, false
		}
		at = append(at, step)
	}
	return plan.Pointer(at...), value, len(steps) > 0
}

func valueAt(v any, path []string) (any, bool) {
	found := len(path) > 0
	for _, step := range path {
		if v, _, found = inside(v, step); !found {
			return nil, false
		}
	}
	return v, found
}

// inside goes one step into a value; of a list the step that it returns is the index.
func inside(v any, step string) (next any, as string, found bool) {
	switch node := v.(type) {
	case map[string]any:
		next, found = node[step]
		return next, step, found
	case []any:
		for i, item := range node {
			if step == strconv.Itoa(i) || isItem(item, step) {
				return item, strconv.Itoa(i), true
			}
		}
	}
	return nil, "", false
}

// isItem tells whether an item of a list is the one that a step names by its keys, or by
// its value.
func isItem(item any, step string) bool {
	if len(step) < 2 || step[0] != '[' || step[len(step)-1] != ']' {
		return false
	}
	keys := step[1 : len(step)-1]
	if text, whole := strings.CutPrefix(keys, "="); whole {
		return scalarText(item) == text
	}
	fields, isMap := item.(map[string]any)
	if !isMap {
		return false
	}
	for _, pair := range strings.Split(keys, ",") {
		key, want, _ := strings.Cut(pair, "=")
		if got, has := fields[key]; !has || scalarText(got) != want {
			return false
		}
	}
	return true
}

// Object is the object of a write.
func (w Write) Object() object.Key {
	return object.Key{Group: w.Group, Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}
}

// ToPropose tells whether what was written with a request is to be proposed.
func (r Request) ToPropose() bool {
	return r.Status.Phase == Ended && r.Status.End != nil && r.Status.End.Propose
}
