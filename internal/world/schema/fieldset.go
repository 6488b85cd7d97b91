package schema

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// unowned are the fields that managedFields never holds
// (apimachinery pkg/util/managedfields/internal/stripmeta.go).
var unowned = fieldpath.NewSet(
	fieldpath.MakePathOrDie("apiVersion"),
	fieldpath.MakePathOrDie("kind"),
	fieldpath.MakePathOrDie("metadata"),
	fieldpath.MakePathOrDie("metadata", "name"),
	fieldpath.MakePathOrDie("metadata", "namespace"),
	fieldpath.MakePathOrDie("metadata", "creationTimestamp"),
	fieldpath.MakePathOrDie("metadata", "selfLink"),
	fieldpath.MakePathOrDie("metadata", "uid"),
	fieldpath.MakePathOrDie("metadata", "clusterName"),
	fieldpath.MakePathOrDie("metadata", "generation"),
	fieldpath.MakePathOrDie("metadata", "managedFields"),
	fieldpath.MakePathOrDie("metadata", "resourceVersion"),
)

// FieldSet returns the fields that a manager owns once it applied obj. Fields
// that the schema does not have are an error, as they are to the API server.
func (k *Kind) FieldSet(obj *unstructured.Unstructured) (*fieldpath.Set, error) {
	typed, err := k.converter().ObjectToTyped(obj)
	if err != nil {
		return nil, fmt.Errorf("type %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	set, err := typed.ToFieldSet()
	if err != nil {
		return nil, fmt.Errorf("field set of %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	set = set.Difference(unowned)
	for version, reset := range k.resets("") {
		if string(version) == obj.GetAPIVersion() {
			set = fieldpath.NewExcludeSetFilter(reset).Filter(set)
		}
	}
	return set, nil
}

// FieldsV1 returns FieldSet in the JSON form of an entry of managedFields.
func (k *Kind) FieldsV1(obj *unstructured.Unstructured) ([]byte, error) {
	set, err := k.FieldSet(obj)
	if err != nil {
		return nil, err
	}
	return set.ToJSON()
}
