package flux

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

// About selects events of an object, or of all objects of a kind.
type About struct {
	Kind      string
	Namespace string // empty: any
	Name      string // empty: all of the kind
}

// ParseAbout reads the selector of --for: kind or kind/name, the kind in any
// case.
func ParseAbout(selector string) (About, error) {
	kind, name, _ := strings.Cut(selector, "/")
	if kind == "" {
		kind, name = name, "" // as upstream reads it
	}
	if kind == "" {
		return About{}, fmt.Errorf("--for selector must be of format <kind>[/<name>]")
	}
	for _, k := range Kinds {
		if strings.EqualFold(k.Kind, kind) && tellsEvents(k.Kind) {
			return About{Kind: k.Kind, Name: name}, nil
		}
	}
	return About{}, fmt.Errorf("'%s' is not a recognized Flux kind", kind)
}

// tellsEvents tells whether events of a kind are shown.
func tellsEvents(kind string) bool {
	_, known := KindOf(kind)
	return known && kind != "ExternalArtifact"
}

// ReadsOthers tells whether objects of a kind refer to others whose events are
// shown beside their own.
func ReadsOthers(k Kind) bool {
	return slices.Contains([]string{unit.KustomizationKind, unit.HelmReleaseKind, unit.HelmChartKind, "Alert", "ImagePolicy"}, k.Kind)
}

// Reads is what an object refers to, whose events are shown beside its own
// (flux2 v2.9.5, cmd/flux/events.go).
func Reads(obj *unstructured.Unstructured) []About {
	at := func(kind string, path ...string) []About {
		if kind == "" {
			kind = text(obj, append(path[:len(path):len(path)], "kind")...)
		}
		namespace := obj.GetNamespace()
		if obj.GetKind() != "Alert" {
			namespace = refNamespace(obj, path...)
		}
		return []About{{Kind: kind, Namespace: namespace, Name: text(obj, append(path[:len(path):len(path)], "name")...)}}
	}
	switch obj.GetKind() {
	case unit.KustomizationKind, unit.HelmChartKind:
		return at("", "spec", "sourceRef")
	case "Alert":
		return at("Provider", "spec", "providerRef")
	case "ImagePolicy":
		return at("ImageRepository", "spec", "imageRepositoryRef")
	case unit.HelmReleaseKind:
		if _, found, _ := unstructured.NestedMap(obj.Object, "spec", "chartRef"); found {
			return at("", "spec", "chartRef")
		}
		source := at("", "spec", "chart", "spec", "sourceRef")
		chart := About{unit.HelmChartKind, source[0].Namespace, obj.GetNamespace() + "-" + obj.GetName()}
		return append(source, chart)
	}
	return nil
}

// CheckEventTypes refuses types that there are not.
func CheckEventTypes(types []string) error {
	for _, t := range types {
		if !strings.EqualFold(t, corev1.EventTypeNormal) && !strings.EqualFold(t, corev1.EventTypeWarning) {
			return fmt.Errorf("type '%s' not supported. Supported types are Normal, Warning", t)
		}
	}
	return nil
}

// ShowsEvent tells whether an event is of a Flux kind and of one of the types,
// in any case; without types all are shown.
func ShowsEvent(e *corev1.Event, types []string) bool {
	if !tellsEvents(e.InvolvedObject.Kind) {
		return false
	}
	return len(types) == 0 || slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, e.Type) })
}

// Is tells whether an event is about the object, or any of the kind. The zero
// About is everything in its namespace.
func (a About) Is(e *corev1.Event) bool {
	if a.Kind != "" && a.Kind != e.InvolvedObject.Kind || a.Name != "" && a.Name != e.InvolvedObject.Name {
		return false
	}
	return a.Namespace == "" || a.Namespace == e.Namespace
}

// EventHeader is the header of `events`.
func EventHeader(o RowOptions) []string {
	header := []string{"Last seen", "Type", "Reason", "Object", "Message"}
	if o.Namespaces {
		return append([]string{"Namespace"}, header...)
	}
	return header
}

// EventRow is an event's row under EventHeader.
func EventRow(e *corev1.Event, o RowOptions, now time.Time) []string {
	row := []string{lastSeen(e, now), e.Type, e.Reason, e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name, e.Message}
	if o.Namespaces {
		return append([]string{e.Namespace}, row...)
	}
	return row
}

// SortEvents puts the oldest first; which of two in the same second is first is
// up to the algorithm, and it is upstream's over the same list.
func SortEvents(events []*corev1.Event) {
	sort.Slice(events, func(i, j int) bool { return eventTime(events[i]).Before(eventTime(events[j])) })
}

func eventTime(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	}
	return e.EventTime.Time
}

// lastSeen is the age of an event; of one that came again, of the last time, how
// often, and since when.
func lastSeen(e *corev1.Event, now time.Time) string {
	first := e.EventTime.Time
	if first.IsZero() {
		first = e.FirstTimestamp.Time
	}
	switch {
	case e.Series != nil:
		return fmt.Sprintf("%s (x%d over %s)", age(e.Series.LastObservedTime.Time, now), e.Series.Count, age(first, now))
	case e.Count > 1:
		return fmt.Sprintf("%s (x%d over %s)", age(e.LastTimestamp.Time, now), e.Count, age(first, now))
	}
	return age(first, now)
}

func age(at, now time.Time) string {
	if at.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(at))
}

// EventOf reads an event.
func EventOf(obj *unstructured.Unstructured) (*corev1.Event, error) {
	var e corev1.Event
	if err := recode(obj.Object, &e); err != nil {
		return nil, fmt.Errorf("read event %s: %w", object.KeyOf(obj), err)
	}
	return &e, nil
}
