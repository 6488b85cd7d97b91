package build

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
)

// finish makes objects of kustomize's output: decoded, labelled with their
// owner, normalised, with the common metadata on top, in this order as in Flux.
func finish(docs []document, r Recipe, warnings []string) (Result, error) {
	result := Result{Checksum: hash.Of(joined(docs)).String(), Warnings: warnings}
	id := hash.New("build.result/v1")
	for _, doc := range docs {
		if doc.done != nil {
			for _, o := range doc.done.objects {
				result.Objects = append(result.Objects, o)
				id.Bytes(o.JSON)
			}
			continue
		}
		found, err := doc.objects()
		if err != nil {
			return Result{}, err
		}
		for _, u := range found {
			o, err := r.complete(u)
			if err != nil {
				return Result{}, err
			}
			result.Objects = append(result.Objects, o)
			id.Bytes(o.JSON)
		}
	}
	result.ID = id.Sum()
	return result, nil
}

// joined is the output as kustomize prints it.
func joined(docs []document) []byte {
	var out []byte
	for i, doc := range docs {
		if i > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, doc.text...)
	}
	return out
}

// objects decodes one document. A list yields its items; what has no kind and
// name, and kustomize's own configuration, yields nothing.
func (d document) objects() ([]*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: d.values}
	if d.values == nil {
		data, err := yaml.YAMLToJSON(d.text)
		if err != nil {
			return nil, fmt.Errorf("decode kustomize's output: %w", err)
		}
		if err := u.UnmarshalJSON(data); err != nil {
			return nil, fmt.Errorf("decode kustomize's output: %w", err)
		}
	}
	if u.IsList() {
		var out []*unstructured.Unstructured
		err := u.EachListItem(func(item runtime.Object) error {
			out = append(out, item.(*unstructured.Unstructured))
			return nil
		})
		return out, err
	}
	if u.GetName() == "" || u.GetKind() == "" || u.GetAPIVersion() == "" || isKustomizeConfig(u) {
		return nil, nil
	}
	return []*unstructured.Unstructured{u}, nil
}

func isKustomizeConfig(u *unstructured.Unstructured) bool {
	return strings.EqualFold(u.GetKind(), "kustomization") &&
		strings.HasPrefix(u.GetAPIVersion(), "kustomize.config.k8s.io/")
}

// complete makes the object that is applied.
func (r Recipe) complete(u *unstructured.Unstructured) (Object, error) {
	if err := refuseEncrypted(u); err != nil {
		return Object{}, err
	}
	if r.OwnerName != "" {
		u.SetLabels(merged(u.GetLabels(), map[string]string{
			object.OwnerName: r.OwnerName, object.OwnerNamespace: r.OwnerNamespace,
		}))
	}
	written := u.Object
	if err := Normalize(u); err != nil {
		return Object{}, fmt.Errorf("normalise %s: %w", object.KeyOf(u), err)
	}
	gone := dropped(written, u.Object)
	if labels := merged(u.GetLabels(), r.CommonLabels); len(labels) > 0 {
		u.SetLabels(labels)
	}
	if annotations := merged(u.GetAnnotations(), r.CommonAnnotations); len(annotations) > 0 {
		u.SetAnnotations(annotations)
	}
	text, err := u.MarshalJSON()
	if err != nil {
		return Object{}, fmt.Errorf("encode %s: %w", object.KeyOf(u), err)
	}
	return Object{Ref: object.RefOf(u), JSON: bytes.TrimSuffix(text, []byte("\n")), Dropped: gone}, nil
}

func merged(a, b map[string]string) map[string]string {
	if len(b) == 0 {
		return a
	}
	out := maps.Clone(a)
	if out == nil {
		out = make(map[string]string, len(b))
	}
	maps.Copy(out, b)
	return out
}

// refuseEncrypted refuses a Secret that SOPS encrypted and nothing decrypted,
// before its ciphertext could reach the cluster.
func refuseEncrypted(u *unstructured.Unstructured) error {
	if u.GetKind() != "Secret" || u.GetAPIVersion() != "v1" {
		return nil
	}
	if _, encrypted := u.Object["sops"]; !encrypted {
		return nil
	}
	if strings.EqualFold(u.GetAnnotations()[object.AnnotationDecrypt], "disabled") {
		return nil
	}
	return fmt.Errorf("%s is SOPS encrypted, configuring decryption is required for this secret to be reconciled", object.KeyOf(u))
}
