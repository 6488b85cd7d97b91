package e2e

import (
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/app"
)

// What managers add that --override-manager names goes, within the moment; what
// others add stays.
func TestOverriddenManagers(t *testing.T) {
	s := up(t, func(c *app.Config) { c.Options.OverrideManagers = []string{"rogue"} })
	s.save(files{"app/k.yaml": configMap("k", "1")})
	s.commit(chartOf("0.1.0"))
	s.apply(source, kustomization("app", "path: ./app"), helmRelease("web", fixed, detecting))
	s.ready("app")
	s.release("web", func(h *v2.HelmRelease) bool { return current(h) && cond(h, "Drifted").Status == "False" })
	s.idle()
	for _, name := range []string{"ConfigMap/k", "ConfigMap/a"} {
		s.patchAs("mutator", name, `{data: {kept: "1"}}`)
		s.patchAs("rogue", name, `{data: {extra: "1"}}`)
		s.await(name, func(o *unstructured.Unstructured) bool {
			return field(o, "data", "extra") == "" && field(o, "data", "kept") == `"1"`
		})
	}
	s.idle()
	asked := s.asked()
	s.patchAs("mutator", "ConfigMap/a", `{data: {kept: "2"}}`)
	s.has("ConfigMap/a", `"2"`, "data", "kept")
	s.idle()
	if got := s.asked(); got != asked {
		t.Errorf("a field of others made %d requests", got-asked)
	}
}
