package plan

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// Policy is what annotations or labels on an object ask of the engine.
type Policy struct {
	// Skip says why the object is not to be applied; empty means apply it. A
	// skipped object stays in the inventory and its health is not awaited.
	Skip string
	// Merge leaves fields of other managers alone: there is no takeover.
	Merge bool
	// Force recreates the object when a change is refused as immutable.
	Force bool
}

// PolicyOf reads the policy of an object from what is desired and from what is
// live (nil when the object does not exist). A mark counts as a label or as an
// annotation, whatever the case of its value, and on either side; but
// IfNotPresent counts on the desired side only.
func PolicyOf(desired, live *unstructured.Unstructured) Policy {
	return Policy{
		Skip:  skipReason(desired, live),
		Merge: markedEither(desired, live, object.AnnotationSSA, "Merge"),
		Force: markedEither(desired, live, object.AnnotationForce, "Enabled"),
	}
}

func skipReason(desired, live *unstructured.Unstructured) string {
	switch {
	case markedEither(desired, live, object.AnnotationReconcile, "Disabled"):
		return object.AnnotationReconcile + " is disabled"
	case markedEither(desired, live, object.AnnotationSSA, "Ignore"):
		return object.AnnotationSSA + " is Ignore"
	case live != nil && Marked(desired, object.AnnotationSSA, "IfNotPresent"):
		return object.AnnotationSSA + " is IfNotPresent and the object exists"
	}
	return ""
}

// KeptOnPrune says which mark on a live object protects it from being pruned.
func KeptOnPrune(live *unstructured.Unstructured) (why string, kept bool) {
	switch {
	case Marked(live, object.AnnotationPrune, "Disabled"):
		return object.AnnotationPrune + " is disabled", true
	case Marked(live, object.AnnotationReconcile, "Disabled"):
		return object.AnnotationReconcile + " is disabled", true
	case Marked(live, object.AnnotationSSA, "Ignore"):
		return object.AnnotationSSA + " is Ignore", true
	}
	return "", false
}

// Marked tells whether a label or an annotation of obj has the value, in any
// case of letters. A nil object has no marks.
func Marked(obj *unstructured.Unstructured, key, value string) bool {
	if obj == nil {
		return false
	}
	return strings.EqualFold(obj.GetLabels()[key], value) || strings.EqualFold(obj.GetAnnotations()[key], value)
}

func markedEither(desired, live *unstructured.Unstructured, key, value string) bool {
	return Marked(desired, key, value) || Marked(live, key, value)
}
