package schema

import (
	"context"
	"fmt"
	"sync"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// Decode does to obj what reading a request does: fields that the schema does
// not have are dropped, values take their canonical form, defaults are set.
// What cannot be read is an error.
func (k *Kind) Decode(obj *unstructured.Unstructured) error {
	if err := k.Normalize(obj); err != nil {
		return err
	}
	k.Default(obj)
	return nil
}

// Normalize is Decode without the defaults.
func (k *Kind) Normalize(obj *unstructured.Unstructured) error {
	switch {
	case k.goTyped:
		return k.throughGo(obj)
	case k.custom != nil:
		return coerce(obj, k.custom.schema)
	}
	return nil
}

// throughGo lets the Go type of a built-in kind read and write obj.
func (k *Kind) throughGo(obj *unstructured.Unstructured) error {
	typed, err := scheme().New(k.GVK)
	if err != nil {
		return fmt.Errorf("type of %s: %w", k.GVK, err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, typed); err != nil {
		return fmt.Errorf("read %s %s: %w", k.GVK.Kind, obj.GetName(), err)
	}
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", k.GVK.Kind, obj.GetName(), err)
	}
	gvk := obj.GroupVersionKind()
	obj.Object = out
	obj.SetGroupVersionKind(gvk)
	if k.keepsEmpty() {
		return nil
	}
	forgetEmpty(obj.Object)
	return nil
}

// keepsEmpty tells whether objects of the kind hold free JSON, or are stored as
// JSON. The others are stored as protobuf, which has no empty lists.
func (k *Kind) keepsEmpty() bool {
	return k.GVK.Group == DefinitionKind.Group || k.GVK.Kind == "ControllerRevision"
}

// forgetEmpty makes empty lists null.
func forgetEmpty(o map[string]any) {
	for k, v := range o {
		switch v := v.(type) {
		case map[string]any:
			forgetEmpty(v)
		case []any:
			if len(v) == 0 {
				o[k] = nil
			}
			for _, m := range mapsIn(v) {
				forgetEmpty(m)
			}
		}
	}
}

// Empty returns the object that a first write starts from.
func (k *Kind) Empty() *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{}}}
	u.SetGroupVersionKind(k.GVK)
	if k.goTyped {
		if err := k.throughGo(u); err == nil && u.Object["metadata"] == nil {
			u.Object["metadata"] = map[string]any{}
		}
	}
	return u
}

// coerce prunes a custom object and its metadata.
func coerce(obj *unstructured.Unstructured, s *structural.Structural) error {
	apiVersion, kind := obj.GetAPIVersion(), obj.GetKind()
	metadata, found, err := objectmeta.GetObjectMeta(obj.Object, false)
	if err != nil {
		return fmt.Errorf("read metadata of %s: %w", kind, err)
	}
	pruning.Prune(obj.Object, s, true)
	defaulting.PruneNonNullableNullsWithoutDefaults(obj.Object, s)
	if err := objectmeta.Coerce(nil, obj.Object, s, false, false); err != nil {
		return err
	}
	obj.SetAPIVersion(apiVersion)
	obj.SetKind(kind)
	if !found {
		return nil
	}
	return objectmeta.SetObjectMeta(obj.Object, metadata)
}

// Default sets what the schema says of fields that obj leaves out. For built-in
// kinds that is the committed list of defaults.txt.
func (k *Kind) Default(obj *unstructured.Unstructured) {
	switch {
	case k.custom != nil:
		defaulting.Default(obj.Object, k.custom.schema)
	case k.goTyped:
		defaultBuiltin(obj)
	}
}

// StrategicMerge merges a strategic merge patch into an object of a built-in
// kind and returns the result; original may be changed.
func (k *Kind) StrategicMerge(original, patch map[string]any) (map[string]any, error) {
	typed, err := scheme().New(k.GVK)
	if err != nil {
		return nil, fmt.Errorf("type of %s: %w", k.GVK, err)
	}
	return strategicpatch.StrategicMergeMapPatch(original, patch, typed)
}

// Store makes an object what is kept of it: built-in ones in their canonical
// form, custom ones pruned to the storage version and with its defaults, whatever
// the version they were written in.
func (k *Kind) Store(obj *unstructured.Unstructured) error {
	if k.custom == nil {
		return k.Normalize(obj)
	}
	if err := coerce(obj, k.custom.storage); err != nil {
		return err
	}
	defaulting.Default(obj.Object, k.custom.storage)
	return nil
}

// View does to a kept object what reading it through this version does: fields
// that the version lacks do not show.
func (k *Kind) View(obj *unstructured.Unstructured) {
	if k.custom != nil && k.custom.storage != k.custom.schema {
		pruning.Prune(obj.Object, k.custom.schema, true)
	}
}

// checks validate custom objects; they are compiled when first used, since few
// kinds of a cluster are ever written.
type checks struct {
	once   sync.Once
	in     *internal.JSONSchemaProps
	schema *structural.Structural

	validator validation.SchemaValidator
	rules     *cel.Validator
	err       error
}

func newChecks(in *internal.JSONSchemaProps, s *structural.Structural) *checks {
	return &checks{in: in, schema: s}
}

func (c *checks) compile() {
	c.validator, _, c.err = validation.NewSchemaValidator(c.in)
	c.rules = cel.NewValidator(c.schema, true, celconfig.PerCallLimit)
}

// Validate returns what the schema refuses of obj; old is nil on creation.
func (k *Kind) Validate(ctx context.Context, obj, old *unstructured.Unstructured) field.ErrorList {
	if k.custom == nil {
		return validateBuiltin(obj, old)
	}
	c := k.custom.checks
	c.once.Do(c.compile)
	if c.err != nil {
		return field.ErrorList{field.InternalError(nil, c.err)}
	}
	var was any
	var errs field.ErrorList
	if old == nil {
		errs = validation.ValidateCustomResource(nil, obj.Object, c.validator)
	} else {
		was = old.Object
		errs = validation.ValidateCustomResourceUpdate(nil, obj.Object, old.Object, c.validator)
	}
	errs = append(errs, objectmeta.Validate(nil, obj.Object, c.schema, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, c.schema, obj.Object)...)
	if len(errs) == 0 && c.rules != nil {
		broken, _ := c.rules.Validate(ctx, nil, c.schema, obj.Object, was, celconfig.RuntimeCELCostBudget)
		errs = append(errs, broken...)
	}
	return errs
}
