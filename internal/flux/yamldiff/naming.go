package yamldiff

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// identifiers are fields that name the items of a list, the best first.
var identifiers = []string{"name", "key", "id", "manager"}

// guessed is the number of items above which any field with different texts in
// all of them is taken for their name.
const guessed = 3

// naming returns what names the items of both lists; nil where nothing does.
func naming(a, b *yaml.Node) func(*yaml.Node) string {
	for _, field := range identifiers {
		if tells(a, field, "") && tells(b, field, "") {
			return by(field)
		}
	}
	for _, field := range fieldsOf(a) {
		if len(a.Content) > guessed && tells(a, field, "!!str") && tells(b, field, "!!str") {
			return by(field)
		}
	}
	if objects(a) && objects(b) {
		return resource
	}
	return nil
}

func by(field string) func(*yaml.Node) string {
	return func(item *yaml.Node) string {
		if value := lookup(item, field); value != nil {
			return value.Value
		}
		return ""
	}
}

// tells tells whether a field is in every item, each time with another value; of
// a type where that is given.
func tells(list *yaml.Node, field, tag string) bool {
	values := map[string]bool{}
	for _, item := range list.Content {
		if item.Kind != yaml.MappingNode {
			return false
		}
		value := lookup(item, field)
		if value == nil || tag != "" && value.Tag != tag {
			return false
		}
		values[value.Value] = true
	}
	return len(values) == len(list.Content) && len(values) > 0
}

func fieldsOf(list *yaml.Node) []string {
	var out []string
	for _, item := range list.Content {
		if item.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(item.Content); i += 2 {
				out = append(out, item.Content[i].Value)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// resource names a Kubernetes object: apiVersion/kind[/namespace]/name.
func resource(item *yaml.Node) string {
	if item.Kind != yaml.MappingNode {
		return ""
	}
	version, kind, meta := lookup(item, "apiVersion"), lookup(item, "kind"), lookup(item, "metadata")
	if version == nil || kind == nil || meta == nil {
		return ""
	}
	parts := []string{version.Value, kind.Value}
	if namespace := lookup(meta, "namespace"); namespace != nil {
		parts = append(parts, namespace.Value)
	}
	name := lookup(meta, "name")
	if name == nil {
		return ""
	}
	return strings.Join(append(parts, name.Value), "/")
}

func objects(list *yaml.Node) bool {
	return !slices.ContainsFunc(list.Content, func(item *yaml.Node) bool { return resource(item) == "" })
}
