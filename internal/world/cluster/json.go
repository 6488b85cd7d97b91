package cluster

import (
	"encoding/json"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/world"
)

func decode(body []byte) (*unstructured.Unstructured, error) {
	m, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return &unstructured.Unstructured{Object: m}, nil
}

// decodeList reads a list. Items of built-in kinds come without their kind:
// they get the one that was asked for.
func decodeList(body []byte, gvk schema.GroupVersionKind) (items []*unstructured.Unstructured, more string, err error) {
	list, err := parse(body)
	if err != nil {
		return nil, "", fmt.Errorf("read the server's answer: %w", err)
	}
	all, _ := list["items"].([]any)
	items = make([]*unstructured.Unstructured, 0, len(all))
	for _, o := range all {
		m, ok := o.(map[string]any)
		if !ok {
			return nil, "", fmt.Errorf("read the server's answer: an item is no object")
		}
		u := &unstructured.Unstructured{Object: m}
		u.SetGroupVersionKind(gvk)
		items = append(items, u)
	}
	metadata, _ := list["metadata"].(map[string]any)
	more, _ = metadata["continue"].(string)
	return items, more, nil
}

// encodeApply writes obj as an apply request wants it: without managed fields,
// and with uid and resourceVersion exactly where they are preconditions.
func encodeApply(obj *unstructured.Unstructured, p world.Precondition) ([]byte, error) {
	metadata, ok := obj.Object["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("it has no metadata")
	}
	metadata = maps.Clone(metadata)
	delete(metadata, "managedFields")
	set(metadata, "uid", string(p.UID))
	set(metadata, "resourceVersion", p.ResourceVersion)
	top := maps.Clone(obj.Object)
	top["metadata"] = metadata
	return json.Marshal(top)
}

func set(m map[string]any, key, value string) {
	if value == "" {
		delete(m, key)
		return
	}
	m[key] = value
}
