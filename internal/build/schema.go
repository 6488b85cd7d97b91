package build

import (
	"sync"

	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// kustomize keeps the OpenAPI schema of Kubernetes in variables of the process
// (docs/design/0001-kustomize-globals.md). Once the built-in schema is parsed,
// a build without an openapi field only reads it, so such builds run side by
// side; a build with that field runs alone and the built-in schema is put back
// after it.
var schema struct {
	sync.RWMutex
	once sync.Once
}

// withSchema runs f while the process's schema is the built-in one, or, when
// alone is set, while no other build runs.
func withSchema(alone bool, f func()) {
	schema.once.Do(resetSchema)
	if !alone {
		schema.RLock()
		defer schema.RUnlock()
		f()
		return
	}
	schema.Lock()
	defer schema.Unlock()
	defer resetSchema()
	f()
}

// resetSchema drops every schema and parses the built-in one.
func resetSchema() {
	openapi.ResetOpenAPI()
	openapi.Schema()
}
