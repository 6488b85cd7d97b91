package flowtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// radix is the organisation of seed 3 on servers of its own: a directory for each
// environment, development's on master, the others' on release. (The public snapshot of
// master is younger; what release has serves as both.)
func radix(t *testing.T) *organisation {
	t.Helper()
	dir := fleet(t, "radix-flux/release")
	o := newOrganisation(t, "equinor")
	o.repository("radix-flux", branch{name: "master", dir: dir}, branch{name: "release", dir: dir})
	return o
}

// declaredOfSeed3 is leat.yaml as leat init proposes it, with what only people know.
func declaredOfSeed3(o *organisation) string {
	return `apiVersion: leat.dev/v1alpha1
kind: Flow
environments:
  - {name: development, branch: master, directory: development-configs, context: development}
  - {name: playground, branch: release, directory: playground-configs, follows: development, move: copy, context: playground}
  - {name: production, branch: release, directory: production-configs, follows: playground, move: copy, context: production}
pins:
  - {file: third-party/*.yaml, path: .spec.chart.version, kind: chart}
stays:
  - files: [.flux.yaml, flux-patch.yaml]
  - {files: ["radix-platform/*.yaml"], path: .spec.values.image.tag}
  - {files: ["radix-platform/*.yaml"], path: .spec.chart.ref}
  - {files: ["radix-platform/*.yaml"], path: .spec.values.activeClusterName}
  - {files: ["radix-platform/*.yaml"], path: .spec.values.subscriptionId}
  - {files: ["radix-platform/*.yaml"], path: .spec.values.resources}
maps:
  - {name: filter, path: '.metadata.annotations."filter.fluxcd.io/*"', values: {development: "glob:master-*", playground: "glob:release-*", production: "glob:release-*"}}
  - {name: registry, values: {development: radixdev, playground: radixdev, production: radixprod}}
` + o.declared("radix-flux")
}

// ofFluxV1 are the kinds of the fleet's objects; no Helm operator acts on them here.
const ofFluxV1 = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: helmreleases.helm.fluxcd.io}
spec:
  group: helm.fluxcd.io
  names: {kind: HelmRelease, listKind: HelmReleaseList, plural: helmreleases, singular: helmrelease}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: schedules.velero.io}
spec:
  group: velero.io
  names: {kind: Schedule, listKind: ScheduleList, plural: schedules, singular: schedule}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

// namespaced are the namespaces that an environment's objects live in, which somebody
// made before.
func namespaced(o *organisation, dir string) string {
	o.Helper()
	var names []string
	o.must(filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range regexp.MustCompile(`(?m)^  namespace: "?([\w-]+)`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
		return err
	}))
	slices.Sort(names)
	var docs []string
	for _, name := range slices.Compact(names) {
		docs = append(docs, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+name+"}\n")
	}
	return strings.Join(docs, "\n---\n")
}

// synced is an environment's Flux: its branch, and the two folders of its directory.
func synced(o *organisation, branch, dir string) string {
	text := `
apiVersion: v1
kind: Namespace
metadata: {name: flux-system}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: radix-flux, namespace: flux-system}
spec: {interval: 1m, url: "` + o.url("radix-flux") + `", ref: {branch: ` + branch + `}}
`
	for _, folder := range []string{"third-party", "radix-platform"} {
		text += `---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: ` + folder + `, namespace: flux-system}
spec: {interval: 1m, path: ` + dir + "/" + folder + `, prune: true, wait: true, timeout: 5m, sourceRef: {kind: GitRepository, name: radix-flux}}
`
	}
	return text
}

const source = "GitRepository/flux-system/radix-flux"

// Seed 3: a change of configuration goes from development to playground to production.
func TestPromotion(t *testing.T) {
	o := radix(t)
	branches := map[string]string{"development": "master", "playground": "release", "production": "release"}
	at := places(o, "development", "playground", "production")
	dir := fleet(t, "radix-flux/release")
	for name, branch := range branches {
		at[name].apply(ofFluxV1, namespaced(o, filepath.Join(dir, name+"-configs")))
		at[name].start()
		at[name].apply(synced(o, branch, name+"-configs"))
	}
	o.Chdir(o.clone("radix-flux"))
	o.write("leat.yaml", declaredOfSeed3(o))
	o.git(".", "add", "leat.yaml")
	o.git(".", "commit", "-q", "-m", "leat.yaml")
	o.git(".", "push", "-q")

	s := newStory(o, "promotion")
	defer s.told()
	for _, p := range at {
		p.await("Kustomization/flux-system/third-party", ready)
		p.await("Kustomization/flux-system/radix-platform", ready)
	}
	s.triesInDevelopment(at["development"])
	s.reachesPlayground(at)
	s.reachesProduction(at)
	s.rollsBack(at)
}

// reads makes an environment look, and waits until it runs a commit.
func (p *place) reads(commit string) {
	p.Helper()
	p.told(source)
	p.runs("Kustomization/flux-system/third-party", commit)
	p.runs("Kustomization/flux-system/radix-platform", commit)
}

const (
	proxy    = "third-party/csi-blobfuse-proxy.yaml"
	operator = "radix-platform/radix-operator.yaml"
	grafana  = "third-party/grafana.yaml"
)

// triesInDevelopment changes configuration where it is tried; what does not become
// healthy there goes nowhere.
func (s *story) triesInDevelopment(development *place) {
	s.scene("development")
	dir := "development-configs/"
	s.edited(dir+proxy, func(text string) string {
		text = strings.Replace(text, "      labels:\n        app: csi-blobfuse-proxy\n", "      labels:\n        app: csi-blobfuse-proxy\n      annotations: {leat.dev/simulate: fail}\n", 1)
		return strings.ReplaceAll(text, "blobfuse-proxy-v0.1.0.deb", "blobfuse-proxy-v0.2.0.deb")
	})
	s.edited(dir+grafana, func(text string) string { return strings.Replace(text, "6.16.12", "6.17.0", 1) })
	s.edited(dir+operator, func(text string) string {
		return strings.Replace(text, "    activeClusterName: weekly-40\n", "    activeClusterName: weekly-41\n    imageBuilder: radixdev.azurecr.io/radix-image-builder\n", 1)
	})
	s.types(".", "commit", "-q", "-am", "the proxy 0.2.0, grafana 6.17.0 and an image builder")
	s.types(".", "push", "-q")
	out := s.exits(1, "promote", "--to", "playground", "--dry-run")
	s.says(out, `^leat: development is not well: pending: GitRepository/flux-system/radix-flux: it has master@sha1:[0-9a-f]{40}; --unwell promotes it all the same$`)

	development.told(source)
	development.await("DaemonSet/kube-system/csi-blobfuse-proxy", func(o *unstructured.Unstructured) bool {
		return strings.Contains(shown(o), "blobfuse-proxy-v0.2.0.deb")
	})
	s.note("development takes it, and the new proxy does not start")
	out = s.exits(1, "promote", "--to", "playground", "--dry-run")
	s.says(out, `^leat: development is not well: (fetched|failed|applied): Kustomization/flux-system/third-party: `)

	s.edited(dir+proxy, func(text string) string {
		return strings.Replace(text, "      annotations: {leat.dev/simulate: fail}\n", "", 1)
	})
	s.types(".", "commit", "-q", "-am", "the proxy starts")
	s.types(".", "push", "-q")
	development.reads(s.git(".", "rev-parse", "HEAD"))
}

// reachesPlayground promotes what was tried.
func (s *story) reachesPlayground(at map[string]*place) {
	s.scene("playground")
	s.leat("env")
	promote := []string{"promote", "--to", "playground", proxy, grafana, operator}
	out := s.leat(promote...)
	s.says(out, `^development runs [0-9a-f]{10} and is healthy\.$`, `^changed +third-party/grafana\.yaml`, `taken +\.spec\.chart\.version: 6\.16\.10 → 6\.17\.0`,
		`taken +\.spec\.values\.imageBuilder`, `stays +\.spec\.values\.activeClusterName: playground-46`, `stays +\.spec\.chart\.ref: release`)
	s.proposed("radix-flux", "promote/playground", "release", "6.17.0", "imageBuilder")
	if s.gitea != nil {
		s.scene("env")
		if out := s.leat("env", "--fetch"); strings.Count(out, "pull request 1: Promote third-party/") != 1 {
			s.Errorf("the pull request into playground is not told once:\n%s", out)
		}
	}

	s.scene("update")
	s.edited("development-configs/"+grafana, func(text string) string { return strings.Replace(text, "6.17.0", "6.17.1", 1) })
	s.types(".", "commit", "-q", "-am", "grafana 6.17.1")
	s.types(".", "push", "-q")
	at["development"].reads(s.git(".", "rev-parse", "HEAD"))
	out = s.leat(promote...)
	s.says(out, `taken +\.spec\.chart\.version: 6\.16\.10 → 6\.17\.1`)
	s.proposed("radix-flux", "promote/playground", "release", "6.17.1", "imageBuilder")
	if s.gitea != nil {
		s.says(out, `^Pull request updated: `)
	}
	commit := s.merges("radix-flux", "promote/playground", "release")
	s.note("the pull request is merged, and playground takes it")
	at["playground"].reads(commit)
	s.grafanaIs(at["playground"], "6.17.1")
	if text := s.shows("radix-flux", "release", "playground-configs/"+operator); !strings.Contains(text, "activeClusterName: playground-46") || !strings.Contains(text, "radixdev.azurecr.io/radix-image-builder") || !strings.Contains(text, "glob:release-*") {
		s.Errorf("playground's operator is\n%s", text)
	}
	s.grafanaIs(at["production"], "6.12.0")
}

// grafanaIs holds the cluster's own object to a version.
func (s *story) grafanaIs(p *place, version string) {
	s.Helper()
	o := p.await("helm.fluxcd.io.HelmRelease/default/grafana", func(*unstructured.Unstructured) bool { return true })
	if got := field(o, "spec", "chart", "version"); got != version {
		s.Errorf("%s runs grafana %s, want %s", p.name, got, version)
	}
}

// reachesProduction goes on to the last environment, where the registry has another
// name.
func (s *story) reachesProduction(at map[string]*place) {
	s.scene("production")
	out := s.leat("promote", "--to", "production", proxy, grafana, operator)
	s.says(out, `^playground runs [0-9a-f]{10} and is healthy\.$`, `mapped \(registry\) +\.spec\.values\.imageBuilder: .* → radixprod\.azurecr\.io/radix-image-builder`)
	commit := s.merges("radix-flux", "promote/production", "release")
	s.note("merged, and production takes it")
	at["production"].reads(commit)
	at["playground"].reads(commit)
	s.grafanaIs(at["production"], "6.17.1")
	text := s.shows("radix-flux", "release", "production-configs/"+operator)
	if !strings.Contains(text, "imageBuilder: radixprod.azurecr.io/radix-image-builder") || !strings.Contains(text, "activeClusterName: eu-46") || !strings.Contains(text, "repository: radixprod.azurecr.io/") {
		s.Errorf("production's operator is\n%s", text)
	}
	s.says(s.leat("promote", "--to", "production", proxy, grafana, operator), `^production has everything already\.$`)
}

// rollsBack takes production back, by Git.
func (s *story) rollsBack(at map[string]*place) {
	s.scene("rollback")
	out := s.leat("rollback", "production")
	s.says(out, `^Back to [0-9a-f]{10}; this takes back:$`, `Promote `)
	head := regexp.MustCompile(`rollback/production-[0-9a-f]{10}`).FindString(s.git(".", "ls-remote", "origin"))
	commit := s.merges("radix-flux", head, "release")
	s.note("merged, and production is what it was")
	at["production"].reads(commit)
	s.grafanaIs(at["production"], "6.12.0")
	if text := s.shows("radix-flux", "release", "playground-configs/"+grafana); !strings.Contains(text, "6.17.1") {
		s.Errorf("playground went back too:\n%s", text)
	}
}
