package health_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/health"
)

func TestWhy(t *testing.T) {
	const deployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1}, status: {replicas: 1, updatedReplicas: 1}}`
	for _, c := range []struct{ name, object, pod, warning, want string }{
		{"a container that ends again and again", deployment, `{status: {containerStatuses: [{name: web,
			state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {reason: Error, exitCode: 1}}}]}}`, "",
			"Available: 0/1; pod p, container web: CrashLoopBackOff, exit code 1"},
		{"an init container comes first", deployment, `{status: {initContainerStatuses: [{name: init, state: {waiting: {reason: ErrImagePull}}}],
			containerStatuses: [{name: web, state: {waiting: {reason: PodInitializing}}}]}}`, "",
			"Available: 0/1; pod p, container init: ErrImagePull"},
		{"no node fits", deployment, `{status: {conditions: [{type: PodScheduled, status: "False", message: 0/1 nodes are available}]}}`, `{message: later}`,
			"Available: 0/1; pod p is not scheduled: 0/1 nodes are available"},
		{"a pod that goes", deployment, `{metadata: {name: p, deletionTimestamp: "2026-01-01T00:00:00Z"}, status: {containerStatuses: [{name: web, state: {waiting: {reason: X}}}]}}`,
			`{message: what was said last}`, "Available: 0/1; what was said last"},
		{"pods that are refused", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1},
			status: {conditions: [{type: ReplicaFailure, status: "True", message: exceeded quota}]}}`, `{}`, "", "Replicas: 0/1; exceeded quota"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := health.Family{Object: decode(t, c.object), Pods: []*unstructured.Unstructured{decode(t, c.pod)}}
			if f.Pods[0].GetName() == "" {
				f.Pods[0].SetName("p")
			}
			if c.warning != "" {
				f.Warnings = []*unstructured.Unstructured{decode(t, c.warning)}
			}
			if got := f.Why(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func decode(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = json.Unmarshal(data, &u.Object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}
