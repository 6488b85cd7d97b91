package flux

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/unit"
)

// typed are the Go types of kinds: what goes through one comes out as upstream's
// program writes it: durations in full, fields that are empty left out.
var typed = map[string]func() any{
	unit.KustomizationKind: func() any { return &kustomizev1.Kustomization{} },
	unit.HelmReleaseKind:   func() any { return &helmv2.HelmRelease{} },
	"GitRepository":        func() any { return &sourcev1.GitRepository{} },
	"OCIRepository":        func() any { return &sourcev1.OCIRepository{} },
	"Bucket":               func() any { return &sourcev1.Bucket{} },
	"HelmRepository":       func() any { return &sourcev1.HelmRepository{} },
	"HelmChart":            func() any { return &sourcev1.HelmChart{} },
	"ExternalArtifact":     func() any { return &sourcev1.ExternalArtifact{} },
	"ArtifactGenerator":    func() any { return &swapi.ArtifactGenerator{} },
}

// Exported writes an object as one would keep it in Git: identity, labels,
// annotations and spec, as a YAML document with its separator
// (flux2 v2.9.5, cmd/flux/export.go).
func Exported(k Kind, obj *unstructured.Unstructured) ([]byte, error) {
	kept := map[string]any{"apiVersion": k.GroupVersion().String(), "kind": k.Kind, "metadata": keptMeta(obj)}
	if spec, found := obj.Object["spec"]; found {
		kept["spec"] = spec
	}
	fresh := typed[k.Kind]
	if fresh == nil {
		return document(canonical(kept))
	}
	into := fresh()
	if err := recode(kept, into); err != nil {
		return nil, fmt.Errorf("export %s %s/%s: %w", k.Kind, obj.GetNamespace(), obj.GetName(), err)
	}
	return document(into)
}

func keptMeta(obj *unstructured.Unstructured) map[string]any {
	kept := map[string]any{"name": obj.GetName()}
	if ns := obj.GetNamespace(); ns != "" {
		kept["namespace"] = ns
	}
	if labels := obj.GetLabels(); len(labels) > 0 {
		kept["labels"] = labels
	}
	if annotations := obj.GetAnnotations(); len(annotations) > 0 {
		kept["annotations"] = annotations
	}
	return kept
}

// canonical writes the durations of a spec in full and leaves out suspend: false,
// for kinds whose types are not linked in.
func canonical(kept map[string]any) map[string]any {
	spec, _ := kept["spec"].(map[string]any)
	for _, field := range []string{"interval", "timeout"} {
		if set, ok := spec[field].(string); ok {
			if d, err := time.ParseDuration(set); err == nil {
				spec[field] = d.String()
			}
		}
	}
	if spec["suspend"] == false {
		delete(spec, "suspend")
	}
	return kept
}

// ExportedSecret writes a Secret as Exported does.
func ExportedSecret(obj *unstructured.Unstructured) ([]byte, error) {
	var s corev1.Secret
	if err := recode(obj.Object, &s); err != nil {
		return nil, fmt.Errorf("export Secret %s/%s: %w", obj.GetNamespace(), obj.GetName(), err)
	}
	return document(corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace},
		Data:       s.Data, Type: s.Type,
	})
}

// CredentialsOf is the name of the Secret that a source is read with, in its
// namespace.
func CredentialsOf(obj *unstructured.Unstructured) string {
	if obj.GetKind() == unit.HelmChartKind {
		return ""
	}
	return text(obj, "spec", "secretRef", "name")
}

// StatusText writes the status of a Kustomization or HelmRelease as YAML
// (flux2 v2.9.5, cmd/flux/debug_*.go).
func StatusText(obj *unstructured.Unstructured) ([]byte, error) {
	status, _, err := states(obj)
	if err != nil {
		return nil, err
	}
	return yaml.Marshal(status)
}

// HistoryText writes what a status keeps of earlier runs or releases.
func HistoryText(obj *unstructured.Unstructured) ([]byte, error) {
	if kept, _, _ := unstructured.NestedSlice(obj.Object, "status", "history"); len(kept) == 0 {
		return []byte("[]\n"), nil
	}
	_, history, err := states(obj)
	if err != nil {
		return nil, err
	}
	return yaml.Marshal(history)
}

// states reads a status and its history through their types.
func states(obj *unstructured.Unstructured) (status, history any, err error) {
	if obj.GetKind() == unit.KustomizationKind {
		var ks kustomizev1.Kustomization
		err := recode(obj.Object, &ks)
		return ks.Status, ks.Status.History, err
	}
	var hr helmv2.HelmRelease
	err = recode(obj.Object, &hr)
	return hr.Status, hr.Status.History, err
}

func recode(from map[string]any, into any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func document(value any) ([]byte, error) {
	data, err := yaml.Marshal(value)
	if err != nil {
		return nil, err
	}
	data = bytes.Replace(data, []byte("  creationTimestamp: null\n"), nil, 1)
	data = bytes.Replace(data, []byte("status: {}\n"), nil, 1)
	return append(append([]byte("---\n"), bytes.TrimSpace(data)...), '\n'), nil
}
