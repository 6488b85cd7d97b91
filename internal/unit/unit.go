// Package unit is what can be converged, as plain data: the specs and statuses
// of the kinds, decoded from what the cluster holds, in the union of all
// versions that Flux ever served.
//
//	k, err := unit.DecodeKustomization(obj)
//	path := k.Spec.Path
//
// One file per kind. It decides nothing about effects and reads nothing but the
// object it is given; a value that does not decode is an error about that
// object, never about others.
package unit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// Kind is a kind that the engine knows.
type Kind struct {
	Group, Kind, Version string // the newest version, in which objects are stored
	Plural               string
	// Class is the scheduler's class: "source" units wait on the outside,
	// "apply" units on the API server.
	Class string
	// Source tells whether the kind carries an artifact that others consume.
	Source bool
	// Run tells whether the engine reconciles the kind; the others are read only.
	Run bool
}

// GVK returns the kind with its newest version.
func (k Kind) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.Kind}
}

// The kinds by name.
const (
	GitRepositoryKind     = "GitRepository"
	OCIRepositoryKind     = "OCIRepository"
	BucketKind            = "Bucket"
	HelmRepositoryKind    = "HelmRepository"
	HelmChartKind         = "HelmChart"
	ExternalArtifactKind  = "ExternalArtifact"
	ArtifactGeneratorKind = "ArtifactGenerator"
	KustomizationKind     = "Kustomization"
	HelmReleaseKind       = "HelmRelease"
)

// Kinds lists every kind the engine watches.
var Kinds = []Kind{
	{object.GroupSource, GitRepositoryKind, "v1", "gitrepositories", "source", true, true},
	{object.GroupSource, OCIRepositoryKind, "v1", "ocirepositories", "source", true, true},
	{object.GroupSource, BucketKind, "v1", "buckets", "source", true, false},
	{object.GroupSource, HelmRepositoryKind, "v1", "helmrepositories", "source", true, true},
	{object.GroupSource, HelmChartKind, "v1", "helmcharts", "source", true, true},
	{object.GroupSource, ExternalArtifactKind, "v1", "externalartifacts", "source", true, false},
	{object.GroupSourceExtensions, ArtifactGeneratorKind, "v1beta1", "artifactgenerators", "source", false, true},
	{object.GroupKustomize, KustomizationKind, "v1", "kustomizations", "apply", false, true},
	{object.GroupHelm, HelmReleaseKind, "v2", "helmreleases", "apply", false, true},
}

// KindOf returns what is known of a kind.
func KindOf(gk schema.GroupKind) (Kind, bool) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Group == gk.Group && k.Kind == gk.Kind })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds[i], true
}

// Ref returns the reference under which the engine asks for a unit.
func Ref(key object.Key) object.Ref {
	k, _ := KindOf(key.GroupKind())
	return object.Ref{Key: key, Version: k.Version}
}

// Finalizer returns the finalizer that the engine puts on a unit.
func Finalizer(u *unstructured.Unstructured) string {
	if u.GetKind() == ArtifactGeneratorKind {
		return object.FinalizerGenerator
	}
	return object.Finalizer
}

// SourceKey returns the key of a source named from within a namespace. The
// group of every kind of source is that of the source API.
func SourceKey(kind, namespace, name, from string) object.Key {
	return object.Key{Group: object.GroupSource, Kind: kind, Namespace: cmp.Or(namespace, from), Name: name}
}

// SourceOf returns the key of the source that a Kustomization builds from, by
// spec.sourceRef alone: one that is otherwise broken has a source too.
func SourceOf(k *unstructured.Unstructured) object.Key {
	field := func(name string) string {
		v, _, _ := unstructured.NestedString(k.Object, "spec", "sourceRef", name)
		return v
	}
	return SourceKey(field("kind"), field("namespace"), field("name"), k.GetNamespace())
}

// decode fills out from u; the error names the object.
func decode(u *unstructured.Unstructured, out any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out); err != nil {
		return fmt.Errorf("read %s: %s%w", object.KeyOf(u), badDuration(u), err)
	}
	return nil
}

// badDuration names the field of the spec that holds no duration, for an error
// that does not; it ends in a colon and a blank, or is empty.
func badDuration(u *unstructured.Unstructured) string {
	for _, field := range durations {
		if isBad(u, field) {
			return "spec." + strings.Join(field, ".") + ": "
		}
	}
	return ""
}

// durations are the fields of a spec in which the kinds keep durations; those of
// one mean nothing in another. Old versions let anything be stored there.
var durations = [][]string{
	{"interval"},
	{"retryInterval"},
	{"timeout"},
	// Of HelmReleases.
	{"chart", "spec", "interval"},
	{"install", "timeout"},
	{"install", "strategy", "retryInterval"},
	{"upgrade", "timeout"},
	{"upgrade", "strategy", "retryInterval"},
	{"rollback", "timeout"},
	{"test", "timeout"},
	{"uninstall", "timeout"},
}

func isBad(u *unstructured.Unstructured, field []string) bool {
	value, there, err := unstructured.NestedFieldNoCopy(u.Object, append([]string{"spec"}, field...)...)
	if err != nil || !there || value == nil {
		return false
	}
	text, isText := value.(string)
	if !isText {
		return true
	}
	_, err = time.ParseDuration(text)
	return err != nil
}

// Removable returns an object that is to be removed without the durations that
// cannot be read: they must not keep it from going.
func Removable(u *unstructured.Unstructured) *unstructured.Unstructured {
	for _, field := range durations {
		if isBad(u, field) {
			u = u.DeepCopy()
			unstructured.RemoveNestedField(u.Object, append([]string{"spec"}, field...)...)
		}
	}
	return u
}

// Encode returns v as the JSON values that an unstructured object holds.
func Encode(v any) (map[string]any, error) {
	return runtime.DefaultUnstructuredConverter.ToUnstructured(v)
}
