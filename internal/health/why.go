package health

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Family is an object with what it owns, and what the cluster said about any of it.
type Family struct {
	Object *unstructured.Unstructured
	Pods   []*unstructured.Unstructured
	// Warnings are Events (core/v1) of type Warning, the last one last.
	Warnings []*unstructured.Unstructured
}

// Why says in a line what keeps an object from being ready: what its status says,
// what was refused to it, and how the first pod stands that is not ready.
//
//	Available: 0/1; pod web-57ccc9574-drf26, container web: CrashLoopBackOff, exit code 1
func (f Family) Why() string {
	parts := []string{Of(f.Object, Rules{}).Message}
	refused := false
	for _, c := range itemsOf(f.Object, "status", "conditions") {
		if text(c, "type") == "ReplicaFailure" && text(c, "status") == "True" {
			parts, refused = append(parts, text(c, "message")), true
		}
	}
	pod := ""
	for _, p := range f.Pods {
		if pod = podWhy(p); pod != "" {
			break
		}
	}
	if n := len(f.Warnings); pod != "" {
		parts = append(parts, pod)
	} else if n > 0 && !refused {
		parts = append(parts, text(f.Warnings[n-1].Object, "message"))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// podWhy says why a pod is not ready; empty where it is, goes, or does not say.
func podWhy(pod *unstructured.Unstructured) string {
	if pod.GetDeletionTimestamp() != nil {
		return ""
	}
	for _, field := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, c := range itemsOf(pod, "status", field) {
			if why := containerWhy(c); why != "" {
				return fmt.Sprintf("pod %s, container %s: %s", pod.GetName(), text(c, "name"), why)
			}
		}
	}
	for _, c := range itemsOf(pod, "status", "conditions") {
		if text(c, "type") == "PodScheduled" && text(c, "status") == "False" {
			return fmt.Sprintf("pod %s is not scheduled: %s", pod.GetName(), text(c, "message"))
		}
	}
	return ""
}

// containerWhy is the reason for which a container waits, or ended badly.
func containerWhy(c map[string]any) string {
	why := text(c, "state", "waiting", "reason")
	if why == "" {
		why = text(c, "state", "terminated", "reason")
	}
	if why == "" || why == "Completed" || why == "PodInitializing" {
		return ""
	}
	for _, state := range []string{"state", "lastState"} {
		if code, found, _ := unstructured.NestedInt64(c, state, "terminated", "exitCode"); found {
			return fmt.Sprintf("%s, exit code %d", why, code)
		}
	}
	return why
}

// itemsOf are the maps of a list.
func itemsOf(obj *unstructured.Unstructured, path ...string) []map[string]any {
	items, _, _ := unstructured.NestedSlice(obj.Object, path...)
	var out []map[string]any
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func text(m map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(m, path...)
	return s
}
