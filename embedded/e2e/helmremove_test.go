package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/loader"
	helmkube "helm.sh/helm/v4/pkg/kube"
	relv1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/leat-dev/leat/internal/app"
)

func TestDeletedReleaseIsUninstalled(t *testing.T) {
	s := releasing(t, fixed)
	s.released("web", 1)
	own := "HelmChart/" + s.ns + "-web"
	s.delete("HelmRelease/web")
	s.gone("HelmRelease/web")
	s.gone("ConfigMap/a")
	s.gone(own)
	s.wantKept("web", "release: not found")
	s.tells("web", "UninstallSucceeded", "Helm uninstall succeeded for release $ns/web.v1 with chart web@0.1.0")
}

func TestDeletedWhileSuspendedKeeps(t *testing.T) {
	s := releasing(t, fixed)
	s.released("web", 1)
	s.patch("HelmRelease/web", "spec: {suspend: true}")
	s.delete("HelmRelease/web")
	s.gone("HelmRelease/web")
	s.data("ConfigMap/a", "red")
	s.wantKept("web", "1:deployed")
	s.exists("HelmChart/" + s.ns + "-web")
}

// A release that is being installed is not forgotten when it is deleted.
func TestDeletedWhileItIsInstalled(t *testing.T) {
	for name, before := range map[string]func(s *stand){
		"before progress was written": func(*stand) {},
		"after":                       func(s *stand) { s.running("web", "install") },
		"after a restart": func(s *stand) {
			s.stop()
			s.setStatus("HelmRelease/web", "{status: {history: null, storageNamespace: null}}")
			s.delete("HelmRelease/web")
			s.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := releasing(t, "values: {stuck: true}")
			s.exists("Deployment/stuck")
			before(s)
			if name != "after a restart" {
				s.delete("HelmRelease/web")
			}
			s.gone("HelmRelease/web")
			s.gone("ConfigMap/a")
			s.gone("Deployment/stuck")
			s.wantKept("web", "release: not found")
		})
	}
}

// A release that somebody else made under the name is left alone by the deletion
// of a HelmRelease that never made one.
func TestDeletionLeavesTheReleasesOfOthers(t *testing.T) {
	s := up(t)
	s.installAsHelm("web", chartOf("0.1.0"))
	s.commit(chartOf("0.1.0"))
	s.apply(source, helmRelease("web", fixed, "dependsOn: [{name: none}]"))
	s.refuses("web", "DependencyNotReady", "dependency '$ns/none' not found")
	s.delete("HelmRelease/web")
	s.gone("HelmRelease/web")
	s.wantKept("web", "1:deployed")
}

// An uninstallation that fails is told and tried again.
func TestUninstallFails(t *testing.T) {
	s := up(t)
	s.commit(chartOf("0.1.0", files{"templates/job.yaml": strings.Replace(helmTest("bye", "leat.dev/simulate: job-exit-1"), "helm.sh/hook: test", "helm.sh/hook: pre-delete", 1)}))
	s.apply(source, helmRelease("web", fixed))
	s.released("web", 1)
	s.delete("HelmRelease/web")
	s.refusesDeleting("UninstallFailed", "Helm uninstall failed for release $ns/web.v1 with chart web@0.1.0: ", "bye")
	s.tells("web", "UninstallFailed", "bye")
	s.exists("ConfigMap/a")
	s.patch("HelmRelease/web", "spec: {uninstall: {disableHooks: true}}")
	s.gone("HelmRelease/web")
	s.gone("ConfigMap/a")
}

func (s *stand) refusesDeleting(reason string, texts ...string) {
	s.Helper()
	s.release("web", func(h *v2.HelmRelease) bool {
		c := cond(h, "Ready")
		ok := c.Status == "False" && c.Reason == reason && h.DeletionTimestamp != nil
		for _, text := range texts {
			ok = ok && strings.Contains(c.Message, s.expand(text))
		}
		return ok
	})
}

func TestReleaseHasTheRightsOfItsServiceAccountOnly(t *testing.T) {
	byDefault := func(c *app.Config) { c.Options.DefaultServiceAccount = "deployer" }
	for name, c := range map[string]struct {
		options []func(*app.Config)
		spec    string
	}{
		"named in the spec":      {nil, "serviceAccountName: deployer"},
		"named by the flag":      {[]func(*app.Config){byDefault}, ""},
		"the spec before a flag": {[]func(*app.Config){func(c *app.Config) { c.Options.DefaultServiceAccount = "other" }}, "serviceAccountName: deployer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t, c.options...)
			s.apply(serviceAccount)
			s.commit(chartOf("0.1.0", files{"templates/look.yaml": "# {{ len (lookup \"v1\" \"Secret\" \"$ns\" \"\").items }}"}))
			s.apply(source, helmRelease("web", fixed, c.spec))
			h := s.release("web", func(h *v2.HelmRelease) bool {
				r := cond(h, "Ready")
				return r.Status == "False" && strings.Contains(r.Message, "forbidden") && strings.Contains(r.Message, "system:serviceaccount:"+s.ns+":deployer")
			})
			if cond(h, "Stalled").Type != "" {
				t.Errorf("conditions: got %v", h.Status.Conditions)
			}
			s.absent("ConfigMap/a")
			s.apply(allowAll)
			s.annotate()
			s.release("web", current)
			s.data("ConfigMap/a", "red")
		})
	}
}

// Without the account to act as the deletion ends, and says what stays.
func TestDeletionWithoutTheServiceAccount(t *testing.T) {
	s := up(t)
	s.apply(serviceAccount, allowAll)
	s.commit(chartOf("0.1.0"))
	s.apply(source, helmRelease("web", fixed, "serviceAccountName: deployer"))
	s.released("web", 1)
	s.delete("ServiceAccount/deployer")
	s.delete("HelmRelease/web")
	s.gone("HelmRelease/web")
	s.gone("HelmChart/" + s.ns + "-web")
	s.data("ConfigMap/a", "red")
	s.tells("web", "UninstallFailed", "unable to uninstall release web: system:serviceaccount:$ns:deployer is gone; its objects and its Secrets in namespace $ns were left behind")
}

func TestNoCrossNamespaceChart(t *testing.T) {
	s := up(t, func(c *app.Config) { c.Options.NoCrossNamespaceRefs = true })
	s.commit(chartOf("0.1.0"))
	s.apply(source, helmRelease("by", fixed, "releaseName: by"))
	s.apply(helmRelease("web", "chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: fleet, namespace: elsewhere}}}"))
	s.stalled("web", "AccessDenied", "can't access 'HelmChart/elsewhere/$ns-web', cross-namespace references have been blocked")
	s.apply(helmRelease("ref", "chartRef: {kind: OCIRepository, name: x, namespace: elsewhere}"))
	s.stalled("ref", "AccessDenied", "can't access 'OCIRepository/elsewhere/x', cross-namespace references have been blocked")
	s.release("by", current)
	s.patch("HelmRelease/web", "spec: {chart: {spec: {sourceRef: {namespace: null}}}, releaseName: two}")
	s.release("web", func(h *v2.HelmRelease) bool { return h.Status.LastAttemptedGeneration == h.Generation })
}

// installAsHelm installs a chart as the helm command does.
func (s *stand) installAsHelm(name string, chart files) *relv1.Release {
	s.Helper()
	dir := s.TempDir()
	for file, text := range chart {
		path := filepath.Join(dir, file)
		s.must(os.MkdirAll(filepath.Dir(path), 0o700))
		s.must(os.WriteFile(path, []byte(s.expand(text)), 0o600))
	}
	c, err := loader.Load(filepath.Join(dir, "chart"))
	s.must(err)
	install := action.NewInstall(s.helm())
	install.ReleaseName, install.Namespace, install.WaitStrategy = name, s.ns, helmkube.HookOnlyStrategy
	rel, err := install.Run(c, map[string]any{})
	s.must(err)
	return rel.(*relv1.Release)
}
