package flux

import (
	"regexp"
	"strings"
	"time"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// RowOptions are the choices of `get`.
type RowOptions struct {
	Namespaces bool // a column of namespaces: -A
	Kinds      bool // names as kind/name: `get all`
	Sources    bool // a column of sources: --show-source
}

// cell is a column: its header and what it shows of an object. One that is
// optional is only shown with --show-source.
type cell struct {
	header   string
	optional bool
	of       func(*unstructured.Unstructured) string
}

var (
	suspended = cell{header: "Suspended", of: func(o *unstructured.Unstructured) string { return title(flag(o, "spec", "suspend")) }}
	disabled  = cell{header: "Suspended", of: func(o *unstructured.Unstructured) string {
		return title(strings.EqualFold(o.GetAnnotations()[swapi.ReconcileAnnotation], swapi.DisabledValue))
	}}
	appliedCell  = cell{header: "Revision", of: func(o *unstructured.Unstructured) string { return Short(text(o, "status", "lastAppliedRevision")) }}
	revisionCell = cell{header: "Revision", of: func(o *unstructured.Unstructured) string { return Short(text(o, "status", "artifact", "revision")) }}
	// A chart's revision is a version: it is not shortened.
	versionCell  = cell{header: "Revision", of: func(o *unstructured.Unstructured) string { return text(o, "status", "artifact", "revision") }}
	releaseCell  = cell{header: "Revision", of: ReleaseRevision}
	lastScanCell = cell{header: "Last scan", of: func(o *unstructured.Unstructured) string {
		return local(text(o, "status", "lastScanResult", "scanTime"))
	}}
	lastRunCell = cell{header: "Last run", of: func(o *unstructured.Unstructured) string { return local(text(o, "status", "lastAutomationRunTime")) }}
	imageCell   = cell{header: "Image", of: func(o *unstructured.Unstructured) string { return text(o, "status", "latestRef", "name") }}
	tagCell     = cell{header: "Tag", of: func(o *unstructured.Unstructured) string { return text(o, "status", "latestRef", "tag") }}

	sourceCell      = cell{header: "Source", optional: true, of: func(o *unstructured.Unstructured) string { return refText(o, "spec", "sourceRef") }}
	chartSourceCell = cell{header: "Source", optional: true, of: func(o *unstructured.Unstructured) string {
		if _, found, _ := unstructured.NestedMap(o.Object, "spec", "chartRef"); found {
			return refText(o, "spec", "chartRef")
		}
		return refText(o, "spec", "chart", "spec", "sourceRef")
	}}
	originCell = cell{header: "Source", of: func(o *unstructured.Unstructured) string {
		if _, found, _ := unstructured.NestedMap(o.Object, "spec", "sourceRef"); !found {
			return ""
		}
		return text(o, "spec", "sourceRef", "kind") + "/" + text(o, "spec", "sourceRef", "namespace") + "/" + text(o, "spec", "sourceRef", "name")
	}}
)

// Header is the header of a kind's table.
func (k Kind) Header(o RowOptions) []string {
	var out []string
	if o.Namespaces {
		out = append(out, "Namespace")
	}
	out = append(out, "Name")
	for _, c := range k.cells {
		if !c.optional || o.Sources {
			out = append(out, c.header)
		}
	}
	return append(out, "Ready", "Message")
}

// Row is an object's row under Header.
func (k Kind) Row(obj *unstructured.Unstructured, o RowOptions) []string {
	var out []string
	if o.Namespaces {
		out = append(out, obj.GetNamespace())
	}
	name := obj.GetName()
	if o.Kinds {
		name = strings.ToLower(k.Kind) + "/" + name
	}
	out = append(out, name)
	for _, c := range k.cells {
		if !c.optional || o.Sources {
			out = append(out, c.of(obj))
		}
	}
	ready, message := k.Ready(obj)
	return append(out, ready, message)
}

// Ready is what the columns Ready and Message say.
func (k Kind) Ready(obj *unstructured.Unstructured) (status, message string) {
	switch {
	case k.always != "":
		return "True", k.always
	case unit.Static(obj):
		return "True", "Helm repository is Ready"
	}
	s, err := unit.StatusOf(obj)
	if err != nil {
		return "Unknown", err.Error()
	}
	ready := s.Ready()
	if ready == nil {
		return "False", "waiting to be reconciled"
	}
	if k.shortens() {
		return string(ready.Status), Short(ready.Message)
	}
	return string(ready.Status), ready.Message
}

// shortens tells whether messages of the kind show digests in short.
func (k Kind) shortens() bool {
	return k.Group == object.GroupSource || k.Kind == unit.KustomizationKind
}

// ReleaseRevision is the chart version of a HelmRelease that was last released,
// or tried.
func ReleaseRevision(obj *unstructured.Unstructured) string {
	history, _, _ := unstructured.NestedSlice(obj.Object, "status", "history")
	if len(history) > 0 {
		if newest, ok := history[0].(map[string]any); ok {
			version, _ := newest["chartVersion"].(string)
			return version
		}
	}
	return text(obj, "status", "lastAttemptedRevision")
}

// digest is a git or image digest within a revision or message
// (flux2 v2.9.5, internal/utils/hex.go).
var digest = regexp.MustCompile(`\b[a-f0-9]{40,128}\b`)

// Short shortens digests to eight characters.
func Short(s string) string {
	return digest.ReplaceAllStringFunc(s, func(hex string) string { return hex[:8] })
}

// refText is Kind/namespace/name of a reference.
func refText(obj *unstructured.Unstructured, path ...string) string {
	at := func(field string) string { return text(obj, append(path[:len(path):len(path)], field)...) }
	namespace := at("namespace")
	if namespace == "" {
		namespace = obj.GetNamespace()
	}
	return at("kind") + "/" + namespace + "/" + at("name")
}

func text(obj *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(obj.Object, path...)
	return s
}

func flag(obj *unstructured.Unstructured, path ...string) bool {
	b, _, _ := unstructured.NestedBool(obj.Object, path...)
	return b
}

func title(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// local writes a time of the API in the zone of whoever looks at it.
func local(stamp string) string {
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return stamp
	}
	return at.Local().Format(time.RFC3339)
}
