package validate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/plan"
)

// pointer turns a path as errors write it into a JSON pointer:
// .spec.containers[name="web"].image, spec.ports[0], metadata.labels[a/b]. Keys may
// hold dots, so the object is asked which of them it has.
func pointer(obj any, path string) string {
	var steps []string
	for path != "" && path != "<nil>" {
		var step string
		switch {
		case path[0] == '[':
			end := closing(path)
			step = element(obj, path[1:end])
			path = path[min(end+1, len(path)):]
		default:
			path = strings.TrimPrefix(path, ".")
			step = key(obj, path)
			path = path[len(step):]
		}
		if step == "" {
			break
		}
		steps = append(steps, step)
		obj = at(obj, step)
	}
	return plan.Pointer(steps...)
}

// closing is the index of the bracket that ends a step; brackets in quotes do not.
func closing(path string) int {
	quoted := false
	for i := 1; i < len(path); i++ {
		switch {
		case path[i] == '\\' && quoted:
			i++
		case path[i] == '"':
			quoted = !quoted
		case path[i] == ']' && !quoted:
			return i
		}
	}
	return len(path)
}

// key is the longest key of obj that path begins with, else what stands before
// the next dot or bracket.
func key(obj any, path string) string {
	best := ""
	m, _ := obj.(map[string]any)
	for k := range m {
		rest, ok := strings.CutPrefix(path, k)
		if ok && len(k) > len(best) && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			best = k
		}
	}
	if best != "" {
		return best
	}
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

// element is the index of an element of a list, or a key of a map, that stands
// in brackets.
func element(obj any, inside string) string {
	list, isList := obj.([]any)
	if !isList {
		if text, err := strconv.Unquote(inside); err == nil {
			return text
		}
		return inside
	}
	for i, e := range list {
		m, isMap := e.(map[string]any)
		if isMap && hasKeys(m, inside) || !isMap && inside == fmt.Sprintf("=%v", quote(e)) {
			return strconv.Itoa(i)
		}
	}
	return inside
}

// hasKeys tells whether an element has the keys name="web",protocol="TCP".
func hasKeys(m map[string]any, inside string) bool {
	if !strings.Contains(inside, "=") {
		return false
	}
	for _, pair := range strings.Split(inside, ",") {
		k, v, _ := strings.Cut(pair, "=")
		if quote(m[k]) != v && m[k] != nil { // a key that is left out has a default
			return false
		}
	}
	return true
}

func quote(v any) string {
	if text, ok := v.(string); ok {
		return strconv.Quote(text)
	}
	return fmt.Sprint(v)
}

func at(obj any, step string) any {
	switch obj := obj.(type) {
	case map[string]any:
		return obj[step]
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(obj) {
			return obj[i]
		}
	}
	return nil
}

// madeUp tells whether a value holds text that stands for an input which was not
// given (package preview): nothing can be said of it.
func madeUp(obj any, pointer string) bool {
	for _, step := range steps(pointer) {
		obj = at(obj, step)
	}
	text, ok := obj.(string)
	return ok && strings.Contains(text, "placeholder-")
}

// steps are those of a pointer that this package made.
func steps(at string) []string {
	out, _ := plan.ParsePointer(at)
	return out
}

// remove takes a field away.
func remove(obj any, steps []string) {
	for len(steps) > 1 {
		obj, steps = at(obj, steps[0]), steps[1:]
	}
	if m, ok := obj.(map[string]any); ok && len(steps) == 1 {
		delete(m, steps[0])
	}
}
