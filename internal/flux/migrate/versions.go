package migrate

import (
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// Versions are the newest API versions of a release, by kind.
type Versions map[schema.GroupKind]string

// Releases are those that there are versions of, newest first.
var Releases = []string{"2.9", "2.8", "2.7", "2.6"}

// VersionsOf returns the versions of a release of Flux, "" for the newest
// (flux2 v2.9.5, cmd/flux/migrate.go).
func VersionsOf(release string) (Versions, error) {
	switch release {
	case "", "2.9", "2.8", "2.7":
		return maps.Clone(newest), nil
	case "2.6":
		out := maps.Clone(newest)
		for _, kind := range []string{"ImageRepository", "ImagePolicy", "ImageUpdateAutomation"} {
			out[schema.GroupKind{Group: object.GroupImage, Kind: kind}] = "v1beta2"
		}
		delete(out, schema.GroupKind{Group: object.GroupSourceExtensions, Kind: "ArtifactGenerator"})
		return out, nil
	}
	return nil, fmt.Errorf("version %s is not supported, supported versions are: %s", release, strings.Join(Releases, ", "))
}

var newest = Versions{
	{Group: object.GroupSource, Kind: "Bucket"}:                      "v1",
	{Group: object.GroupSource, Kind: "GitRepository"}:               "v1",
	{Group: object.GroupSource, Kind: "OCIRepository"}:               "v1",
	{Group: object.GroupSource, Kind: "HelmRepository"}:              "v1",
	{Group: object.GroupSource, Kind: "HelmChart"}:                   "v1",
	{Group: object.GroupSource, Kind: "ExternalArtifact"}:            "v1",
	{Group: object.GroupKustomize, Kind: "Kustomization"}:            "v1",
	{Group: object.GroupHelm, Kind: "HelmRelease"}:                   "v2",
	{Group: object.GroupNotification, Kind: "Receiver"}:              "v1",
	{Group: object.GroupNotification, Kind: "Alert"}:                 "v1beta3",
	{Group: object.GroupNotification, Kind: "Provider"}:              "v1beta3",
	{Group: object.GroupImage, Kind: "ImageRepository"}:              "v1",
	{Group: object.GroupImage, Kind: "ImagePolicy"}:                  "v1",
	{Group: object.GroupImage, Kind: "ImageUpdateAutomation"}:        "v1",
	{Group: object.GroupSourceExtensions, Kind: "ArtifactGenerator"}: "v1beta1",
}
