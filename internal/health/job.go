package health

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var jobKind = schema.GroupKind{Group: "batch", Kind: "Job"}

// ofJob awaits the end of a Job, where kstatus is content once it has started
// (fluxcd/pkg/runtime v0.110 statusreaders/job.go). A suspended Job is Current.
func ofJob(obj *unstructured.Unstructured) Result {
	if suspended, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend"); suspended {
		return Result{Status: Current, Message: "Job is suspended"}
	}
	parallelism := status.GetIntField(obj.Object, ".spec.parallelism", 1)
	completions := status.GetIntField(obj.Object, ".spec.completions", parallelism)
	active := status.GetIntField(obj.Object, ".status.active", 0)
	succeeded := status.GetIntField(obj.Object, ".status.succeeded", 0)
	failed := status.GetIntField(obj.Object, ".status.failed", 0)

	for _, c := range conditionsOf(obj) {
		switch {
		case c.status != "True":
		case c.kind == "Complete":
			return Result{Status: Current, Message: fmt.Sprintf("Job has completed: %d of %d succeeded", succeeded, completions)}
		case c.kind == "Failed":
			return Result{Status: Failed, Message: fmt.Sprintf("Job has failed: %d of %d failed", failed, completions)}
		}
	}
	if status.GetStringField(obj.Object, ".status.startTime", "") == "" {
		return Result{Status: InProgress, Message: fmt.Sprintf("Job has not started: 0 of %d active", parallelism)}
	}
	return Result{
		Status:  InProgress,
		Message: fmt.Sprintf("Job is running: %d active, %d succeeded, %d failed", active, succeeded, failed),
	}
}

// VanishesWhenDone tells whether an object is a Job that the cluster deletes
// some time after it finished: if it is not found, it has been successful.
func VanishesWhenDone(desired *unstructured.Unstructured) bool {
	if desired == nil || desired.GroupVersionKind().GroupKind() != jobKind {
		return false
	}
	_, found, err := unstructured.NestedInt64(desired.Object, "spec", "ttlSecondsAfterFinished")
	return found && err == nil
}

// condition is one of status.conditions.
type condition struct{ kind, status, reason string }

// conditionsOf returns the conditions of an object, whatever else is in there.
func conditionsOf(obj *unstructured.Unstructured) []condition {
	st, _ := obj.Object["status"].(map[string]any)
	items, _ := st["conditions"].([]any)
	var conditions []condition
	for _, item := range items {
		fields, ok := item.(map[string]any)
		if !ok {
			continue
		}
		kind, _ := fields["type"].(string)
		state, _ := fields["status"].(string)
		reason, _ := fields["reason"].(string)
		conditions = append(conditions, condition{kind, state, reason})
	}
	return conditions
}
