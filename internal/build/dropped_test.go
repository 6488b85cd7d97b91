package build

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestDropped(t *testing.T) {
	for text, want := range map[string][]string{
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, annotation: {a: b}}, spec: {replicaz: 1, template: {spec: {hostNetwork: false,
		  containers: [{name: a, imagee: x, ports: [{containerPort: 80, protocl: TCP}], resources: {}}]}}}, status: {replicas: 1}}`: {
			"/metadata/annotation", "/spec/replicaz", "/spec/template/spec/containers/0/imagee", "/spec/template/spec/containers/0/ports/0/protocl",
		},
		`{apiVersion: v1, kind: Secret, metadata: {name: s, labels: {a: b}}, stringData: {a: b}, type: Opaque}`:               nil,
		`{apiVersion: example.org/v1, kind: Deployment, metadata: {name: own}, spec: {anything: goes}}`:                       nil,
		`{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80, nodePort: 0}], unknown: {deep: {}}}}`: nil,
	} {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		o, err := Recipe{}.complete(u)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(o.Dropped, want) {
			t.Errorf("%s\ngot  %q\nwant %q", text, o.Dropped, want)
		}
	}
}
