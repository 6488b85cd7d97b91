package finding

import (
	"cmp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/words"
)

var availabilityRules = []Rule{
	{
		Name: "scaled-to-zero", Severity: Danger,
		Doc:   "A workload that ran is scaled to no replicas: what it serves is gone.",
		Check: scaled(func(before, after int64) bool { return before > 0 && after == 0 }, "no replica is left of %d"),
	},
	{
		Name: "scaled-to-one", Severity: Warning,
		Doc:   "A workload with several replicas is scaled to one: every restart and every drained node is an outage.",
		Check: scaled(func(before, after int64) bool { return before > 1 && after == 1 }, "one replica is left of %d"),
	},
	{
		Name: "budget-removed", Severity: Warning,
		Doc:   "A PodDisruptionBudget is deleted: draining nodes may stop all of its pods at once.",
		Check: perChange(budgetRemoved),
	},
	{
		Name: "budget-blocks", Severity: Warning,
		Doc:   "A PodDisruptionBudget lets no pod go: minAvailable is all replicas, or maxUnavailable is none. No node with such a pod can be drained.",
		Check: standing(budgetBlocks),
	},
	{
		Name: "probe-removed", Severity: Warning,
		Doc:   "A container loses a probe: traffic reaches it before it is ready, or nobody restarts it once it hangs.",
		Check: perChange(probeRemoved),
	},
	{
		Name: "resources-removed", Severity: Warning,
		Doc:   "A container loses a request or a limit: its pods are the first to be evicted, or may take what others need.",
		Check: perChange(resourcesRemoved),
	},
	{
		Name: "strategy-recreate", Severity: Warning,
		Doc:   "Pods are no longer replaced one by one: Recreate stops all before the first new one starts, OnDelete replaces none by itself.",
		Check: perChange(strategy),
	},
}

// scaled looks for workloads whose replicas change in a way; text has the number
// before. What an autoscaler scales has none of its own.
func scaled(how func(before, after int64) bool, text string) func(change.Set) []Finding {
	return func(set change.Set) []Finding {
		var auto map[object.Key]bool
		return perChange(func(o *change.Object) []Finding {
			if !(is(o.Ref, "apps/Deployment") || is(o.Ref, "apps/StatefulSet") || is(o.Ref, "apps/ReplicaSet")) || o.Before == nil || o.After == nil {
				return nil
			}
			before, after := replicas(o.Before), replicas(o.After)
			if !how(before, after) {
				return nil
			}
			if auto == nil {
				auto = autoscaled(set.After)
			}
			if auto[o.Ref.Key] && after > 0 {
				return nil
			}
			return foundAt("/spec/replicas", text, before)
		})(set)
	}
}

func replicas(u *unstructured.Unstructured) int64 {
	if n, given := number(at(u, "spec", "replicas")); given {
		return n
	}
	return 1
}

// autoscaled are the workloads that autoscalers scale.
func autoscaled(r fleet.Rendered) map[object.Key]bool {
	out := map[object.Key]bool{}
	for i := range r.Units {
		for o := range made(&r.Units[i]) {
			if !is(o.Ref, "autoscaling/HorizontalPodAutoscaler") && !is(o.Ref, "keda.sh/ScaledObject") {
				continue
			}
			kind := cmp.Or(textAt(o.Value, "spec", "scaleTargetRef", "kind"), "Deployment")
			name := textAt(o.Value, "spec", "scaleTargetRef", "name")
			out[object.Key{Group: "apps", Kind: kind, Namespace: o.Ref.Namespace, Name: name, Cluster: o.Ref.Cluster}] = true
		}
	}
	return out
}

const budget = "policy/PodDisruptionBudget"

func budgetRemoved(o *change.Object) []Finding {
	if !is(o.Ref, budget) || o.Op != change.Delete {
		return nil
	}
	return found("the budget is deleted: nothing keeps its pods from all being stopped at once")
}

func budgetBlocks(r fleet.Rendered) []Finding {
	var out []Finding
	var running map[space][]workload
	for i := range r.Units {
		for o := range made(&r.Units[i]) {
			if !is(o.Ref, budget) {
				continue
			}
			if running == nil {
				running = workloads(r)
			}
			for _, f := range blocks(running[spaceOf(o.Ref)], o) {
				out = append(out, f.of(&r.Units[i], o))
			}
		}
	}
	return out
}

// workload is what runs a number of pods.
type workload struct {
	ref      object.Ref
	labels   labels.Set // of the pods
	replicas int64
}

// space is a namespace of a cluster.
type space struct{ cluster, namespace string }

func spaceOf(ref object.Ref) space { return space{ref.Cluster, ref.Namespace} }

// workloads are those of a fleet, by namespace, but for those that autoscalers
// scale.
func workloads(r fleet.Rendered) map[space][]workload {
	out, auto := map[space][]workload{}, autoscaled(r)
	for i := range r.Units {
		for o := range made(&r.Units[i]) {
			if (is(o.Ref, "apps/Deployment") || is(o.Ref, "apps/StatefulSet")) && !auto[o.Ref.Key] {
				pods, _, _ := unstructured.NestedStringMap(o.Value.Object, "spec", "template", "metadata", "labels")
				out[spaceOf(o.Ref)] = append(out[spaceOf(o.Ref)], workload{o.Ref, pods, replicas(o.Value)})
			}
		}
	}
	return out
}

func blocks(running []workload, o *fleet.Object) []Finding {
	most, least := at(o.Value, "spec", "maxUnavailable"), at(o.Value, "spec", "minAvailable")
	n, counted := number(most)
	switch {
	case counted && n == 0 || most == "0%" || most == "0":
		return foundAt("/spec/maxUnavailable", "maxUnavailable is none: no pod may be stopped")
	case least == "100%":
		return foundAt("/spec/minAvailable", "minAvailable is all: no pod may be stopped")
	}
	n, _ = number(least)
	match := selectorOf(o.Value)
	for _, w := range running {
		if n > 0 && w.replicas > 0 && n >= w.replicas && match.Matches(w.labels) {
			return foundAt("/spec/minAvailable", "minAvailable is %d, and %s has %s: no pod may be stopped", n, w.ref, count(int(w.replicas), "replica"))
		}
	}
	return nil
}

// selectorOf reads spec.selector; what cannot be read selects nothing.
func selectorOf(u *unstructured.Unstructured) labels.Selector {
	var selector metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(asMap(at(u, "spec", "selector")), &selector); err != nil {
		return labels.Nothing()
	}
	match, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil || match.Empty() {
		return labels.Nothing()
	}
	return match
}

var probes = []string{"livenessProbe", "readinessProbe", "startupProbe"}

func probeRemoved(o *change.Object) []Finding {
	return perContainerChange(o, func(before, after map[string]any, c container) []Finding {
		var gone []string
		for _, probe := range probes {
			if before[probe] != nil && after[probe] == nil {
				gone = append(gone, probe)
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return foundAt(c.field(gone[0]), "the container %s loses its %s", c.name, words.Some(gone))
	})
}

func resourcesRemoved(o *change.Object) []Finding {
	return perContainerChange(o, func(before, after map[string]any, c container) []Finding {
		var gone []string
		for _, kind := range []string{"requests", "limits"} {
			for _, what := range []string{"cpu", "memory"} {
				if in(before, "resources", kind, what) != nil && in(after, "resources", kind, what) == nil {
					gone = append(gone, strings.TrimSuffix(kind, "s")+" of "+what)
				}
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return foundAt(c.field("resources"), "the container %s loses its %s", c.name, words.Some(gone))
	})
}

func strategy(o *change.Object) []Finding {
	field := map[string]string{"Deployment": "strategy", "StatefulSet": "updateStrategy", "DaemonSet": "updateStrategy"}[o.Ref.Kind]
	if field == "" || o.Ref.Group != "apps" || o.Before == nil || o.After == nil {
		return nil
	}
	was, is := textAt(o.Before, "spec", field, "type"), textAt(o.After, "spec", field, "type")
	if was == is || is != "Recreate" && is != "OnDelete" {
		return nil
	}
	if was == "" {
		was = "RollingUpdate"
	}
	return foundAt("/spec/"+field+"/type", "the strategy becomes %s instead of %s", is, was)
}
