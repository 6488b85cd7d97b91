package unit

import (
	"cmp"
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// Dependency is one entry of spec.dependsOn.
type Dependency struct {
	Key       object.Key
	ReadyExpr string
}

// Awaiting is a unit that other units may have to be ready for.
type Awaiting interface {
	Key() object.Key
	Dependencies() []Dependency
}

// DependencyKind is the field of an entry of spec.dependsOn that Flux does not
// have: with it a Kustomization waits for a HelmRelease, or the reverse.
type DependencyKind struct {
	Kind string `json:"kind,omitempty"`
}

// dependencyKinds reads the kinds of spec.dependsOn, one an entry.
func dependencyKinds(u *unstructured.Unstructured) ([]DependencyKind, error) {
	var out struct {
		Spec struct {
			DependsOn []DependencyKind `json:"dependsOn,omitempty"`
		} `json:"spec"`
	}
	if err := decode(u, &out); err != nil {
		return nil, err
	}
	return out.Spec.DependsOn, nil
}

// dependencies resolves the entries of spec.dependsOn of a unit.
func dependencies(of object.Key, refs []meta.DependencyReference, kinds []DependencyKind) []Dependency {
	out := make([]Dependency, len(refs))
	for i, d := range refs {
		key := of
		if i < len(kinds) && kinds[i].Kind != "" && kinds[i].Kind != of.Kind {
			key.Kind = kinds[i].Kind
			key.Group = groupOf(key.Kind)
		}
		key.Namespace, key.Name = cmp.Or(d.Namespace, of.Namespace), d.Name
		out[i] = Dependency{key, d.ReadyExpr}
	}
	return out
}

func groupOf(kind string) string {
	for _, k := range Kinds {
		if k.Kind == kind {
			return k.Group
		}
	}
	return ""
}

// DecodeAwaiting reads a unit of a kind that has dependencies.
func DecodeAwaiting(u *unstructured.Unstructured) (Awaiting, error) {
	switch u.GetKind() {
	case KustomizationKind:
		return DecodeKustomization(u)
	case HelmReleaseKind:
		return DecodeHelmRelease(u)
	default:
		return nil, fmt.Errorf("%s cannot be depended on; want a Kustomization or a HelmRelease", object.KeyOf(u))
	}
}

// DependencyReady tells whether a dependency is ready for a unit; nil if so,
// else why not. It is the built-in rule of Flux: observed, Ready, and where both
// are Kustomizations of one source, applied at the revision that the unit is
// about to apply.
func DependencyReady(of Awaiting, dep *unstructured.Unstructured, revision string) error {
	name := dep.GetNamespace() + "/" + dep.GetName()
	if dep.GetKind() != of.Key().Kind {
		name = dep.GetKind() + "/" + name
	}
	status, err := StatusOf(dep)
	if err != nil {
		return err
	}
	if len(status.Conditions) == 0 || !status.Observed(dep) || !isTrue(status.Conditions, meta.ReadyCondition) {
		return fmt.Errorf("dependency '%s' is not ready", name)
	}
	k, ok := of.(*Kustomization)
	if !ok || dep.GetKind() != KustomizationKind {
		return nil
	}
	d, err := DecodeKustomization(dep)
	if err != nil {
		return err
	}
	if d.Source() == k.Source() && d.Status.LastAppliedRevision != revision {
		return fmt.Errorf("dependency '%s' revision is not up to date", name)
	}
	return nil
}
