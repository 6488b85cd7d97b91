package fluxcli

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/flux"
)

// objects prints the objects themselves: one that was asked for by name, else a
// List.
func (p *program) objects(format string, k flux.Kind, objs []*unstructured.Unstructured, args []string) error {
	if len(args) > 0 && len(objs) == 0 {
		return p.nothing(k, &getFlags{}, args)
	}
	items := make([]any, 0, len(objs))
	for _, obj := range objs {
		unstructured.RemoveNestedField(obj.Object, "metadata", "managedFields")
		items = append(items, obj.Object)
	}
	if len(args) > 0 && len(items) == 1 {
		return p.encode(format, items[0])
	}
	return p.encode(format, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
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
