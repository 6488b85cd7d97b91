package report_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/report"
)

func TestSuspended(t *testing.T) {
	const ready, failed = `[{type: Ready, status: "True"}]`, `[{type: Ready, status: "False"}]`
	for _, c := range []struct {
		kind, suspend, conditions string
		want                      any // observedGeneration, was 1 of 2
	}{
		{"HelmRelease", "true", ready, int64(2)},
		{"HelmRelease", "true", failed, int64(2)},
		{"HelmRelease", "true", "[]", int64(2)},
		{"HelmRelease", "false", ready, nil},
		{"Kustomization", "true", ready, int64(2)},
		{"Kustomization", "true", failed, nil},
		{"OCIRepository", "true", failed, int64(2)},
		{"HelmRepository", "true", "[]", nil},
	} {
		text := fmt.Sprintf("kind: %s\nmetadata: {generation: 2}\nspec: {suspend: %s}\nstatus: {observedGeneration: 1, url: x, conditions: %s}\n", c.kind, c.suspend, c.conditions)
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
			t.Fatal(err)
		}
		obj.SetGeneration(2) // YAML has it as a float
		got := report.Suspended(obj)
		if got["observedGeneration"] != c.want || got != nil && got["url"] != "x" {
			t.Errorf("%s, suspend %s, conditions %s: got %v, want generation %v", c.kind, c.suspend, c.conditions, got, c.want)
		}
		if got != nil {
			obj.Object["status"] = got
			if again := report.Suspended(obj); again != nil {
				t.Errorf("%s: written twice: %v", c.kind, again)
			}
		}
	}
}
