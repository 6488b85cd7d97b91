package plan

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const writtenByThree = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  managedFields:
  - {manager: kustomize-controller, operation: Apply, time: "2025-01-01T10:00:00Z", fieldsV1: {"f:metadata": {"f:labels": {"f:team": {}}}, "f:spec": {"f:replicas": {}, "f:paused": {}}}}
  - {manager: kube-controller-manager, operation: Update, subresource: scale, time: "2025-01-01T12:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}
  - {manager: kubectl-edit, operation: Update, time: "2025-01-01T11:00:00Z", fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}}}}}}}}
  labels: {team: red}
spec:
  replicas: 5
  paused: true
  template: {spec: {containers: [{name: side}, {name: web, image: "web:2"}]}}
`

func TestWriterOf(t *testing.T) {
	var live unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(writtenByThree), &live.Object); err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]string{
		"/spec/replicas":                           "kube-controller-manager Update scale 12:00",
		"/spec/paused":                             "kustomize-controller Apply  10:00",
		"/metadata/labels/team":                    "kustomize-controller Apply  10:00",
		"/spec/template/spec/containers/1/image":   "kubectl-edit Update  11:00",
		"/spec/template/spec/containers/0/image":   "",
		"/spec/minReadySeconds":                    "",
		"/spec/template/spec/containers/1":         "kubectl-edit Update  11:00",
		"no pointer":                               "",
		"/spec/template/spec/containers/9/nothing": "",
	} {
		got := ""
		if w, ok := WriterOf(&live, pointer); ok {
			got = w.Manager + " " + w.Operation + " " + w.Subresource + " " + w.Since.Format("15:04")
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", pointer, got, want)
		}
	}
	if _, ok := WriterOf(nil, "/spec"); ok {
		t.Error("nothing has no writer")
	}
}
