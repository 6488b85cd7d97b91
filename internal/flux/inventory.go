package flux

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/leat-dev/leat/internal/object"
)

// maxStored bounds a release as Helm stores it, unpacked; packed it fits a
// Secret, 1 MiB.
const maxStored = 64 << 20

// Inventory is what an object says it made: a Kustomization all that it applied,
// an ArtifactGenerator its ExternalArtifacts.
func Inventory(obj *unstructured.Unstructured) ([]object.Key, error) {
	if obj.GetKind() == "ArtifactGenerator" {
		return generated(obj), nil
	}
	entries, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory", "entries")
	var keys []object.Key
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		id, _ := fields["id"].(string)
		key, err := object.ParseInventoryID(id)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func generated(obj *unstructured.Unstructured) []object.Key {
	entries, _, _ := unstructured.NestedSlice(obj.Object, "status", "inventory")
	var keys []object.Key
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		name, _ := fields["name"].(string)
		namespace, _ := fields["namespace"].(string)
		keys = append(keys, object.Key{Group: object.GroupSource, Kind: "ExternalArtifact", Namespace: namespace, Name: name})
	}
	return keys
}

// Remote tells whether what an object made is in another cluster.
func Remote(obj *unstructured.Unstructured) bool {
	_, found, _ := unstructured.NestedMap(obj.Object, "spec", "kubeConfig")
	return found
}

// ReleaseOf reads a HelmRelease.
func ReleaseOf(obj *unstructured.Unstructured) (*helmv2.HelmRelease, error) {
	var hr helmv2.HelmRelease
	if err := recode(obj.Object, &hr); err != nil {
		return nil, fmt.Errorf("read %s: %w", object.KeyOf(obj), err)
	}
	return &hr, nil
}

// BringsCRDs tells whether CRDs outside of the manifest belong to a release.
func BringsCRDs(hr *helmv2.HelmRelease) bool {
	brings := func(p helmv2.CRDsPolicy) bool { return p != "" && p != helmv2.Skip }
	return hr.Spec.Install != nil && brings(hr.Spec.Install.CRDs) || hr.Spec.Upgrade != nil && brings(hr.Spec.Upgrade.CRDs)
}

// Stored are the objects of a release out of the Secret that Helm keeps it in:
// base64 (beside that of the Secret), gzip, JSON
// (helm v4.2.4, pkg/storage/driver/util.go).
func Stored(secret *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	packed, err := base64.StdEncoding.DecodeString(text(secret, "data", "release"))
	if err != nil {
		return nil, err
	}
	if packed, err = base64.StdEncoding.DecodeString(string(packed)); err != nil {
		return nil, err
	}
	plain, err := unpacked(packed)
	if err != nil {
		return nil, err
	}
	var release struct {
		Manifest string `json:"manifest"`
	}
	if err := json.Unmarshal(plain, &release); err != nil {
		return nil, err
	}
	return manifest(release.Manifest)
}

func unpacked(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b, 0x08}) {
		return data, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxStored+1))
	if err == nil && len(plain) > maxStored {
		err = fmt.Errorf("the release is larger than %d bytes", maxStored)
	}
	return plain, err
}

// manifest reads the objects of a manifest, lists opened.
func manifest(text string) ([]*unstructured.Unstructured, error) {
	documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 2048)
	var objs []*unstructured.Unstructured
	for {
		obj := &unstructured.Unstructured{}
		switch err := documents.Decode(&obj.Object); {
		case errors.Is(err, io.EOF):
			return objs, nil
		case err != nil:
			return nil, err
		case obj.IsList():
			if err := obj.EachListItem(func(item runtime.Object) error {
				objs = append(objs, item.(*unstructured.Unstructured))
				return nil
			}); err != nil {
				return nil, err
			}
		case obj.GetKind() != "" && obj.GetAPIVersion() != "" && obj.GetName() != "":
			objs = append(objs, obj)
		}
	}
}
