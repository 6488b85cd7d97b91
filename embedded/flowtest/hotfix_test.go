package flowtest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/mirror"
)

// lscsde is the organisation of seed 1 on servers of its own: the core repository with
// its branches, the namespaces and keda, and their charts. Everything is as in public
// but the addresses, and that only keda is enabled, by the switches that each cluster's
// environment-component-config.yaml has for that.
func lscsde(t *testing.T) *organisation {
	t.Helper()
	dir := fleet(t, "lsc-sde")
	o := newOrganisation(t, "lsc-sde")
	charts := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "charts"))))
	t.Cleanup(charts.Close)
	addresses := strings.NewReplacer("https://github.com/lsc-sde/", o.url(""), "https://lsc-sde.github.io/", charts.URL+"/", "https://kedacore.github.io/charts", charts.URL+"/keda")
	moved := func(work string) { o.edited(work, addresses.Replace) }
	core := func(work string) {
		moved(work)
		o.edited(filepath.Join(work, "core"), chartsOfToday)
		for _, cluster := range []string{"sandbox", "dev", "prod"} {
			dir := filepath.Join(work, "clusters", cluster)
			o.write(filepath.Join(dir, "lscsde", "environment-component-config.yaml"), addresses.Replace(onlyKeda))
			o.edited(filepath.Join(dir, "kustomization.yaml"), func(text string) string { return strings.Replace(text, "- lscsde-sjt\n", "", 1) })
		}
	}
	o.mirrored = func(c *app.Config) { // the core chart names this one itself
		c.Local = &app.LocalSources{Mirrors: []mirror.Mirror{{Prefix: mirror.Normalize("https://lsc-sde.github.io/iac-helm-repository"), Target: filepath.Join(dir, "charts", "iac-helm-repository")}}}
	}
	git := filepath.Join(dir, "git")
	o.repository("iac-flux-lscsde-namespaces", branch{"main", git + "/iac-flux-lscsde-namespaces/main", moved})
	o.repository("iac-flux-keda", branch{"main", git + "/iac-flux-keda/release@0.1.45", moved}, branch{"release/0.1.45", git + "/iac-flux-keda/release@0.1.45", moved})
	o.repository("iac-flux-lscsde", branch{"main", git + "/iac-flux-lscsde/main", core},
		branch{"dev", git + "/iac-flux-lscsde/dev", core}, branch{"prod", git + "/iac-flux-lscsde/prod", core})
	return o
}

// onlyKeda switches every other component off.
var onlyKeda = func() string {
	text := "repository: {url: \"https://github.com/lsc-sde/iac-flux-lscsde-namespaces\"}\ncomponents:\n  keda: {repository: {url: \"https://github.com/lsc-sde/iac-flux-keda\"}}\n"
	for _, name := range strings.Fields("aks_dns analytics_workspace_management awms_crate awms_guacamole cert_manager cr8tor_publisher guacamole ingress_nginx jupyter_hub keycloak neulander observability_metrics rabbitmq secrets_distributor tobiko trust_manager workspace_definitions") {
		text += "  " + name + ": {state: disabled}\n"
	}
	return text
}()

// chartsOfToday pins the versions of the two charts that are here.
func chartsOfToday(text string) string {
	text = regexp.MustCompile(`version: 0\.1\.(9\d)\n`).ReplaceAllString(text, "version: 0.1.97\n")
	return regexp.MustCompile(`version: 0\.1\.(1\d|2\d)\n`).ReplaceAllString(text, "version: 0.1.22\n")
}

// edited rewrites a file, or all YAML files below a folder.
func (o *organisation) edited(at string, edit func(string) string) {
	o.Helper()
	o.must(filepath.WalkDir(at, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(name) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, []byte(edit(string(text))), 0o644)
		}
		return err
	}))
}

// terraformed is what Terraform makes in a cluster of lsc-sde before Flux comes.
const terraformed = `
apiVersion: v1
kind: Namespace
metadata: {name: lscsde-config}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cluster-config, namespace: lscsde-config}
data: {azure_client_id: none, azure_keyvault_name: none, azure_tenant_id: none, private_dnz_zone: lsc-sde.local, dns_prefix: "", dns_resource_group: none, dns_subscription_id: none, azure_subscription_id: none}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: networkpolicies.crd.projectcalico.org}
spec:
  group: crd.projectcalico.org
  names: {kind: NetworkPolicy, listKind: NetworkPolicyList, plural: networkpolicies, singular: networkpolicy}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: secretsdistributions.xlscsde.nhs.uk}
spec:
  group: xlscsde.nhs.uk
  names: {kind: SecretsDistribution, listKind: SecretsDistributionList, plural: secretsdistributions, singular: secretsdistribution}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

// configured is what Terraform's azurerm_kubernetes_flux_configuration makes.
func configured(o *organisation, branch, cluster string) string {
	return `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: lscsde, namespace: lscsde-config}
spec: {interval: 1m, url: "` + o.url("iac-flux-lscsde") + `", ref: {branch: ` + branch + `}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: lscsde, namespace: lscsde-config}
spec: {interval: 1m, path: clusters/` + cluster + `, prune: true, sourceRef: {kind: GitRepository, name: lscsde}, targetNamespace: lscsde-config}
`
}

// declaredOfSeed1 is leat.yaml as leat init proposes it, with what only people know.
func declaredOfSeed1(o *organisation) string {
	return `apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: sandbox, branch: main, cluster: clusters/sandbox, context: sandbox}
  - {name: dev, branch: dev, cluster: clusters/dev, follows: sandbox, move: merge, context: dev}
  - {name: prod, branch: prod, cluster: clusters/prod, follows: dev, move: merge}
pins:
  - {file: core/flux-config.yaml, path: .components.keda.repository.branch, kind: branch, component: keda}
  - {file: core/helm-config.yaml, path: .components.keda.chart_version, kind: chart, component: keda}
components:
  - {name: keda, repository: "` + o.url("iac-flux-keda") + `"}
` + o.declared("iac-flux-lscsde")
}

// Seed 1: sandbox and dev run a release of keda that needs a fix, each in a cluster of
// its own.
func TestHotfix(t *testing.T) {
	o := lscsde(t)
	at := places(o, "sandbox", "dev")
	for name, branch := range map[string]string{"sandbox": "main", "dev": "dev"} {
		at[name].apply(terraformed)
		at[name].start(o.mirrored)
		at[name].apply(configured(o, branch, name))
	}
	o.Chdir(o.clone("iac-flux-lscsde"))
	o.write("leat.yaml", declaredOfSeed1(o))
	o.git(".", "add", "leat.yaml")
	o.git(".", "commit", "-q", "-m", "leat.yaml")
	o.git(".", "push", "-q")

	s := newStory(o, "hotfix")
	defer s.told()
	for _, p := range at {
		p.await("HelmRelease/keda/keda", ready)
	}
	s.fixesKeda(at)
	s.fixesDev(at["dev"])
	s.fallsBehind(at)
	s.releasesKeda()
}

// fixesKeda is the strategy of components: from the release branch that runs, back into
// it, and on to main.
func (s *story) fixesKeda(at map[string]*place) {
	s.scene("start")
	out := s.leat("hotfix", "start", "keda", "--env", "dev", "--id", "124", "--into", "../fix")
	s.says(out, `^dev runs release/0\.1\.45 of .*/iac-flux-keda \(core/flux-config\.yaml:\d+\)$`, `^and so do: sandbox$`)

	s.scene("submit")
	s.edited("../fix/keda/release.yaml", func(text string) string {
		return strings.TrimRight(text, "\n") + "\n  values:\n    resources:\n      operator:\n        limits:\n          memory: 1500Mi\n"
	})
	s.types("../fix", "commit", "-q", "-am", "more memory for the operator of keda")
	s.types("../fix", "push", "-q")
	out = s.leat("hotfix", "submit", "keda", "--env", "dev", "--id", "124", "--fetch")
	s.says(out, `^hotfix/124 into release/0\.1\.45, for sandbox, dev:$`, `more memory for the operator of keda \(Ann, `)
	s.proposed("iac-flux-keda", "hotfix/124", "release/0.1.45", "## sandbox", "## dev", "1500Mi")

	s.scene("watch")
	commit := s.merges("iac-flux-keda", "hotfix/124", "release/0.1.45")
	s.note("the pull request is reviewed and merged")
	out = s.typed(0, s.webhook(at, "GitRepository/lscsde-config/keda"), "hotfix", "watch", "keda", "--env", "dev")
	s.says(out, `sandbox +healthy`, `dev +healthy`)
	for name, p := range at {
		p.runs("Kustomization/lscsde-config/keda", commit)
		d := p.await("Deployment/keda/keda-operator", func(*unstructured.Unstructured) bool { return true })
		if text := shown(d); !strings.Contains(text, "memory: 1500Mi") {
			s.Errorf("keda in %s runs without the fix:\n%s", name, text)
		}
	}

	s.scene("finish")
	out = s.exits(1, "hotfix", "status")
	s.says(out, `^keda release/0\.1\.45, in sandbox, dev: main lacks 1 commit`)
	s.leat("hotfix", "finish", "keda", "--env", "dev")
	s.merges("iac-flux-keda", "release/0.1.45", "main")
	s.note("and this is merged, too")
	if out = s.exits(1, "hotfix", "status"); strings.Contains(out, "keda release/0.1.45") {
		s.Errorf("main has the fix, and status says:\n%s", out)
	}
	if text := s.shows("iac-flux-keda", "main", "keda/release.yaml"); !strings.Contains(text, "1500Mi") {
		s.Errorf("main of keda lacks the fix:\n%s", text)
	}
}

// fixesDev is the strategy of the core repository, whose branches are environments.
func (s *story) fixesDev(dev *place) {
	s.scene("core")
	s.leat("hotfix", "start", "--env", "dev", "--id", "125")
	s.edited("clusters/dev/lscsde/configuration.yaml", func(text string) string {
		return strings.Replace(text, "file.csi.azure.com", "disk.csi.azure.com", 1)
	})
	s.types(".", "commit", "-q", "-am", "the disks of dev are managed ones")
	s.types(".", "push", "-q")
	s.leat("hotfix", "submit", "--env", "dev", "--id", "125", "--fetch")
	s.proposed("iac-flux-lscsde", "hotfix/125", "dev", "## dev", "disk.csi.azure.com")
	commit := s.merges("iac-flux-lscsde", "hotfix/125", "dev")
	s.note("merged")
	s.typed(0, s.webhook(map[string]*place{"dev": dev}, "GitRepository/lscsde-config/lscsde"), "hotfix", "watch", "--env", "dev")
	dev.runs("Kustomization/lscsde-config/lscsde", commit)
	config := dev.await("ConfigMap/lscsde-config/environment-configuration", func(*unstructured.Unstructured) bool { return true })
	if got := field(config, "data", "jupyter_storage_provisioner"); got != "disk.csi.azure.com" {
		s.Errorf("dev runs with %q", got)
	}
	s.git(".", "checkout", "-q", "main")
	s.leat("hotfix", "finish", "--env", "dev")
	s.merges("iac-flux-lscsde", "dev", "main")
	s.note("merged, and with it all that dev had and main lacked")
	s.exits(1, "hotfix", "status")
	s.git(".", "pull", "-q")
}

// fallsBehind is a fix that does not arrive everywhere: the engine of sandbox stands
// still. Ten minutes pass on the watch's own clock.
func (s *story) fallsBehind(at map[string]*place) {
	s.scene("late")
	at["sandbox"].stop()
	s.leat("hotfix", "start", "keda", "--env", "dev", "--id", "126", "--into", "../fix")
	s.edited("../fix/keda/release.yaml", func(text string) string { return strings.Replace(text, "1500Mi", "1600Mi", 1) })
	s.git("../fix", "commit", "-q", "-am", "even more memory for the operator of keda")
	s.git("../fix", "push", "-q")
	s.leat("hotfix", "submit", "keda", "--env", "dev", "--id", "126")
	commit := s.merges("iac-flux-keda", "hotfix/126", "release/0.1.45")
	s.note("merged; the engine of sandbox stands still")
	at["dev"].told("GitRepository/lscsde-config/keda")
	at["dev"].runs("Kustomization/lscsde-config/keda", commit)
	at["dev"].await("HelmRelease/keda/keda", ready)
	s.clock = &hurried{now: time.Now()}
	out := s.exits(1, "hotfix", "watch", "keda", "--env", "dev")
	s.clock = nil
	s.says(out, `dev +healthy`, `^leat: after 10m0s not every environment runs `, `^  sandbox: GitRepository/lscsde-config/keda: it has release/0\.1\.45@sha1:`)
}

// releasesKeda is the next release, which sandbox pins before it runs it.
func (s *story) releasesKeda() {
	s.scene("release")
	s.leat("release", "keda")
	s.git(".", "pull", "-q")
	out := s.leat("matrix", "--live", "--fetch", "-e", "sandbox", "-e", "dev")
	s.says(out, `pinned ≠ live +keda branch in sandbox: release/0\.1\.46`)
}

// hurried is a clock on which every wait is over at once.
type hurried struct{ now time.Time }

// Now implements app.Clock.
func (c *hurried) Now() time.Time { return c.now }

// After implements app.Clock.
func (c *hurried) After(d time.Duration) <-chan time.Time {
	c.now = c.now.Add(d)
	done := make(chan time.Time, 1)
	done <- c.now
	return done
}
