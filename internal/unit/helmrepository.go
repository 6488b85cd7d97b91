package unit

import (
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// HelmRepository is the union of all versions of a HelmRepository. The field
// accessFrom has never had an effect.
type HelmRepository struct{ sourcev1.HelmRepository }

// DecodeHelmRepository reads an object of any version.
func DecodeHelmRepository(u *unstructured.Unstructured) (*HelmRepository, error) {
	var r HelmRepository
	if err := decode(u, &r.HelmRepository); err != nil {
		return nil, err
	}
	return &r, nil
}

// Key returns the key of the unit.
func (r *HelmRepository) Key() object.Key {
	return SourceKey(HelmRepositoryKind, "", r.Name, r.Namespace)
}

// Interval returns how often the index is asked for, within bounds.
func (r *HelmRepository) Interval() time.Duration { return bound(r.GetRequeueAfter()) }

// Timeout returns how long one download may take.
func (r *HelmRepository) Timeout() time.Duration {
	if d := r.GetTimeout(); d > 0 {
		return bound(d)
	}
	return time.Minute
}

// OCI tells whether charts are pulled from a registry: then there is no index.
func (r *HelmRepository) OCI() bool { return r.Spec.Type == sourcev1.HelmRepositoryTypeOCI }

// SecretNames returns the names of the Secrets for logins and for certificates,
// "" for none.
func (r *HelmRepository) SecretNames() (auth, cert string) {
	name := func(ref *meta.LocalObjectReference) string {
		if ref == nil {
			return ""
		}
		return ref.Name
	}
	return name(r.Spec.SecretRef), name(r.Spec.CertSecretRef)
}

// Static tells whether an object is one that nobody reconciles although its
// kind is: it has neither finalizer nor status, and never becomes Ready. That is
// a HelmRepository of type oci (source-controller v1.9, migrationToStatic).
func Static(u *unstructured.Unstructured) bool {
	kind, _, _ := unstructured.NestedString(u.Object, "spec", "type")
	return u.GetKind() == HelmRepositoryKind && u.GroupVersionKind().Group == object.GroupSource && kind == sourcev1.HelmRepositoryTypeOCI
}
