package cluster

import (
	"encoding/json"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"

	"github.com/leat-dev/leat/internal/world"
)

func decode(body []byte) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &u.Object); err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return u, nil
}

// decodeList reads a list. Items of built-in kinds come without their kind:
// they get the one that was asked for.
func decodeList(body []byte, gvk schema.GroupVersionKind) (items []*unstructured.Unstructured, more string, err error) {
	var list struct {
		Metadata struct {
			Continue string `json:"continue"`
		} `json:"metadata"`
		Items []map[string]any `json:"items"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &list); err != nil {
		return nil, "", fmt.Errorf("read the server's answer: %w", err)
	}
	items = make([]*unstructured.Unstructured, len(list.Items))
	for i, o := range list.Items {
		items[i] = &unstructured.Unstructured{Object: o}
		items[i].SetGroupVersionKind(gvk)
	}
	return items, list.Metadata.Continue, nil
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
