package screen

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Forty dependents of one failed source are one cause, as far as it reaches,
// also without a word from the engine.
func TestInferFoldsDependents(t *testing.T) {
	objs := []*unstructured.Unstructured{read(t, `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: a}
status: {conditions: [{type: Ready, status: "False", reason: GitOperationFailed, message: no such host}]}`)}
	for i := range 40 {
		objs = append(objs, read(t, strings.ReplaceAll(`
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: appN, namespace: a}
spec: {sourceRef: {kind: GitRepository, name: fleet}}
status: {conditions: [{type: Ready, status: "False", reason: ArtifactFailed, message: not found}]}`, "appN", fmt.Sprint("app", i))))
	}
	objs = append(objs, read(t, `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: last, namespace: b}
spec: {dependsOn: [{name: app7, namespace: a}], sourceRef: {kind: GitRepository, name: fleet, namespace: a}}
status: {conditions: [{type: Ready, status: "False", reason: DependencyNotReady, message: not ready}]}`), read(t, `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: own, namespace: b}
spec: {chart: {spec: {sourceRef: {kind: GitRepository, name: fleet, namespace: a}}}}
status: {conditions: [{type: Ready, status: "False", reason: SourceNotReady, message: no chart}]}`))
	causes := Make(objs, Infer(objs)).Causes()
	if len(causes) != 2 {
		t.Fatalf("got %d causes, want the source and the missing chart:\n%v", len(causes), causes)
	}
	if c := causes[0]; c.Unit != "GitRepository/a/fleet" || len(c.Blocking) != 41 {
		t.Errorf("got %s, which holds up %d; want GitRepository/a/fleet, which holds up 41", c.Unit, len(c.Blocking))
	}
	if c := causes[1]; c.Unit != "HelmChart/a/b-own" {
		t.Errorf("got %s, want the chart that is missing", c.Unit)
	}
}

// A unit that fails by itself is no dependent of a source that fails beside it
// and has an artifact still.
func TestInferLeavesOwnFailures(t *testing.T) {
	objs := []*unstructured.Unstructured{read(t, `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: fleet, namespace: a}
status:
  artifact: {revision: "main@sha1:abc", path: p, url: u, digest: "sha256:1", lastUpdateTime: "2026-01-01T00:00:00Z"}
  conditions: [{type: Ready, status: "False", reason: GitOperationFailed, message: no such host}]`), read(t, `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: bad, namespace: a}
spec: {sourceRef: {kind: GitRepository, name: fleet}}
status: {conditions: [{type: Ready, status: "False", reason: BuildFailed, message: "web.yaml:3: no such field"}]}`)}
	if runs := Infer(objs); len(runs) != 0 {
		t.Errorf("got %v, want nobody to wait", runs)
	}
}

func read(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		t.Fatal(err)
	}
	return obj
}

// A Kustomization that waited for a release that failed is no cause beside it.
func TestInferFoldsHealth(t *testing.T) {
	objs := []*unstructured.Unstructured{read(t, `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: apps}
status: {conditions: [{type: Ready, status: "False", reason: InstallFailed, message: no such value}]}`), read(t, `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: a}
status: {conditions: [{type: Ready, status: "False", reason: HealthCheckFailed, message: "health check failed after 2s: failed early due to stalled resources: [Deployment/apps/x status: 'InProgress', HelmRelease/apps/web status: 'Failed': no such value]"}]}`)}
	causes := Make(objs, Infer(objs)).Causes()
	if len(causes) != 1 || causes[0].Unit != "HelmRelease/apps/web" || len(causes[0].Blocking) != 1 {
		t.Errorf("got %+v", causes)
	}
}
