package change_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// large is a fleet of a thousand units with ten objects each.
func large() fleet.Rendered {
	r := fleet.Rendered{}
	for i := range 1000 {
		u := fleet.Unit{
			Key:   object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "apps", Name: fmt.Sprint("unit-", i)},
			State: fleet.Ready, Order: i, Object: workload(fmt.Sprint("unit-", i), "x"),
		}
		for j := range 10 {
			w := workload(fmt.Sprintf("app-%d-%d", i, j), "ghcr.io/acme/app:1.0.0")
			u.Objects = append(u.Objects, fleet.Object{Ref: object.RefOf(w), Value: w})
		}
		r.Units = append(r.Units, u)
	}
	return r
}

func workload(name, image string) *unstructured.Unstructured {
	var env []any
	for i := range 8 {
		env = append(env, map[string]any{"name": fmt.Sprint("VAR_", i), "value": name})
	}
	labels := func() map[string]any {
		return map[string]any{"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "shop"}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": name, "namespace": "apps", "labels": labels()},
		"spec": map[string]any{
			"replicas": int64(2), "selector": map[string]any{"matchLabels": labels()},
			"template": map[string]any{"metadata": map[string]any{"labels": labels()}, "spec": map[string]any{
				"containers": []any{map[string]any{
					"name": "app", "image": image, "env": env, "ports": []any{map[string]any{"containerPort": int64(80), "protocol": "TCP"}},
					"resources": map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "64Mi"}},
				}},
			}},
		},
	}}
}

// BenchmarkCompare compares 1000 units with 10,000 objects, of which one differs:
// rendered anew, and sharing what did not change.
func BenchmarkCompare(b *testing.B) {
	base := large()
	for name, head := range map[string]fleet.Rendered{"anew": large(), "shared": copiedTop(base)} {
		head.Units[500].Objects[5].Value = workload("app-500-5", "ghcr.io/acme/app:1.1.0")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if set := change.Compare(base, head, options()); len(set.Units) != 1 {
					b.Fatal(told(set))
				}
			}
		})
	}
}

func copiedTop(r fleet.Rendered) fleet.Rendered {
	units := make([]fleet.Unit, len(r.Units))
	for i, u := range r.Units {
		u.Objects = append([]fleet.Object(nil), u.Objects...)
		units[i] = u
	}
	r.Units = units
	return r
}
