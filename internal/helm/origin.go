package helm

import (
	"strings"

	relv1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/leat-dev/leat/internal/object"
)

// Origin returns the HelmRelease that the objects of a stored release say they
// are of; empty when they do not say, as with one that helm made.
func Origin(rel *relv1.Release) (namespace, name string) {
	objects, err := readObjects(strings.NewReader(rel.Manifest))
	if err != nil {
		return "", ""
	}
	for _, obj := range objects {
		labels := obj.GetLabels()
		if name := labels[object.GroupHelm+"/name"]; name != "" {
			return labels[object.GroupHelm+"/namespace"], name
		}
	}
	return "", ""
}
