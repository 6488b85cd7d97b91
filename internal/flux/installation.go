package flux

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// Installation is what the labels of a CRD say of the program that brought it
// (flux2 v2.9.5, cmd/flux/cluster_info.go).
type Installation struct {
	Version, PartOf string
	// Bootstrapped tells that it is kept in Git: a Kustomization applied the CRD.
	Bootstrapped bool
}

// InstallationOf reads the labels of the CRD of GitRepositories.
func InstallationOf(crd *unstructured.Unstructured) Installation {
	labels := crd.GetLabels()
	_, bootstrapped := labels[object.OwnerNamespace]
	if _, named := labels[object.OwnerName]; named {
		bootstrapped = true
	}
	return Installation{Version: labels["app.kubernetes.io/version"], PartOf: labels["app.kubernetes.io/part-of"], Bootstrapped: bootstrapped}
}

// Distribution is the name and version of what is installed.
func (i Installation) Distribution() string {
	if i.PartOf == "" {
		return i.Version
	}
	return i.PartOf + "-" + i.Version
}

// Images are those of a Deployment's containers.
func Images(deployment *unstructured.Unstructured) []string {
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	var out []string
	for _, c := range containers {
		fields, _ := c.(map[string]any)
		image, _ := fields["image"].(string)
		out = append(out, image)
	}
	return out
}

// SplitImage splits an image into the last part of its name and the tag.
func SplitImage(image string) (name, tag string, err error) {
	repository := image
	if host, rest, ok := strings.Cut(image, "/"); ok && strings.ContainsAny(host, ".:") {
		repository = rest // a port is no tag
	}
	path, tag, ok := strings.Cut(repository, ":")
	if !ok {
		return "", "", fmt.Errorf("missing image tag in image %s", image)
	}
	return path[strings.LastIndex(path, "/")+1:], tag, nil
}

// StoredVersion is the version that a CRD's objects are stored in.
func StoredVersion(crd *unstructured.Unstructured) (string, bool) {
	versions, _, _ := unstructured.NestedStringSlice(crd.Object, "status", "storedVersions")
	if len(versions) == 0 {
		return "", false
	}
	return versions[len(versions)-1], true
}
