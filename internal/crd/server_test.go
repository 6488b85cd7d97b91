package crd_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/leat-dev/leat/internal/crd"
)

type object = map[string]any

// A server does with objects what the API server does for one version of a
// kind. It never forgives an old fault in an unchanged value (ratcheting), so
// what passes here passes on servers with and without that.
type server struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

func newServer(s *apiextensionsv1.JSONSchemaProps) (*server, error) {
	var internal apiextensions.JSONSchemaProps
	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(s, &internal, nil)
	if err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(&internal)
	if err != nil {
		return nil, err
	}
	schema, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		return nil, err
	}
	rules := cel.NewValidator(structural, true, celconfig.PerCallLimit)
	return &server{structural: structural, schema: schema, rules: rules}, nil
}

var servers = map[string]*server{}

// serverFor returns the server for an object's apiVersion and kind.
func serverFor(t *testing.T, o object) *server {
	t.Helper()
	key := fmt.Sprint(o["apiVersion"], " ", o["kind"])
	if s := servers[key]; s != nil {
		return s
	}
	group, version, _ := strings.Cut(o["apiVersion"].(string), "/")
	c, ok := crd.ByKind(group, o["kind"].(string))
	if !ok {
		t.Fatalf("no kind %s", key)
	}
	for _, v := range c.Spec.Versions {
		if v.Name == version {
			s, err := newServer(v.Schema.OpenAPIV3Schema)
			if err != nil {
				t.Fatal(err)
			}
			servers[key] = s
			return s
		}
	}
	t.Fatalf("no version of %s", key)
	return nil
}

// write returns the object as it would be stored, and the faults for which it
// would be refused. old is nil for a new object.
func (s *server) write(o, old object) (object, []string) {
	stored := s.read(o)
	faults := s.faults(stored, old)
	return stored, faults
}

// read returns the object with unknown fields removed and defaults filled in.
func (s *server) read(o object) object {
	o = runtime.DeepCopyJSON(o)
	pruning.Prune(o, s.structural, true)
	defaulting.Default(o, s.structural)
	return o
}

func (s *server) faults(o, old object) []string {
	errs := validation.ValidateCustomResource(nil, o, s.schema)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, o)...)
	if s.rules != nil {
		var was any
		if old != nil {
			was = old
		}
		more, _ := s.rules.Validate(context.Background(), nil, s.structural, o, was, celconfig.RuntimeCELCostBudget)
		errs = append(errs, more...)
	}
	var faults []string
	for _, err := range errs {
		faults = append(faults, err.Error())
	}
	return faults
}

// as returns the object under another version of its kind.
func as(o object, version string) object {
	o = runtime.DeepCopyJSON(o)
	group, _, _ := strings.Cut(o["apiVersion"].(string), "/")
	o["apiVersion"] = group + "/" + version
	return o
}

// newest returns the object under the version in which it is stored.
func newest(o object) object {
	group, _, _ := strings.Cut(o["apiVersion"].(string), "/")
	return as(o, crd.StorageVersion(group, o["kind"].(string)))
}
