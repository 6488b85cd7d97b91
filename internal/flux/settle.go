package flux

import (
	"errors"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// ForceAt and ResetAt are annotations of a HelmRelease beside RequestedAt.
const (
	ForceAt = "reconcile.fluxcd.io/forceAt"
	ResetAt = "reconcile.fluxcd.io/resetAt"
)

// Asked is an object that a verb names.
type Asked struct {
	Kind            Kind
	Namespace, Name string
}

// Ref is the reference of the object.
func (a Asked) Ref() object.Ref {
	return object.Ref{Key: object.Key{Group: a.Kind.Group, Kind: a.Kind.Kind, Namespace: a.Namespace, Name: a.Name}, Version: a.Kind.Version}
}

// Words name the object after a verb: source git flux-system -n flux-system.
func (a Asked) Words() string {
	words := a.Kind.Noun.Name + " " + a.Name + " -n " + a.Namespace
	if a.Kind.Noun.Group != "" {
		return a.Kind.Noun.Group + " " + words
	}
	return words
}

// HasSource tells whether reconcile --with-source goes with the kind.
func HasSource(k Kind) bool {
	return k.Kind == unit.KustomizationKind || k.Kind == unit.HelmReleaseKind || k.Kind == unit.HelmChartKind
}

// SourceOf is what reconcile --with-source reconciles first: the source of a
// Kustomization or HelmChart, the chart of a HelmRelease
// (flux2 v2.9.5, cmd/flux/reconcile_{kustomization,helmrelease,source_chart}.go).
func SourceOf(obj *unstructured.Unstructured) (Asked, error) {
	switch obj.GetKind() {
	case unit.HelmReleaseKind:
		return chartOf(obj)
	case unit.HelmChartKind:
		return sourceAt(obj.GetNamespace(), obj, []string{"HelmRepository", "GitRepository", "Bucket"}, "spec", "sourceRef")
	}
	return sourceAt(refNamespace(obj, "spec", "sourceRef"), obj, []string{"OCIRepository", "GitRepository", "Bucket"}, "spec", "sourceRef")
}

func chartOf(obj *unstructured.Unstructured) (Asked, error) {
	if _, found, _ := unstructured.NestedMap(obj.Object, "spec", "chartRef"); found {
		return sourceAt(refNamespace(obj, "spec", "chartRef"), obj, []string{"HelmChart", "OCIRepository"}, "spec", "chartRef")
	}
	chart, _ := KindOf(unit.HelmChartKind)
	return Asked{chart, refNamespace(obj, "spec", "chart", "spec", "sourceRef"), obj.GetNamespace() + "-" + obj.GetName()}, nil
}

func sourceAt(namespace string, obj *unstructured.Unstructured, kinds []string, path ...string) (Asked, error) {
	kind := text(obj, append(path[:len(path):len(path)], "kind")...)
	for _, name := range kinds {
		if name == kind {
			k, _ := KindOf(kind)
			return Asked{k, namespace, text(obj, append(path[:len(path):len(path)], "name")...)}, nil
		}
	}
	return Asked{}, fmt.Errorf("cannot reconcile source of kind %s", kind)
}

// Suspended tells whether an object is suspended.
func Suspended(obj *unstructured.Unstructured) bool { return flag(obj, "spec", "suspend") }

// Handled is the last request for a run that was answered.
func Handled(obj *unstructured.Unstructured) string {
	return text(obj, "status", "lastHandledReconcileAt")
}

// Settled tells whether an object has reached what it is to be. Failure is an
// error.
func Settled(obj *unstructured.Unstructured) (bool, error) {
	result, err := status.Compute(obj)
	if err != nil {
		return false, err
	}
	switch result.Status {
	case status.CurrentStatus:
		return true, nil
	case status.InProgressStatus:
		return false, nil
	}
	return false, errors.New(result.Message)
}

// Resumed tells whether an object that was resumed is ready: Ready must be that
// of its present generation. Kinds without a status are ready at once
// (flux2 v2.9.5, cmd/flux/readiness.go).
func Resumed(k Kind, obj *unstructured.Unstructured) (bool, error) {
	if k.always == "" && !unit.Static(obj) {
		s, err := unit.StatusOf(obj)
		if err != nil {
			return false, err
		}
		ready := s.Ready()
		if s.ObservedGeneration < 1 || ready == nil {
			return false, nil
		}
		seen := ready.ObservedGeneration
		if seen == 0 {
			seen = s.ObservedGeneration
		}
		if seen != obj.GetGeneration() {
			return false, nil
		}
	}
	return Settled(obj)
}

// Failed is the error of an object that has settled and is not ready.
func Failed(k Kind, obj *unstructured.Unstructured) error {
	s, err := unit.StatusOf(obj)
	if err != nil {
		return err
	}
	ready := s.Ready()
	switch {
	case ready == nil:
		return errors.New("status can't be determined")
	case ready.Status == "True":
		return nil
	case HasSource(k):
		return fmt.Errorf("%s reconciliation failed: %s", k.Kind, ready.Message)
	}
	return fmt.Errorf("%s reconciliation failed: '%s'", k.Kind, ready.Message)
}

// Success is what is said of an object that is ready.
func Success(k Kind, obj *unstructured.Unstructured) string {
	switch k.Kind {
	case unit.KustomizationKind:
		return "applied revision " + text(obj, "status", "lastAppliedRevision")
	case unit.HelmReleaseKind:
		return "applied revision " + ReleaseRevision(obj)
	case "ImageRepository":
		tags, _, _ := unstructured.NestedInt64(obj.Object, "status", "lastScanResult", "tagCount")
		return fmt.Sprintf("scan fetched %d tags", tags)
	case "ImagePolicy":
		return "selected ref " + imageRef(obj)
	case "ImageUpdateAutomation":
		return automationSuccess(obj)
	case "Receiver", "Alert", "Provider":
		return k.Kind + " reconciliation completed"
	}
	if unit.Static(obj) {
		if s, err := unit.StatusOf(obj); err == nil && s.Ready() != nil {
			return s.Ready().Message
		}
		return ""
	}
	return "fetched revision " + text(obj, "status", "artifact", "revision")
}

// imageRef writes a reference as name:tag@digest.
func imageRef(obj *unstructured.Unstructured) string {
	ref := text(obj, "status", "latestRef", "name") + ":" + text(obj, "status", "latestRef", "tag")
	if digest := text(obj, "status", "latestRef", "digest"); digest != "" {
		ref += "@" + digest
	}
	return ref
}

func automationSuccess(obj *unstructured.Unstructured) string {
	if s, err := unit.StatusOf(obj); err == nil && s.Ready() != nil {
		return s.Ready().Message
	}
	if at := text(obj, "status", "lastAutomationRunTime"); at != "" {
		return "last run " + local(at)
	}
	return "automation not yet run"
}

func refNamespace(obj *unstructured.Unstructured, path ...string) string {
	if set := text(obj, append(path[:len(path):len(path)], "namespace")...); set != "" {
		return set
	}
	return obj.GetNamespace()
}
