package unit

import (
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// isTrue tells whether a condition is present and True.
func isTrue(conds []metav1.Condition, kind string) bool {
	c := Condition(conds, kind)
	return c != nil && c.Status == metav1.ConditionTrue
}

// Condition returns the condition of a type, or nil.
func Condition(conds []metav1.Condition, kind string) *metav1.Condition {
	for i := range conds {
		if conds[i].Type == kind {
			return &conds[i]
		}
	}
	return nil
}

// Status is the part of a status that all kinds share.
type Status struct {
	ObservedGeneration     int64              `json:"observedGeneration,omitempty"`
	LastHandledReconcileAt string             `json:"lastHandledReconcileAt,omitempty"`
	LastAppliedRevision    string             `json:"lastAppliedRevision,omitempty"`
	LastAttemptedRevision  string             `json:"lastAttemptedRevision,omitempty"`
	Conditions             []metav1.Condition `json:"conditions,omitempty"`
	Artifact               *meta.Artifact     `json:"artifact,omitempty"`
}

// StatusOf reads the shared part of an object's status.
func StatusOf(u *unstructured.Unstructured) (Status, error) {
	var out struct {
		Status Status `json:"status"`
	}
	part := &unstructured.Unstructured{Object: map[string]any{"status": u.Object["status"]}}
	if part.Object["status"] == nil {
		return Status{}, nil
	}
	if err := decode(part, &out); err != nil {
		return Status{}, err
	}
	return out.Status, nil
}

// Observed tells whether a status tells of the object as it is now. Suspending a unit makes
// another generation of it, in which nothing is to be done.
func (s Status) Observed(obj *unstructured.Unstructured) bool {
	suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
	return s.ObservedGeneration == obj.GetGeneration() || suspended && len(s.Conditions) > 0
}

// Ready returns the Ready condition, or nil.
func (s Status) Ready() *metav1.Condition { return Condition(s.Conditions, meta.ReadyCondition) }

// Requested returns the value of the annotation that asks for a run.
func Requested(annotations map[string]string) string { return annotations[object.RequestedAt] }

// OriginRevision returns the revision of the origin that an artifact names.
func OriginRevision(a *meta.Artifact) string {
	if a == nil {
		return ""
	}
	return a.Metadata["org.opencontainers.image.revision"]
}
