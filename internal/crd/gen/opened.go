package main

import (
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// opened lists enums that are not kept, because real fleets hold other values
// which do no harm: an Alert that names kinds of an operator beside Flux hears
// of them as soon as they send events. Paths go through list items by [].
var opened = map[string]string{
	"Alert": "spec.eventSources.[].kind",
}

// open drops the enums of opened from all versions of a definition.
func open(c *apiextensionsv1.CustomResourceDefinition) {
	path, ok := opened[c.Spec.Names.Kind]
	if !ok {
		return
	}
	for i := range c.Spec.Versions {
		if s := c.Spec.Versions[i].Schema; s != nil && s.OpenAPIV3Schema != nil {
			dropEnum(s.OpenAPIV3Schema, strings.Split(path, "."))
		}
	}
}

func dropEnum(s *apiextensionsv1.JSONSchemaProps, fields []string) {
	switch {
	case len(fields) == 0:
		s.Enum = nil
	case fields[0] == "[]":
		if s.Items != nil && s.Items.Schema != nil {
			dropEnum(s.Items.Schema, fields[1:])
		}
	default:
		if below, ok := s.Properties[fields[0]]; ok {
			dropEnum(&below, fields[1:])
			s.Properties[fields[0]] = below
		}
	}
}
