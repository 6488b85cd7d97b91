package fluxcli

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// objects prints the objects themselves: one that was asked for by name, else a
// List.
func (p *program) objects(q getQuery, objs []*unstructured.Unstructured) error {
	if len(q.args) > 0 && len(objs) == 0 {
		return p.nothing(q)
	}
	items := make([]any, 0, len(objs))
	for _, obj := range objs {
		unstructured.RemoveNestedField(obj.Object, "metadata", "managedFields")
		items = append(items, obj.Object)
	}
	if len(q.args) > 0 && len(items) == 1 {
		return p.encode(q.output, items[0])
	}
	return p.encode(q.output, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}

// encode prints a value as JSON or YAML.
func (p *program) encode(format string, value any) error {
	switch format {
	case "json":
		e := json.NewEncoder(p.Out)
		e.SetIndent("", "  ")
		return e.Encode(value)
	case "yaml":
		text, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = p.Out.Write(text)
		return err
	}
	return fmt.Errorf("--output %q: want json or yaml", format)
}
