package schema

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// managers are the field managers of a kind, made when first asked for.
type managers struct {
	main, status         *managedfields.FieldManager
	mainOnce, statusOnce sync.Once
	err                  error
}

// Manager returns what tracks the owners of fields for writes of the kind, or
// of its status subresource.
func (k *Kind) Manager(subresource string) (*managedfields.FieldManager, error) {
	m := &k.managers
	if subresource == "" {
		m.mainOnce.Do(func() { m.main, m.err = k.newManager("") })
		return m.main, m.err
	}
	m.statusOnce.Do(func() { m.status, m.err = k.newManager(subresource) })
	return m.status, m.err
}

func (k *Kind) newManager(subresource string) (*managedfields.FieldManager, error) {
	newManager := managedfields.NewDefaultFieldManager
	if !k.goTyped {
		newManager = managedfields.NewDefaultCRDFieldManager
	}
	m, err := newManager(k.converter(), renamer{}, defaulter{k}, creator{k}, k.GVK, k.GVK.GroupVersion(),
		subresource, fieldpath.NewExcludeFilterSetMap(k.resets(subresource)))
	if err != nil {
		return nil, fmt.Errorf("field manager of %s: %w", k.GVK, err)
	}
	return m, nil
}

func (k *Kind) converter() managedfields.TypeConverter {
	if k.types == nil {
		return managedfields.NewDeducedTypeConverter()
	}
	return k.types()
}

// resets are the fields that a write leaves alone whatever it says of them: the
// status in writes of the object, all but the status in writes of the status.
func (k *Kind) resets(subresource string) map[fieldpath.APIVersion]*fieldpath.Set {
	if !k.Status {
		return nil
	}
	fields := fieldpath.NewSet(fieldpath.MakePathOrDie("status"))
	if subresource != "" {
		fields = fieldpath.NewSet(fieldpath.MakePathOrDie("spec"))
		if k.custom != nil {
			fields.Insert(fieldpath.MakePathOrDie("metadata"))
		}
	}
	all := map[fieldpath.APIVersion]*fieldpath.Set{}
	for _, v := range k.Versions {
		all[fieldpath.APIVersion(schema.GroupVersion{Group: k.GVK.Group, Version: v}.String())] = fields
	}
	return all
}

// renamer converts between versions by changing apiVersion, which is what the
// conversion strategy None does.
type renamer struct{}

func (renamer) Convert(in, out, context any) error {
	return fmt.Errorf("convert %T into %T: not needed by field managers", in, out)
}

func (renamer) ConvertToVersion(in runtime.Object, to runtime.GroupVersioner) (runtime.Object, error) {
	u, ok := in.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("convert %T: not unstructured", in)
	}
	gvk, ok := to.KindForGroupVersionKinds([]schema.GroupVersionKind{u.GroupVersionKind()})
	if !ok {
		return nil, fmt.Errorf("convert %s: no such version", u.GroupVersionKind())
	}
	if gvk == u.GroupVersionKind() {
		return u, nil
	}
	return As(u, gvk.Version), nil
}

func (renamer) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

// As returns u as seen through another version: the same content, renamed. It
// shares everything below the top level with u.
func As(u *unstructured.Unstructured, version string) *unstructured.Unstructured {
	gv := u.GroupVersionKind().GroupVersion()
	if gv.Version == version {
		return u
	}
	out := make(map[string]any, len(u.Object))
	for k, v := range u.Object {
		out[k] = v
	}
	out["apiVersion"] = schema.GroupVersion{Group: gv.Group, Version: version}.String()
	return &unstructured.Unstructured{Object: out}
}

type defaulter struct{ kind *Kind }

func (d defaulter) Default(in runtime.Object) {
	if u, ok := in.(*unstructured.Unstructured); ok {
		d.kind.Default(u)
	}
}

type creator struct{ kind *Kind }

func (c creator) New(schema.GroupVersionKind) (runtime.Object, error) { return c.kind.Empty(), nil }
