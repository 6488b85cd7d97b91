package finding_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// BenchmarkCheck runs all rules over a change of one object in 1000 units with
// 10,000 workloads.
func BenchmarkCheck(b *testing.B) {
	base, head := many(), many()
	head.Units[500].Objects[5].Value.Object["spec"].(map[string]any)["replicas"] = int64(0)
	set := change.Compare(base, head, change.Options{})
	for b.Loop() {
		if found := finding.Check(set, finding.Rules); len(finding.AtLeast(found, finding.Danger)) != 1 {
			b.Fatal(told(found))
		}
	}
}

func many() fleet.Rendered {
	r := fleet.Rendered{}
	for i := range 1000 {
		u := fleet.Unit{
			Key: object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "apps", Name: fmt.Sprint("unit-", i)}, State: fleet.Ready, Order: i,
			Object: &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"prune": true, "wait": true}}},
		}
		for j := range 10 {
			w := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "apps/v1", "kind": "Deployment",
				"metadata": map[string]any{"name": fmt.Sprintf("app-%d-%d", i, j), "namespace": "apps"},
				"spec": map[string]any{"replicas": int64(2), "template": map[string]any{"spec": map[string]any{
					"containers": []any{map[string]any{"name": "app", "image": "ghcr.io/acme/app:1.0.0"}, map[string]any{"name": "proxy", "image": "proxy:latest"}},
				}}},
			}}
			u.Objects = append(u.Objects, fleet.Object{Ref: object.RefOf(w), Value: w})
		}
		r.Units = append(r.Units, u)
	}
	return r
}
