package memory

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/world/schema"
)

// settle gives kinds of which the world itself is the controller the state that
// a server would give them.
func (w *World) settle(c change, live, next *unstructured.Unstructured) {
	switch {
	case c.subresource != "":
	case c.ref.GroupKind() == schema.DefinitionKind:
		w.settleDefinition(live, next)
	case c.kind.GVK.Group == "" && c.kind.GVK.Kind == "Namespace" && live == nil:
		next.Object["status"] = map[string]any{"phase": "Active"}
		setDefault(next, []any{"kubernetes"}, "spec", "finalizers")
	}
}

// settleDefinition says at once what a server's controllers say after a moment:
// the names are accepted, the kinds are served.
func (w *World) settleDefinition(live, next *unstructured.Unstructured) {
	if live != nil && gone(live) {
		return
	}
	names, _, _ := unstructured.NestedMap(next.Object, "spec", "names")
	since := w.now().Format("2006-01-02T15:04:05Z")
	if live != nil {
		if s, ok := firstTransition(live); ok {
			since = s
		}
	}
	next.Object["status"] = map[string]any{
		"acceptedNames":  names,
		"storedVersions": storedVersions(live, next),
		"conditions": []any{
			condition("NamesAccepted", "NoConflicts", "no conflicts found", since),
			condition("Established", "InitialNamesAccepted", "the initial names have been accepted", since),
		},
	}
}

func condition(kind, reason, message, since string) map[string]any {
	return map[string]any{
		"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": since,
	}
}

func firstTransition(u *unstructured.Unstructured) (string, bool) {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	if len(conditions) == 0 {
		return "", false
	}
	first, _ := conditions[0].(map[string]any)
	since, ok := first["lastTransitionTime"].(string)
	return since, ok
}

// storedVersions adds the storage version to those that were one before.
func storedVersions(live, next *unstructured.Unstructured) []any {
	var stored []any
	if live != nil {
		stored, _, _ = unstructured.NestedSlice(live.Object, "status", "storedVersions")
	}
	versions, _, _ := unstructured.NestedSlice(next.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		if is, _ := version["storage"].(bool); is && !contains(stored, version["name"]) {
			stored = append(stored, version["name"])
		}
	}
	return stored
}

func contains(all []any, x any) bool {
	for _, a := range all {
		if a == x {
			return true
		}
	}
	return false
}

func setDefault(u *unstructured.Unstructured, value any, at ...string) {
	if v, ok, _ := unstructured.NestedFieldNoCopy(u.Object, at...); !ok || v == nil {
		_ = unstructured.SetNestedField(u.Object, value, at...)
	}
}
