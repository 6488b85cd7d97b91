package report

import (
	"maps"
	"slices"
)

// Followed is the status of a Kustomization that is ready after a run at another
// revision of its source which changes nothing for it: what Kustomization would make
// of it, at a hundredth of the cost. Origin may be empty. The status is that of an
// object, as JSON values; it is shared and not changed.
func Followed(status map[string]any, revision, origin string) map[string]any {
	out := maps.Clone(status)
	out["lastAppliedRevision"], out["lastAttemptedRevision"] = revision, revision
	noted := map[string]any{"revision": revision}
	delete(out, "lastAppliedOriginRevision")
	if origin != "" {
		out["lastAppliedOriginRevision"], noted["originRevision"] = origin, origin
	}
	isReady := func(c map[string]any) bool { return c["type"] == Ready }
	edited(out, "conditions", isReady, func(c map[string]any) { c["message"] = FollowedMessage(revision) })
	latest := func(map[string]any) bool { return true }
	edited(out, "history", latest, func(s map[string]any) {
		s["metadata"] = noted
		if n, ok := s["totalReconciliations"].(int64); ok {
			s["totalReconciliations"] = n + 1
		}
	})
	return out
}

// FollowedMessage is what a Kustomization says that is ready at a revision.
func FollowedMessage(revision string) string { return "Applied revision: " + revision }

// edited puts a copy of a list in its place in which the first item that is meant is
// changed.
func edited(status map[string]any, name string, meant func(map[string]any) bool, change func(map[string]any)) {
	list, _ := status[name].([]any)
	i := slices.IndexFunc(list, func(item any) bool {
		m, ok := item.(map[string]any)
		return ok && meant(m)
	})
	if i < 0 {
		return
	}
	item := maps.Clone(list[i].(map[string]any))
	change(item)
	list = slices.Clone(list)
	list[i] = item
	status[name] = list
}
