package build

import (
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/leat-dev/leat/internal/plan"
)

// maxDropped bounds what is told of one object.
const maxDropped = 50

// moved are fields at the top of an object that Normalize takes away on purpose.
var moved = map[string]bool{"status": true, "stringData": true}

// dropped returns the fields that were written and are gone, as JSON pointers in
// order. What is empty says nothing and counts for nothing.
func dropped(written, kept map[string]any) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(written)) {
		if !moved[key] {
			out = lost(out, []string{key}, written[key], kept)
		}
	}
	return out[:min(len(out), maxDropped)]
}

// lost looks for the last step of a path in what was kept.
func lost(out, path []string, written any, kept map[string]any) []string {
	value, has := kept[path[len(path)-1]]
	if !has {
		if !hollow(written) {
			out = append(out, plan.Pointer(path...))
		}
		return out
	}
	return lostWithin(out, path, written, value)
}

func lostWithin(out, path []string, written, kept any) []string {
	switch written := written.(type) {
	case map[string]any:
		if kept, ok := kept.(map[string]any); ok {
			for _, key := range slices.Sorted(maps.Keys(written)) {
				out = lost(out, append(path[:len(path):len(path)], key), written[key], kept)
			}
		}
	case []any:
		kept, _ := kept.([]any)
		for i := range min(len(written), len(kept)) {
			out = lostWithin(out, append(path[:len(path):len(path)], strconv.Itoa(i)), written[i], kept[i])
		}
	}
	return out
}

// hollow tells of a value that the API leaves out when it is written: none, zero,
// or made of such alone.
func hollow(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for _, inner := range v {
			if !hollow(inner) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return reflect.ValueOf(v).IsZero()
}
