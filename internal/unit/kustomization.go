package unit

import (
	"cmp"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// Kustomization is the union of all versions of a Kustomization.
type Kustomization struct {
	kustomizev1.Kustomization
	// Old holds the fields that only older versions have and that still act.
	Old   OldKustomization
	kinds []DependencyKind
}

// OldKustomization are the fields that v1beta1 and v1beta2 had beyond v1.
// spec.validation has had no effect since Flux 0.21 and is not among them.
type OldKustomization struct {
	PatchesStrategicMerge []apiextensionsv1.JSON    `json:"patchesStrategicMerge,omitempty"`
	PatchesJSON6902       []kustomize.JSON6902Patch `json:"patchesJson6902,omitempty"`
}

// DecodeKustomization reads an object of any version.
func DecodeKustomization(u *unstructured.Unstructured) (*Kustomization, error) {
	var k Kustomization
	if err := decode(u, &k.Kustomization); err != nil {
		return nil, err
	}
	var old struct {
		Spec OldKustomization `json:"spec"`
	}
	if err := decode(u, &old); err != nil {
		return nil, err
	}
	k.Old = old.Spec
	var err error
	k.kinds, err = dependencyKinds(u)
	return &k, err
}

// Key returns the key of the unit.
func (k *Kustomization) Key() object.Key {
	return object.Key{Group: object.GroupKustomize, Kind: KustomizationKind, Namespace: k.Namespace, Name: k.Name}
}

// Source returns the key of the source that it builds from.
func (k *Kustomization) Source() object.Key {
	ref := k.Spec.SourceRef
	return SourceKey(ref.Kind, ref.Namespace, ref.Name, k.Namespace)
}

// Dependencies returns what must be ready first.
func (k *Kustomization) Dependencies() []Dependency {
	return dependencies(k.Key(), k.Spec.DependsOn, k.kinds)
}

// Bounds of durations that a spec may ask for. Shorter ones are raised so that
// a typing error cannot keep the engine busy, longer ones would overflow.
const (
	minInterval = 500 * time.Millisecond
	maxInterval = 365 * 24 * time.Hour
)

// Interval returns spec.interval within bounds.
func (k *Kustomization) Interval() time.Duration { return bound(k.Spec.Interval.Duration) }

// RetryInterval returns the wait after a failure, within bounds.
func (k *Kustomization) RetryInterval() time.Duration { return bound(k.GetRetryInterval()) }

func bound(d time.Duration) time.Duration { return min(max(d, minInterval), maxInterval) }

// ServiceAccount returns whom the unit acts as; empty for the engine itself.
func (k *Kustomization) ServiceAccount(byDefault string) string {
	return cmp.Or(k.Spec.ServiceAccountName, byDefault)
}
