package schema

import (
	_ "embed"
	"reflect"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

//go:embed immutable.txt
var immutableTable string

// fixed is a line of immutable.txt.
type fixed struct {
	path []string
	when *condition
}

var immutables = sync.OnceValue(func() map[string][]fixed {
	table := map[string][]fixed{}
	for line := range strings.Lines(immutableTable) {
		line, when, _ := strings.Cut(strings.TrimSpace(line), " if ")
		words := strings.Fields(line)
		if len(words) != 2 || words[0] == "#" {
			continue
		}
		f := fixed{path: strings.Split(words[1], ".")}
		if when != "" {
			f.when = parseCondition(when)
		}
		table[words[0]] = append(table[words[0]], f)
	}
	return table
})

func parseCondition(text string) *condition {
	path, value, _ := strings.Cut(text, "=")
	c := &condition{path: strings.Split(path, ".")}
	utilruntime.Must(json.Unmarshal([]byte(value), &c.value)) // the tables are ours
	return c
}

func (c *condition) holds(o map[string]any) bool {
	return c == nil || reflect.DeepEqual(at(o, c.path), c.value)
}

// validateBuiltin refuses changes of what cannot be changed. What else a server
// validates of built-in kinds is not known here.
func validateBuiltin(obj, old *unstructured.Unstructured) field.ErrorList {
	if old == nil {
		return nil
	}
	var errs field.ErrorList
	for _, path := range changedImmutables(obj, old) {
		errs = append(errs, field.Invalid(field.NewPath(path[0], path[1:]...), at(obj.Object, path), "field is immutable"))
	}
	return errs
}

// Immutable returns the paths of the fields that differ between two states of an
// object of a built-in kind and that the API never changes. Of other kinds
// nothing is known.
func Immutable(obj, old *unstructured.Unstructured) [][]string {
	if !Builtin().Has(obj.GroupVersionKind().GroupKind()) {
		return nil
	}
	return changedImmutables(obj, old)
}

func changedImmutables(obj, old *unstructured.Unstructured) [][]string {
	var out [][]string
	for _, f := range immutables()[obj.GetKind()] {
		if f.when.holds(old.Object) && !reflect.DeepEqual(at(old.Object, f.path), at(obj.Object, f.path)) {
			out = append(out, f.path)
		}
	}
	return out
}
