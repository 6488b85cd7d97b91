package plan

import (
	"encoding/json"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
)

// A tree of FieldsV1 has keys f:<name> for fields, k:{…} for items of a list by
// their keys, v:<json> for items of a set (structured-merge-diff v6 fieldpath
// serialize-pe.go).

// decodeTree decodes FieldsV1; nil for what is not an object.
func decodeTree(raw []byte) map[string]any {
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil
	}
	return tree
}

// holdsField tells whether tree has a node for the field at path in value, the
// object that the tree is about. A field inside a list without keys is owned
// with the whole list and has no node of its own.
func holdsField(tree map[string]any, value any, path []string) bool {
	for _, segment := range path {
		var child any
		var found bool
		switch node := value.(type) {
		case []any:
			i, ok := listIndex(segment, len(node))
			if !ok {
				return false
			}
			value = node[i]
			child, found = itemNode(tree, value)
		default:
			fields, _ := node.(map[string]any)
			value = fields[segment]
			child, found = tree["f:"+segment]
		}
		if !found {
			return false
		}
		tree, _ = child.(map[string]any)
	}
	return len(path) > 0
}

// itemNode returns the node of a list's item.
func itemNode(tree map[string]any, item any) (any, bool) {
	for key, child := range tree {
		switch {
		case strings.HasPrefix(key, "k:"):
			if fields, ok := item.(map[string]any); ok && keysMatch(key[2:], fields) {
				return child, true
			}
		case strings.HasPrefix(key, "v:"):
			if sameJSON(key[2:], item) {
				return child, true
			}
		}
	}
	return nil, false
}

// keysMatch tells whether an item has the keys written in text, {"name":"web"}.
func keysMatch(text string, item map[string]any) bool {
	var keys map[string]any
	if err := json.Unmarshal([]byte(text), &keys); err != nil || len(keys) == 0 {
		return false
	}
	for key, want := range keys {
		got, ok := item[key]
		if !ok || !sameScalar(want, got) {
			return false
		}
	}
	return true
}

func sameJSON(text string, item any) bool {
	var want any
	return json.Unmarshal([]byte(text), &want) == nil && sameScalar(want, item)
}

// sameScalar compares a value decoded by encoding/json, where every number is a
// float64, with one of an unstructured object, where it may be an int64.
func sameScalar(decoded, value any) bool {
	if n, ok := value.(int64); ok {
		f, ok := decoded.(float64)
		return ok && f == float64(n)
	}
	return apiequality.Semantic.DeepEqual(decoded, value)
}
