package unit

import (
	"cmp"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/leat-dev/leat/internal/object"
)

// OCIRepository is the union of all versions of an OCIRepository. What v1beta2
// had beyond v1, status.contentConfigChecksum, has had no effect since Flux 0.40
// and is not decoded.
type OCIRepository struct{ sourcev1.OCIRepository }

// DecodeOCIRepository reads an object of any version.
func DecodeOCIRepository(u *unstructured.Unstructured) (*OCIRepository, error) {
	var o OCIRepository
	if err := decode(u, &o.OCIRepository); err != nil {
		return nil, err
	}
	return &o, nil
}

// Key returns the key of the unit.
func (o *OCIRepository) Key() object.Key {
	return SourceKey(OCIRepositoryKind, "", o.Name, o.Namespace)
}

// Interval returns how often the registry is asked, within bounds.
func (o *OCIRepository) Interval() time.Duration { return bound(o.Spec.Interval.Duration) }

// Timeout returns how long one run may take.
func (o *OCIRepository) Timeout() time.Duration {
	if o.Spec.Timeout == nil || o.Spec.Timeout.Duration <= 0 {
		return time.Minute
	}
	return bound(o.Spec.Timeout.Duration)
}

// Ref returns what is wanted, the zero Ref for the tag latest.
func (o *OCIRepository) Ref() sourcev1.OCIRepositoryRef {
	if o.Spec.Reference == nil {
		return sourcev1.OCIRepositoryRef{}
	}
	return *o.Spec.Reference
}

// Provider returns who knows the credentials: generic, aws, azure or gcp.
func (o *OCIRepository) Provider() string {
	return cmp.Or(o.Spec.Provider, sourcev1.GenericOCIProvider)
}

// Holds tells whether the artifact in the status is what the spec makes of a
// revision.
func (o *OCIRepository) Holds(revision string) bool {
	have := o.Status.Artifact
	return have != nil && have.Revision == revision &&
		ptr.Equal(o.Spec.Ignore, o.Status.ObservedIgnore) && ptr.Equal(o.Spec.LayerSelector, o.Status.ObservedLayerSelector)
}
