package provenance

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/plan"
)

// specFields are the fields of a recipe and where they stand in the spec.
var specFields = map[string][]string{
	"TargetNamespace": {"targetNamespace"}, "NamePrefix": {"namePrefix"}, "NameSuffix": {"nameSuffix"},
	"Patches": {"patches"}, "PatchesStrategicMerge": {"patchesStrategicMerge"}, "PatchesJSON6902": {"patchesJson6902"},
	"Images": {"images"}, "CommonLabels": {"commonMetadata", "labels"}, "CommonAnnotations": {"commonMetadata", "annotations"},
	"Substitute": {"postBuild", "substitute"},
}

// specLeaves are the scalars of a unit's own spec that its build takes in; the
// variables are not among them.
func specLeaves(r build.Recipe) []*leaf {
	var out []*leaf
	fields := recipeFields(r)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		to, known := specFields[name]
		if !known || name == "Substitute" {
			continue
		}
		eachString(fields[name], []string{name}, func(at []string, value string) {
			in := place{field: plan.Pointer(append(append([]string{"spec"}, to...), at[1:]...)...)}
			out = append(out, specLeaf(in, at, value)...)
		})
	}
	return out
}

func specLeaf(in place, at []string, value string) []*leaf {
	note := strings.ReplaceAll(strings.Trim(in.field, "/"), "/", ".")
	whole := &leaf{in: in, line: 1, path: at, lines: make([]int, len(at)), value: value, tag: "!!str", to: len(value), kind: "spec", note: note}
	switch at[0] {
	case "TargetNamespace":
		whole.becomes("metadata", "namespace")
	case "NamePrefix", "NameSuffix":
		whole.becomes("metadata", "name")
	case "Images":
		whole.becomes("image")
	case "CommonLabels", "CommonAnnotations":
		whole.becomes("metadata", strings.ToLower(strings.TrimPrefix(at[0], "Common")), at[len(at)-1])
	case "Patches", "PatchesJSON6902":
		if at[len(at)-1] != "patch" {
			return nil // a target, or structured operations
		}
		inner := parse(in, []byte(value)).leaves
		for _, l := range inner {
			l.kind, l.note = "spec", note
		}
		return inner
	}
	return []*leaf{whole}
}

// recipeFields is the recipe as plain values.
func recipeFields(r build.Recipe) map[string]any {
	data, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	var out map[string]any
	if json.Unmarshal(data, &out) != nil {
		return nil
	}
	return out
}

func eachString(v any, at []string, visit func([]string, string)) {
	switch v := v.(type) {
	case string:
		visit(at, v)
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			eachString(v[key], append(slices.Clip(at), key), visit)
		}
	case []any:
		for i, item := range v {
			eachString(item, append(slices.Clip(at), index(i)), visit)
		}
	}
}

func index(i int) string { return strconv.Itoa(i) }

// withField returns the recipe with a change of the text at a pointer into the
// unit's spec.
func withField(r build.Recipe, pointer string, change func(string) string) (build.Recipe, error) {
	path, err := plan.ParsePointer(pointer)
	if err != nil {
		return r, err
	}
	fields := recipeFields(r)
	for name, to := range specFields {
		if len(path) > len(to) && slices.Equal(path[1:1+len(to)], to) && fields[name] != nil {
			holder := map[string]any{name: fields[name]}
			if !changeAt(holder, append([]string{name}, path[1+len(to):]...), change) {
				continue
			}
			fields[name] = holder[name]
			data, err := json.Marshal(fields)
			if err != nil {
				return r, err
			}
			var out build.Recipe
			return out, json.Unmarshal(data, &out)
		}
	}
	return r, fmt.Errorf("change %s: the build does not use it", pointer)
}

// changeAt changes the string at a path, in place.
func changeAt(v any, path []string, change func(string) string) bool {
	last := len(path) == 1
	switch v := v.(type) {
	case map[string]any:
		if s, ok := v[path[0]].(string); ok && last {
			v[path[0]] = change(s)
			return true
		}
		return !last && changeAt(v[path[0]], path[1:], change)
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(v) {
			return false
		}
		if s, ok := v[i].(string); ok && last {
			v[i] = change(s)
			return true
		}
		return !last && changeAt(v[i], path[1:], change)
	}
	return false
}
