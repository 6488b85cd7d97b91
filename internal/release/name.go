package release

import (
	"strings"

	v2 "github.com/fluxcd/helm-controller/api/v2"

	"github.com/leat-dev/leat/internal/hash"
)

// Bounds of release names: Helm takes 53 characters, and a longer name keeps
// the first 40 before a dash and 12 digits of its hash (helm-controller v1.6.4
// internal/release/name.go).
const (
	maxName  = 53
	keptName = 40
	hashName = 12
)

// Shorten returns name, cut as Flux does when Helm would not take it.
func Shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	return name[:keptName] + "-" + hash.OfString(name).Hex()[:hashName]
}

// Name returns the name of the release in Helm's storage.
func Name(hr *v2.HelmRelease) string { return Shorten(hr.GetReleaseName()) }

// Namespace returns where the chart's objects go that name no namespace.
func Namespace(hr *v2.HelmRelease) string { return hr.GetReleaseNamespace() }

// StorageNamespace returns where Helm keeps the release: the object's own
// namespace unless the spec says otherwise, not the target's.
func StorageNamespace(hr *v2.HelmRelease) string { return hr.GetStorageNamespace() }

// ChartName returns the name of the HelmChart that is made for spec.chart.
func ChartName(hr *v2.HelmRelease) string { return strings.Join([]string{hr.Namespace, hr.Name}, "-") }
