package helm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/leat-dev/leat/internal/object"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// lookAhead is how far the reader looks to tell JSON from YAML, in bytes.
const lookAhead = 4096

// inventory returns what a release consists of: the objects of its manifest and
// the CRDs of its chart, hooks and subcharts that are switched off left out
// (helm-controller v1.6.4 internal/inventory; the chart that is looked at there
// is the one that Helm has dropped those from).
func (r *run) inventory(rel *relv1.Release) *v2.ResourceInventory {
	entries, known := r.built[rel.Manifest]
	if !known {
		objects, err := readObjects(strings.NewReader(rel.Manifest))
		if err != nil {
			r.notes = append(r.notes, "failed to build inventory: "+r.lines.hide.text(err.Error()))
			return nil
		}
		for _, obj := range objects {
			r.placed(obj, rel.Namespace)
		}
		entries = r.entries(objects)
	}
	inv := &v2.ResourceInventory{Entries: slices.Clip(entries)}
	definitions, err := r.definitions()
	if err != nil {
		r.notes = append(r.notes, "failed to build inventory: "+r.lines.hide.text(err.Error()))
	}
	for _, crd := range definitions {
		objects, err := readObjects(bytes.NewReader(crd.File.Data))
		if err != nil {
			r.notes = append(r.notes, fmt.Sprintf("failed to read %s: %v", crd.Filename, err))
			continue
		}
		for _, obj := range objects {
			inv.Entries = append(inv.Entries, r.entry(obj))
		}
	}
	return inv
}

// entries are those of objects that stand where they belong, hooks left out.
func (r *run) entries(objects []*unstructured.Unstructured) []v2.ResourceRef {
	out := make([]v2.ResourceRef, 0, len(objects))
	for _, obj := range objects {
		if _, hook := obj.GetAnnotations()[relv1.HookAnnotation]; !hook {
			out = append(out, r.entry(obj))
		}
	}
	return out
}

func (r *run) entry(obj *unstructured.Unstructured) v2.ResourceRef {
	ref := object.RefOf(obj)
	return v2.ResourceRef{ID: object.InventoryID(ref.Key), Version: ref.Version}
}

// placed puts an object into a namespace if it needs one and names none, and into none
// if its kind has none.
func (r *run) placed(obj *unstructured.Unstructured, namespace string) *unstructured.Unstructured {
	mapping, err := r.cluster.kinds.mapping(obj.GroupVersionKind())
	if err != nil {
		if obj.GetNamespace() == "" {
			r.notes = append(r.notes, fmt.Sprintf("failed to determine if %s is namespace scoped, skipping namespace: %v", obj.GetKind(), err))
		}
		return obj
	}
	place(obj, mapping, namespace)
	return obj
}

// place gives an object the namespace in which it stands.
func place(obj *unstructured.Unstructured, mapping *meta.RESTMapping, namespace string) {
	switch namespaced := mapping.Scope.Name() == meta.RESTScopeNameNamespace; {
	case namespaced && obj.GetNamespace() == "":
		obj.SetNamespace(namespace)
	case !namespaced:
		obj.SetNamespace("")
	}
}

// readObjects returns the objects of a manifest, Lists taken apart. Its errors
// hold nothing of the documents.
func readObjects(manifest io.Reader) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(manifest, lookAhead)
	var out []*unstructured.Unstructured
	for n := 1; ; n++ {
		var raw runtime.RawExtension
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read document %d of the manifest: %w", n, err)
		}
		raw.Raw = bytes.TrimSpace(raw.Raw)
		if len(raw.Raw) == 0 || bytes.Equal(raw.Raw, []byte("null")) {
			continue
		}
		objects, err := flat(raw.Raw)
		if err != nil {
			return nil, fmt.Errorf("read document %d of the manifest: %w", n, err)
		}
		out = append(out, objects...)
	}
}

// flat returns the object of a document, or those of a List.
func flat(document []byte) ([]*unstructured.Unstructured, error) {
	obj, err := runtime.Decode(unstructured.UnstructuredJSONScheme, document)
	if err != nil {
		return nil, errors.New("it is no object with apiVersion and kind") // the decoder quotes it
	}
	if !obj.(runtime.Unstructured).IsList() {
		return []*unstructured.Unstructured{obj.(*unstructured.Unstructured)}, nil
	}
	var out []*unstructured.Unstructured
	err = meta.EachListItem(obj, func(item runtime.Object) error {
		out = append(out, item.(*unstructured.Unstructured))
		return nil
	})
	return out, err
}
