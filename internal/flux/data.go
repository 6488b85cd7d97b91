package flux

import (
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// DataOf is the data of a ConfigMap, or that of a Secret decoded.
func DataOf(obj *unstructured.Unstructured) (map[string][]byte, error) {
	data, _, err := unstructured.NestedStringMap(obj.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read data of %s: %w", object.KeyOf(obj), err)
	}
	out := make(map[string][]byte, len(data))
	for name, value := range data {
		out[name] = []byte(value)
		if obj.GetKind() == "Secret" {
			if out[name], err = base64.StdEncoding.DecodeString(value); err != nil {
				return nil, fmt.Errorf("read data %s of %s: it is not base64", name, object.KeyOf(obj))
			}
		}
	}
	return out, nil
}

// The pages on which Flux documents statuses; `debug` names them first.
const (
	kustomizationPage = "https://fluxcd.io/flux/components/kustomize/kustomizations/"
	releasePage       = "https://fluxcd.io/flux/components/helm/helmreleases/"
)

// StatusLink says where a kind's status is documented.
func StatusLink(k Kind) string {
	if k.Kind == unit.KustomizationKind {
		return "# Status documentation: " + kustomizationPage + "#kustomization-status"
	}
	return "# Status documentation: " + releasePage + "#helmrelease-status"
}

// HistoryLink says where a kind's history is documented.
func HistoryLink(k Kind) string {
	if k.Kind == unit.KustomizationKind {
		return "# History documentation: " + kustomizationPage + "#history"
	}
	return "# History documentation: " + releasePage + "#history"
}
