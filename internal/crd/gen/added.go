package main

import (
	"encoding/json"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// depending are the kinds whose spec.dependsOn may name a unit of the other
// kind too: a field that Flux does not have and would drop.
var depending = []string{"HelmRelease", "Kustomization"}

// add lays the fields of our own over a schema.
func add(kind string, s *props) {
	for _, k := range depending {
		if k == kind {
			addDependencyKind(s)
		}
	}
}

func addDependencyKind(s *props) {
	spec := s.Properties["spec"]
	deps, ok := spec.Properties["dependsOn"]
	if !ok || deps.Items == nil || deps.Items.Schema == nil {
		return
	}
	field := props{Type: "string"}
	for _, k := range depending {
		text, _ := json.Marshal(k) // a string always encodes
		field.Enum = append(field.Enum, apiextensionsv1.JSON{Raw: text})
	}
	deps.Items.Schema.Properties["kind"] = field
}
