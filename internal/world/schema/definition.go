package schema

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/world"
)

// DefinitionKind is the kind that makes kinds.
var DefinitionKind = schema.GroupKind{Group: apiextensions.GroupName, Kind: "CustomResourceDefinition"}

// Definition is a compiled CustomResourceDefinition.
type Definition struct {
	GroupKind schema.GroupKind
	// Storage is the version that objects are kept in.
	Storage string
	served  versions
}

// custom is what a definition knows of one version of its kind.
type custom struct {
	schema  *structural.Structural // defaults pruned, as the API server holds it
	storage *structural.Structural // of the storage version
	checks  *checks
}

// Compile reads a CustomResourceDefinition. Objects are converted between its
// versions by their name alone: a definition that asks for a webhook is taken
// as if it did not.
func Compile(u *unstructured.Unstructured) (*Definition, error) {
	crd := &apiextensions.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, crd); err != nil {
		return nil, fmt.Errorf("read CustomResourceDefinition %s: %w", u.GetName(), err)
	}
	d := &Definition{
		GroupKind: schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind},
		served:    versions{kinds: map[string]*Kind{}},
	}
	if err := d.compile(crd); err != nil {
		return nil, fmt.Errorf("compile CustomResourceDefinition %s: %w", u.GetName(), err)
	}
	return d, nil
}

func (d *Definition) compile(crd *apiextensions.CustomResourceDefinition) error {
	schemas := map[string]*custom{}
	for _, v := range crd.Spec.Versions {
		c, err := compileVersion(crd, v)
		if err != nil {
			return fmt.Errorf("version %s: %w", v.Name, err)
		}
		schemas[v.Name] = c
		if v.Storage {
			d.Storage = v.Name
		}
	}
	if d.Storage == "" {
		return errors.New("no version is the storage version")
	}
	types, err := customTypes(d.GroupKind, schemas)
	if err != nil {
		return err
	}
	for _, v := range crd.Spec.Versions {
		schemas[v.Name].storage = schemas[d.Storage].schema
		if v.Served {
			d.served.order = append(d.served.order, v.Name)
			d.served.kinds[v.Name] = d.kind(crd, v, schemas[v.Name], types)
		}
	}
	slices.SortFunc(d.served.order, func(a, b string) int { return version.CompareKubeAwareVersionStrings(b, a) })
	for _, k := range d.served.kinds {
		k.Versions = d.served.order
	}
	return nil
}

func (d *Definition) kind(crd *apiextensions.CustomResourceDefinition, v apiextensions.CustomResourceDefinitionVersion, c *custom, types managedfields.TypeConverter) *Kind {
	return &Kind{
		Mapping: world.Mapping{
			GVK:        d.GroupKind.WithVersion(v.Name),
			Resource:   crd.Spec.Names.Plural,
			Namespaced: crd.Spec.Scope == apiextensions.NamespaceScoped,
		},
		Status:  v.Subresources != nil && v.Subresources.Status != nil,
		Counted: true,
		types:   func() managedfields.TypeConverter { return types },
		custom:  c,
	}
}

func compileVersion(crd *apiextensions.CustomResourceDefinition, v apiextensions.CustomResourceDefinitionVersion) (*custom, error) {
	validation, err := apihelpers.GetSchemaForVersion(crd, v.Name)
	if err != nil {
		return nil, err
	}
	if validation == nil || validation.OpenAPIV3Schema == nil {
		return nil, errors.New("spec.versions[].schema.openAPIV3Schema is required")
	}
	var in internal.CustomResourceValidation
	if err := apiextensions.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(validation, &in, nil); err != nil {
		return nil, err
	}
	s, err := structural.NewStructural(in.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	if errs := structural.ValidateStructural(nil, s); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	if err := defaulting.PruneDefaults(s); err != nil {
		return nil, err
	}
	return &custom{schema: s, checks: newChecks(in.OpenAPIV3Schema, s)}, nil
}

func decodeYAML(data []byte) (*unstructured.Unstructured, error) {
	data, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	return u, json.Unmarshal(data, &u.Object)
}
