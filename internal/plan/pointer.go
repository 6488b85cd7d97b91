package plan

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

var (
	escapePointer   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")
)

// Pointer writes segments as a JSON pointer (RFC 6901); none is the root, "".
func Pointer(segments ...string) string {
	var b strings.Builder
	for _, segment := range segments {
		b.WriteByte('/')
		escapePointer.WriteString(&b, segment)
	}
	return b.String()
}

// ParsePointer reads a JSON pointer. The root pointer "" has no segments.
func ParsePointer(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	if pointer[0] != '/' {
		return nil, fmt.Errorf("read JSON pointer %q: want it to begin with /", pointer)
	}
	segments := strings.Split(pointer[1:], "/")
	for i, segment := range segments {
		segments[i] = unescapePointer.Replace(segment)
	}
	return segments, nil
}

// lookup returns the value at a path, and whether there is one.
func lookup(value any, path []string) (any, bool) {
	for _, segment := range path {
		switch node := value.(type) {
		case map[string]any:
			child, ok := node[segment]
			if !ok {
				return nil, false
			}
			value = child
		case []any:
			i, ok := listIndex(segment, len(node))
			if !ok {
				return nil, false
			}
			value = node[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// remove returns value without what is at path; it changes maps in place.
func remove(value any, path []string) any {
	if len(path) == 0 {
		return value
	}
	last := len(path) == 1
	switch node := value.(type) {
	case map[string]any:
		child, ok := node[path[0]]
		switch {
		case ok && last:
			delete(node, path[0])
		case ok:
			node[path[0]] = remove(child, path[1:])
		}
	case []any:
		i, ok := listIndex(path[0], len(node))
		switch {
		case ok && last:
			return append(node[:i:i], node[i+1:]...)
		case ok:
			node[i] = remove(node[i], path[1:])
		}
	}
	return value
}

// copyAt returns dst with the value that src has at path, and whether that was
// possible. Missing maps on the way are made as in src; an item of a list is
// only ever replaced, so that a path through a list that dst has not, or that
// is too short, changes nothing.
func copyAt(dst, src any, path []string) (any, bool) {
	if len(path) == 0 {
		return runtime.DeepCopyJSONValue(src), true
	}
	switch from := src.(type) {
	case map[string]any:
		to, isMap := dst.(map[string]any)
		value, exists := from[path[0]]
		if !exists || !isMap && dst != nil {
			return dst, false
		}
		child, ok := copyAt(to[path[0]], value, path[1:])
		if !ok {
			return dst, false
		}
		if to == nil {
			to = map[string]any{}
		}
		to[path[0]] = child
		return to, true
	case []any:
		to, _ := dst.([]any)
		if i, exists := listIndex(path[0], len(from)); exists && i < len(to) {
			child, ok := copyAt(to[i], from[i], path[1:])
			to[i] = child
			return to, ok
		}
	}
	return dst, false
}

// listIndex reads an index; as in Flux a negative one counts from the end.
func listIndex(segment string, length int) (int, bool) {
	i, err := strconv.Atoi(segment)
	if err != nil {
		return 0, false
	}
	if i < 0 {
		i += length
	}
	return i, i >= 0 && i < length
}
