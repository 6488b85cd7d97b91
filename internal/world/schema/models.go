package schema

import (
	"fmt"
	"maps"
	"sync"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

const modelPrefix = "#/components/schemas/"

// metaModels are the schemas of metadata: ObjectMeta and what it refers to.
var metaModels = sync.OnceValue(func() map[string]*spec.Schema {
	return modelsOf(metav1.ObjectMeta{}.OpenAPIModelName())
})

// definitionTypes are the merge types of CustomResourceDefinition itself, which
// client-go does not carry.
var definitionTypes = sync.OnceValue(func() managedfields.TypeConverter {
	name := apiextensions.CustomResourceDefinition{}.OpenAPIModelName()
	models := modelsOf(name)
	models[name] = named(*models[name], apiextensions.SchemeGroupVersion.WithKind(DefinitionKind.Kind))
	types, err := managedfields.NewTypeConverter(models, false)
	utilruntime.Must(err)
	return types
})

// modelsOf returns the schema of a Go type and of all it refers to.
func modelsOf(name string) map[string]*spec.Schema {
	definitions := openapi.GetOpenAPIDefinitions(func(name string) spec.Ref {
		return spec.MustCreateRef(modelPrefix + name)
	})
	models := map[string]*spec.Schema{}
	todo := []string{name}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if models[name] == nil {
			definition := definitions[name]
			models[name] = &definition.Schema
			todo = append(todo, definition.Dependencies...)
		}
	}
	return models
}

// named says of which kind a schema is.
func named(s spec.Schema, gvk schema.GroupVersionKind) *spec.Schema {
	s.AddExtension("x-kubernetes-group-version-kind", []any{
		map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind},
	})
	return &s
}

// customTypes builds the merge types of all versions of a custom kind, the way
// the API server does for its apply handler: without validations, metadata and
// embedded resources typed.
func customTypes(gk schema.GroupKind, of map[string]*custom) (managedfields.TypeConverter, error) {
	models := maps.Clone(metaModels())
	for v, c := range of {
		models["custom."+v] = customModel(gk.WithVersion(v), c.schema)
	}
	types, err := managedfields.NewTypeConverter(models, false)
	if err != nil {
		return nil, fmt.Errorf("build merge types: %w", err)
	}
	return types, nil
}

func customModel(gvk schema.GroupVersionKind, s *structural.Structural) *spec.Schema {
	model := s.Unfold().StripValueValidations().StripNullable().ToKubeOpenAPI()
	addObjectProperties(model)
	for name, p := range model.Properties {
		addEmbedded(&p)
		model.Properties[name] = p
	}
	return named(*model, gvk)
}

func addObjectProperties(s *spec.Schema) {
	s.SetProperty("apiVersion", *spec.StringProperty())
	s.SetProperty("kind", *spec.StringProperty())
	s.SetProperty("metadata", *spec.RefSchema(modelPrefix + metav1.ObjectMeta{}.OpenAPIModelName()))
}

// addEmbedded types the metadata of embedded resources, however deep.
func addEmbedded(s *spec.Schema) {
	if s == nil {
		return
	}
	for name, p := range s.Properties {
		addEmbedded(&p)
		s.Properties[name] = p
	}
	if s.Items != nil {
		addEmbedded(s.Items.Schema)
	}
	if s.AdditionalProperties != nil {
		addEmbedded(s.AdditionalProperties.Schema)
	}
	if embedded, _ := s.Extensions.GetBool("x-kubernetes-embedded-resource"); embedded {
		addObjectProperties(s)
	}
}
