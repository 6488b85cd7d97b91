package fleettest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mutation is a set of edits of a fleet, which are planned and delivered together.
type mutation struct {
	name  string // of the fleet
	edits []edit
	short bool // part of the quick suite
}

// edit replaces text in a file, once. Without from it writes the file.
type edit struct{ file, from, to string }

// mutations are what is planned and delivered, of each kind of edit some: fields,
// variables, objects and units that come and go, releases, what the API refuses.
func mutations() []mutation {
	return []mutation{
		{name: "platform-dev", edits: []edit{
			{"apps/dev/kustomization.yaml", "2.8.0-rc.1", "2.8.0-rc.2"},
			{"clusters/dev/settings.yaml", "log_level: debug", "log_level: info"},
			{"infrastructure/policies/kustomization.yaml", "  - network-policy.yaml\n", ""},
			{"apps/base/web/kustomization.yaml", "resources:\n", "resources:\n  - budget.yaml\n"},
			{"apps/base/web/budget.yaml", "", "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {minAvailable: 1, selector: {matchLabels: {app: web}}}\n"},
			{"charts/cache/Chart.yaml", "version: ", "version: 9"},
		}},
		{name: "platform-prod", edits: []edit{
			{"apps/base/worker/deployment.yaml", "app: worker", "app: workers"}, // immutable
			{"clusters/prod/kustomization.yaml", "resources:\n", "resources:\n  - extra.yaml\n"},
			{"clusters/prod/extra.yaml", "", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: extra, namespace: flux-system}\n" +
				"spec: {interval: 1h, prune: true, path: ./extra, sourceRef: {kind: GitRepository, name: flux-system}, dependsOn: [{name: nobody}]}\n"},
		}},
		{name: "kustomize-helm-staging-charts", edits: []edit{
			{"apps/staging/podinfo-values.yaml", "podinfo.staging", "podinfo.example.org"},
			{"apps/staging/podinfo-values.yaml", ">=1.0.0-alpha", "6.9.3"},
			{"infrastructure/configs/gateway.yaml", "port: 80", "port: 8080"},
			{"infrastructure/configs/kustomization.yaml", "  - cluster-issuers.yaml\n", ""},
			{"infrastructure/controllers/kustomization.yaml", "resources:\n", "resources:\n  - more.yaml\n"},
			{"infrastructure/controllers/more.yaml", "", "apiVersion: v1\nkind: Namespace\nmetadata: {name: more}\n"},
		}},
		{name: "radix-playground", edits: []edit{
			{"components/radix-platform/radix-platform/component-priority-class.yaml", "value: 1000000", "value: 2000000"}, // immutable
			{"components/third-party/security-mitigation/kernel-lpe-mitigate.yaml", "busybox:2.0", "busybox:2.1"},
			{"clusters/playground/infrastructure/third-party/kustomization.yaml", "  - gateway-lb.yaml\n", ""},
			{"clusters/playground/infrastructure/radix-platform/kustomization.yaml", "  - radix-cost-allocation.yaml\n", ""},
			{"clusters/playground/infrastructure/third-party/tekton-config.yaml", "interval: ", "interval: 1"},
		}},
		{name: "lsc-sde-local", edits: []edit{
			{"core/flux-config.yaml", "release/0.1.22", "release/0.1.18"},
			{"clusters/local/lscsde/configuration.yaml", "environment_name: local", "environment_name: here"},
			{"clusters/local/kube-system/kustomization.yaml", "\n- release.yaml", ""},
		}},
		{name: "home-ops", edits: []edit{
			{"kubernetes/apps/network/echo-server/app/helmrelease.yaml", "tag: 41", "tag: 42"},
			{"kubernetes/apps/media/kustomization.yaml", "  - ./bonob/ks.yaml\n", ""},
			{"kubernetes/apps/observability/kustomization.yaml", "  - ./kromgo/ks.yaml\n", ""},
		}},
	}
}

// named is the fleet of a table.
func named(t *testing.T, name string) fleet {
	t.Helper()
	for _, f := range all() {
		if f.name == name {
			return f
		}
	}
	t.Fatalf("there is no fleet %s", name)
	return fleet{}
}

// sides are copies of a fleet, as it is and edited.
func (m mutation) sides(t *testing.T, dir string) (base, head string) {
	t.Helper()
	base, head = filepath.Join(t.TempDir(), "fleet"), filepath.Join(t.TempDir(), "fleet")
	for _, to := range []string{base, head} {
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range m.edits {
		file := filepath.Join(head, e.file)
		text := e.to
		if e.from != "" {
			have, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(have), e.from) {
				t.Fatalf("%s has no %q: %v", e.file, e.from, err)
			}
			text = strings.Replace(string(have), e.from, e.to, 1)
		}
		write(t, file, []byte(text))
	}
	return base, head
}
