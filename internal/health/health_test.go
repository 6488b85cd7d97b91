package health

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/cel"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func parse(t fataler, text string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		name, object string
		want         Status
	}{
		{"ConfigMap", "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}", Current},
		{"being deleted", "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, deletionTimestamp: '2026-01-01T00:00:00Z'}}", Terminating},
		{"Deployment, new", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, generation: 1}, spec: {replicas: 1}}", InProgress},
		{"Deployment, available", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, generation: 1}, spec: {replicas: 1},
			status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: "True"}]}}`, Current},
		{"Deployment, late", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, generation: 1}, spec: {replicas: 1, progressDeadlineSeconds: 1},
			status: {observedGeneration: 1, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`, Failed},
		{"Kustomization, not observed", `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: x, generation: 2},
			status: {observedGeneration: 1, conditions: [{type: Ready, status: "True"}]}}`, InProgress},
		{"Kustomization, fresh", `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: x, generation: 1},
			status: {observedGeneration: -1}}`, InProgress},
		{"Kustomization, ready", `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: x, generation: 2},
			status: {observedGeneration: 2, conditions: [{type: Ready, status: "True"}]}}`, Current},
		{"Kustomization, not ready", `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: x, generation: 2},
			status: {observedGeneration: 2, conditions: [{type: Ready, status: "False"}]}}`, InProgress},
		{"Kustomization, reconciling", `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: x, generation: 2},
			status: {observedGeneration: 2, conditions: [{type: Reconciling, status: "True"}, {type: Ready, status: "True"}]}}`, InProgress},
		{"Kustomization, stalled", `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: x, generation: 2},
			status: {observedGeneration: 2, conditions: [{type: Stalled, status: "True"}, {type: Ready, status: "False"}]}}`, Failed},
		{"PVC, pending", "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: x}, status: {phase: Pending}}", InProgress},
		{"CRD, established", `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: x},
			status: {conditions: [{type: Established, status: "True"}]}}`, Current},
		{"strange shape", "{apiVersion: v1, kind: Pod, metadata: {name: x}, status: {phase: Running, containerStatuses: [1]}}", Unknown},
		{"strange conditions", "{apiVersion: a.io/v1, kind: A, metadata: {name: x}, status: {conditions: 1}}", Unknown},
	} {
		got := Of(parse(t, tc.object), Rules{Now: noon})
		if got.Status != tc.want || (got.Err != nil) != (tc.want == Unknown) {
			t.Errorf("%s: got %+v, want %s", tc.name, got, tc.want)
		}
	}
	stalled := Of(parse(t, `{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: x, generation: 1}, status: {observedGeneration: 1, conditions: [
		{type: Stalled, status: "True", message: no attempt is left}, {type: Ready, status: "False", message: no such template}]}}`), Rules{Now: noon})
	if stalled.Status != Failed || stalled.Message != "no such template" {
		t.Errorf("stalled: got %+v, want what failed", stalled)
	}
	if got := Of(nil, Rules{}); got.Status != NotFound {
		t.Errorf("nil: got %+v", got)
	}
}

func TestJob(t *testing.T) {
	for status, want := range map[string]Status{
		"spec: {suspend: true}": Current,
		"status: {}":            InProgress,
		"status: {startTime: '2026-01-01T00:00:00Z', active: 1}":                                                InProgress, // kstatus alone says Current
		"status: {startTime: '2026-01-01T00:00:00Z', conditions: [{type: Complete, status: 'True'}]}":           Current,
		"status: {startTime: '2026-01-01T00:00:00Z', conditions: [{type: SuccessCriteriaMet, status: 'True'}]}": InProgress,
		"status: {startTime: '2026-01-01T00:00:00Z', conditions: [{type: Failed, status: 'True'}]}":             Failed,
		"status: {startTime: '2026-01-01T00:00:00Z', conditions: [{type: Failed, status: 'False'}]}":            InProgress,
		"status: {conditions: [7, {type: Complete, status: 'True'}]}":                                           Current,
	} {
		job := parse(t, "{apiVersion: batch/v1, kind: Job, metadata: {name: x}, "+status+"}")
		if got := Of(job, Rules{}); got.Status != want || got.Message == "" {
			t.Errorf("%s: got %+v, want %s", status, got, want)
		}
	}
	for text, want := range map[string]bool{
		"{apiVersion: batch/v1, kind: Job, spec: {ttlSecondsAfterFinished: 0}}":     true,
		"{apiVersion: batch/v1, kind: Job, spec: {}}":                               false,
		"{apiVersion: batch/v1, kind: CronJob, spec: {ttlSecondsAfterFinished: 1}}": false,
	} {
		if got := VanishesWhenDone(parse(t, text)); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
	if VanishesWhenDone(nil) {
		t.Error("nil vanishes")
	}
}

const waitingPod = `{apiVersion: v1, kind: Pod, metadata: {name: x, creationTimestamp: "2026-11-20T12:00:00Z"},
	status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable}]}}`

func TestPodThatWaitsForNode(t *testing.T) {
	pod := parse(t, waitingPod)
	for _, tc := range []struct {
		now  time.Time
		want Status
	}{{noon, InProgress}, {noon.Add(14 * time.Second), InProgress}, {noon.Add(15 * time.Second), Failed}, {time.Time{}, InProgress}} {
		got := Of(pod, Rules{Now: tc.now})
		if got.Status != tc.want || got.Until.IsZero() != (tc.want == Failed) {
			t.Errorf("%s: got %+v, want %s", tc.now, got, tc.want)
		}
	}
}

func TestStatefulSetFailsByPods(t *testing.T) {
	set := parse(t, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: x}, spec: {replicas: 1}, status: {replicas: 1}}")
	crashing := `{apiVersion: v1, kind: Pod, metadata: {name: x}, status: {phase: Running, containerStatuses: [{name: a, state: {waiting: {reason: CrashLoopBackOff}}}]}}`
	deleted := strings.Replace(crashing, "name: x}", "name: x, deletionTimestamp: '2026-01-01T00:00:00Z'}", 1)
	for _, tc := range []struct {
		name string
		pods []string
		want Status
	}{
		{"none", nil, InProgress}, {"crashing", []string{waitingPod, crashing}, Failed},
		{"being deleted", []string{deleted}, InProgress}, {"waits for a node", []string{waitingPod}, InProgress},
	} {
		rules := Rules{Now: noon.Add(time.Hour)}
		for _, pod := range tc.pods {
			rules.Pods = append(rules.Pods, parse(t, pod))
		}
		if got := Of(set, rules); got.Status != tc.want {
			t.Errorf("%s: got %+v, want %s", tc.name, got, tc.want)
		}
	}
	if !ReadsPods(schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}) || ReadsPods(schema.GroupKind{Group: "apps", Kind: "Deployment"}) {
		t.Error("pods are read for StatefulSet and ReplicaSet only")
	}
}

func TestCustom(t *testing.T) {
	checks, err := cel.ParseHealth([]cel.HealthCheck{
		{APIVersion: "a.io/v1", Kind: "A", Failed: "status.phase == 'bad'", Current: "status.phase == 'good'"},
		{APIVersion: "batch/v1", Kind: "Job", Current: "true"},
		{APIVersion: "v1", Kind: "ConfigMap", Current: "data.ready == 'yes'"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Status{
		"{apiVersion: a.io/v2, kind: A, status: {phase: good}}":                                                        Current,
		"{apiVersion: a.io/v1, kind: A, status: {phase: bad}}":                                                         Failed,
		"{apiVersion: a.io/v1, kind: A, status: {phase: other}}":                                                       InProgress,
		"{apiVersion: a.io/v1, kind: A}":                                                                               Unknown,
		"{apiVersion: b.io/v1, kind: A, status: {phase: bad}}":                                                         Current,
		"{apiVersion: batch/v1, kind: Job, metadata: {name: x}}":                                                       InProgress, // Flux asks its Job reader first
		"{apiVersion: v1, kind: ConfigMap, data: {ready: 'no'}}":                                                       InProgress,
		"{apiVersion: a.io/v1, kind: A, metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}, status: {phase: good}}": Current,
	} {
		got := Of(parse(t, text), Rules{Custom: checks})
		if got.Status != want || (got.Err != nil) != (want == Unknown) {
			t.Errorf("%s: got %+v, want %s", text, got, want)
		}
	}
	rules := Rules{Custom: checks}
	if rules.Trivial(schema.GroupKind{Kind: "ConfigMap"}) || !rules.Trivial(schema.GroupKind{Kind: "Secret"}) {
		t.Error("a kind with a custom check is not trivial")
	}
}

func TestSimulated(t *testing.T) {
	for text, want := range map[string]bool{
		"{apiVersion: v1, kind: Pod, metadata: {labels: {leat.dev/simulated: ''}}}":                           true,
		"{apiVersion: v1, kind: Pod, metadata: {annotations: {leat.dev/simulated: 'true'}}}":                  true,
		"{apiVersion: v1, kind: Pod, status: {conditions: [{type: leat.dev/simulated, status: 'True'}]}}":     true,
		"{apiVersion: v1, kind: Pod, status: {conditions: [{type: leat.dev/simulated, status: 'False'}, 1]}}": false,
		"{apiVersion: v1, kind: Pod, metadata: {annotations: {leat.dev/simulate: fail}}}":                     false,
	} {
		if got := Of(parse(t, text), Rules{}); got.Simulated != want {
			t.Errorf("%s: got %v", text, got.Simulated)
		}
	}
	if !RestsOnPods(jobKind) || !RestsOnPods(schema.GroupKind{Group: "apps", Kind: "Deployment"}) || RestsOnPods(schema.GroupKind{Group: "batch", Kind: "CronJob"}) {
		t.Error("wrong kinds rest on pods")
	}
}

// TestOfNeverPanics: whatever an object looks like, it has a health and stays
// as it is.
func TestOfNeverPanics(t *testing.T) {
	kinds := []string{"v1 Pod", "v1 Service", "apps/v1 Deployment", "apps/v1 StatefulSet", "apps/v1 DaemonSet", "apps/v1 ReplicaSet", "batch/v1 Job",
		"policy/v1 PodDisruptionBudget", "apiextensions.k8s.io/v1 CustomResourceDefinition", "a.io/v1 A"}
	fields := []string{"metadata", "spec", "status", "conditions", "type", "phase", "containerStatuses", "state", "name", "replicas", "generation",
		"observedGeneration", "reason", "labels", "annotations", "deletionTimestamp", "suspend", "startTime"}
	values := []any{nil, true, int64(1), 1.5, "Pending", "Running", "True", "Ready", "Unschedulable", "PodScheduled"}
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return rapid.SampledFrom(values)
		}
		return rapid.OneOf(rapid.SampledFrom(values),
			rapid.Map(rapid.MapOfN(rapid.SampledFrom(fields), value(depth-1), 0, 5), func(m map[string]any) any { return m }),
			rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(l []any) any { return l }))
	}
	rapid.Check(t, func(t *rapid.T) {
		apiVersion, kind, _ := strings.Cut(rapid.SampledFrom(kinds).Draw(t, "kind"), " ")
		obj := &unstructured.Unstructured{Object: rapid.MapOfN(rapid.SampledFrom(fields), value(4), 0, 5).Draw(t, "object")}
		obj.Object["apiVersion"], obj.Object["kind"] = apiVersion, kind
		before := obj.DeepCopy()
		got := Of(obj, Rules{Now: noon, Pods: []*unstructured.Unstructured{obj}})
		if !slices.Contains([]Status{Current, InProgress, Failed, Terminating, Unknown}, got.Status) {
			t.Fatalf("got %+v", got)
		}
		if !unstructuredEqual(before, obj) {
			t.Fatal("the object was changed")
		}
	})
}
