package flux

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// Traced is an object with all that stands behind it, as far as there is
// something: what applied or released it, the chart, the source.
type Traced struct {
	Object *unstructured.Unstructured
	By     *unstructured.Unstructured // Kustomization or HelmRelease
	Chart  *unstructured.Unstructured // HelmChart
	Source *unstructured.Unstructured
}

// sheet is lines of a name and a value, the values in one column.
type sheet struct {
	b      strings.Builder
	column int
}

func (s *sheet) line(name, value string) {
	name += ":"
	s.b.WriteString("\n" + name + strings.Repeat(" ", max(s.column-len(name), 0)) + value)
}

func (s *sheet) set(name, value string) {
	if value != "" {
		s.line(name, value)
	}
}

// Text is what `trace` prints of it, with an empty line first
// (flux2 v2.9.5, cmd/flux/trace.go). The columns are upstream's: they differ
// below Kustomizations and HelmReleases.
func (t Traced) Text() string {
	s := &sheet{column: 17}
	if t.By.GetKind() == unit.HelmReleaseKind {
		s.column = 16
	}
	s.line("Object", t.Object.GetKind()+"/"+t.Object.GetName())
	s.set("Namespace", t.Object.GetNamespace())
	s.line("Status", "Managed by Flux")
	s.by(t.By)
	if t.Chart != nil {
		s.chart(t.Chart)
	}
	if t.Source != nil {
		s.source(t.By, t.Source)
	}
	return s.b.String() + "\n"
}

func (s *sheet) head(obj *unstructured.Unstructured) {
	s.b.WriteString("\n---")
	s.line(obj.GetKind(), obj.GetName())
	s.line("Namespace", obj.GetNamespace())
}

func (s *sheet) by(obj *unstructured.Unstructured) {
	s.head(obj)
	s.set("Target", text(obj, "spec", "targetNamespace"))
	if obj.GetKind() == unit.KustomizationKind {
		s.line("Path", text(obj, "spec", "path"))
		s.line("Revision", text(obj, "status", "lastAppliedRevision"))
	} else {
		s.line("Revision", text(obj, "status", "lastAttemptedRevision"))
	}
	s.ready(obj, "reconciled")
}

func (s *sheet) chart(obj *unstructured.Unstructured) {
	s.head(obj)
	s.line("Chart", text(obj, "spec", "chart"))
	s.line("Version", text(obj, "spec", "version"))
	s.set("Revision", text(obj, "status", "artifact", "revision"))
	s.ready(obj, "reconciled")
}

func (s *sheet) source(by, obj *unstructured.Unstructured) {
	kind, failed := obj.GetKind(), "reconciliation failed"
	switch {
	case kind == "OCIRepository" || kind == "ExternalArtifact":
		s.column = 17
	case kind == "GitRepository" && by.GetKind() == unit.HelmReleaseKind:
		s.column = 15
	case kind == "HelmRepository":
		failed = "reconciled"
	}
	s.head(obj)
	if kind == "ExternalArtifact" {
		s.line("Source", text(obj, "spec", "sourceRef", "kind")+"/"+text(obj, "spec", "sourceRef", "namespace")+"/"+text(obj, "spec", "sourceRef", "name"))
	} else {
		s.line("URL", text(obj, "spec", "url"))
	}
	s.reference(obj)
	s.set("Revision", text(obj, "status", "artifact", "revision"))
	if by.GetKind() == unit.KustomizationKind && (kind == "OCIRepository" || kind == "ExternalArtifact") {
		s.origin(obj)
	}
	s.ready(obj, failed)
}

// reference is the first of a source's references that is set.
func (s *sheet) reference(obj *unstructured.Unstructured) {
	last := [2]string{"Branch", "branch"}
	if obj.GetKind() == "OCIRepository" {
		last = [2]string{"Digest", "digest"}
	}
	for _, f := range [][2]string{{"Tag", "tag"}, {"Tag", "semver"}, last} {
		if set := text(obj, "spec", "ref", f[1]); set != "" {
			s.line(f[0], set)
			return
		}
	}
}

// origin says which commit an artifact was made of; where only one half is
// known, upstream leaves the other's line empty.
func (s *sheet) origin(obj *unstructured.Unstructured) {
	metadata, _, _ := unstructured.NestedStringMap(obj.Object, "status", "artifact", "metadata")
	if len(metadata) == 0 {
		return
	}
	for _, o := range [][2]string{{"Origin Revision", "revision"}, {"Origin Source", "source"}} {
		if value := metadata["org.opencontainers.image."+o[1]]; value != "" {
			s.line(o[0], value)
		} else {
			s.b.WriteString("\n")
		}
	}
}

// ready is the lines Status and Message; failed is the word for what is not
// ready.
func (s *sheet) ready(obj *unstructured.Unstructured, failed string) {
	status, err := unit.StatusOf(obj)
	if err != nil || status.Ready() == nil {
		s.line("Status", "Unknown")
		return
	}
	c, how := status.Ready(), "reconciled"
	if c.Status == "False" {
		how = failed
	}
	s.line("Status", "Last "+how+" at "+c.LastTransitionTime.String())
	s.line("Message", c.Message)
}

// ManagedBy is what applied an object (a Kustomization) or released it (a
// HelmRelease), by its labels.
func ManagedBy(obj *unstructured.Unstructured, kind string) (object.Ref, bool) {
	k, _ := KindOf(kind)
	name := obj.GetLabels()[k.Group+"/name"]
	return Asked{k, obj.GetLabels()[k.Group+"/namespace"], name}.Ref(), name != ""
}

// TracedSource is the source behind a Kustomization or HelmRelease, if its kind
// is one that is traced.
func TracedSource(by *unstructured.Unstructured) (Asked, bool) {
	path, kinds := []string{"spec", "sourceRef"}, []string{"GitRepository", "OCIRepository", "ExternalArtifact"}
	if by.GetKind() == unit.HelmReleaseKind {
		if _, found, _ := unstructured.NestedMap(by.Object, "spec", "chart"); found {
			path, kinds = []string{"spec", "chart", "spec", "sourceRef"}, []string{"GitRepository", "HelmRepository"}
		} else {
			path, kinds = []string{"spec", "chartRef"}, []string{"OCIRepository", "ExternalArtifact"}
		}
	}
	kind := text(by, append(path[:len(path):len(path)], "kind")...)
	if !slices.Contains(kinds, kind) {
		return Asked{}, false
	}
	k, _ := KindOf(kind)
	return Asked{k, refNamespace(by, path...), text(by, append(path[:len(path):len(path)], "name")...)}, true
}

// ChartOf is the HelmChart that a release's status names.
func ChartOf(by *unstructured.Unstructured) (Asked, bool) {
	namespace, name, ok := strings.Cut(text(by, "status", "helmChart"), "/")
	k, _ := KindOf(unit.HelmChartKind)
	return Asked{k, namespace, name}, ok && by.GetKind() == unit.HelmReleaseKind
}
