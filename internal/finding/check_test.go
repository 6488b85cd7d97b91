package finding_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet/fleettxt"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

func parsed(t testing.TB, text string) change.Set {
	t.Helper()
	p, err := fleettxt.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return change.Compare(p.Base, p.Head, change.Options{})
}

const mixed = `
-- base/web.yaml --
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: apps}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: old, namespace: apps}
spec: {template: {spec: {hostNetwork: true, containers: [{name: a, image: "a:1.0.0"}]}}}
-- head/web.yaml --
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: web, namespace: flux-system, annotations: {leat.dev/allow: "image-floating, privileged"}}
spec: {prune: true, wait: true}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: old, namespace: apps}
spec: {template: {spec: {hostNetwork: true, containers: [{name: a, image: "a:1.0.1"}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: new, namespace: apps, annotations: {leat.dev/allow: host-path}}
spec:
  template:
    spec:
      volumes: [{name: v, hostPath: {path: /}}]
      containers:
      - {name: a, image: "a:latest", securityContext: {privileged: true, runAsUser: 0}}
`

// What the change brings comes first, the most dangerous first; what is old, and
// then what is meant, comes last. A unit's annotation allows no danger.
func TestCheckOrders(t *testing.T) {
	found := finding.Check(parsed(t, mixed), finding.Rules)
	want := strings.TrimSpace(`
danger claim-deleted PersistentVolumeClaim/apps/data (web.yaml:1): the claim is deleted; its data goes, unless the volume is retained
danger privileged Deployment/apps/new /spec/template/spec/containers/0/securityContext/privileged (web.yaml:11): the container a is privileged
warning prune Kustomization/flux-system/web (web.yaml:1): 1 of 2 objects pruned (50 %): PersistentVolumeClaim/apps/data
warning run-as-root Deployment/apps/new /spec/template/spec/containers/0/securityContext (web.yaml:11): the container a runs as root
info image-changed Deployment/apps/old /spec/template/spec/containers/0/image (web.yaml:6): a: 1.0.0 → 1.0.1 in Deployment/apps/old
old danger host-namespaces Deployment/apps/old /spec/template/spec/hostNetwork (web.yaml:6): the pods have hostNetwork
allowed danger host-path Deployment/apps/new /spec/template/spec/volumes/0/hostPath (web.yaml:11): the pods mount / of their node
allowed warning image-floating Deployment/apps/new /spec/template/spec/containers/0/image (web.yaml:11): the tag latest of the image a moves`)
	if got := strings.TrimSpace(told(found)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if worst, some := finding.Worst(found); worst != finding.Danger || !some {
		t.Errorf("got %s, %t", worst, some)
	}
	if worst, some := finding.Worst(found[5:]); some {
		t.Errorf("old and allowed findings count: %s", worst)
	}
	for s, want := range map[finding.Severity]int{finding.Danger: 2, finding.Warning: 4, finding.Info: 5} {
		if got := len(finding.AtLeast(found, s)); got != want {
			t.Errorf("at least %s: got %d, want %d", s, got, want)
		}
	}
	if got := finding.Allowed(found); got != 2 {
		t.Errorf("got %d allowed, want 2", got)
	}
}

func TestFailOn(t *testing.T) {
	found := finding.Check(parsed(t, mixed), finding.Rules)
	for text, want := range map[string]int{
		"": 0, "none": 0, "danger": 2, "warning": 4, " danger , warning": 4, "info": 5, "image-changed": 1, "danger,image-changed": 3,
		"image-floating": 0, "host-namespaces": 0,
	} {
		f, err := finding.ParseFailOn(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got := len(f.Of(found)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	_, err := finding.ParseFailOn("danger,plain-secrets")
	if err == nil || !strings.Contains(err.Error(), `"plain-secrets"`) || !strings.Contains(err.Error(), "plain-secret,") || !strings.Contains(err.Error(), "warning") {
		t.Errorf("the error does not tell what there is: %v", err)
	}
	for _, name := range finding.Names() {
		if _, err := finding.ParseFailOn(name); err != nil {
			t.Error(err)
		}
	}
}

// What base allowed is forgotten once head has the object without the annotation.
func TestAllowanceThatGoes(t *testing.T) {
	const pod = `{containers: [{name: a, image: "a:1.0.0", securityContext: {privileged: true}}]}`
	set := parsed(t, `
-- base/web.yaml --
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: apps, annotations: {leat.dev/allow: privileged}}
spec: `+pod+`
-- head/web.yaml --
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: apps}
spec: `+pod+`
`)
	if got := told(finding.Check(set, finding.Rules)); !strings.HasPrefix(got, "old danger privileged") {
		t.Errorf("got %s", got)
	}
}

func TestSeverityIsText(t *testing.T) {
	text, err := json.Marshal(finding.Finding{Rule: "a", Severity: finding.Warning})
	if err != nil || !strings.Contains(string(text), `"severity":"warning"`) {
		t.Errorf("got %s, %v", text, err)
	}
	var f finding.Finding
	if err := json.Unmarshal(text, &f); err != nil || f.Severity != finding.Warning {
		t.Errorf("got %v, %v", f, err)
	}
	if err := json.Unmarshal([]byte(`{"severity":"bad"}`), &f); err == nil {
		t.Error("bad is no severity")
	}
}

// A fleet that does not change brings nothing, whatever is wrong with it.
func TestNothingNewInTheSame(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, c := range cases(t, strings.TrimSuffix(filepath.Base(file), ".txtar")) {
			head := c.pair.Head
			for _, f := range finding.Check(change.Compare(head, head, change.Options{}), finding.Rules) {
				if !f.Old && !f.Allowed {
					t.Errorf("%s, %s: got %s", file, c.title, f)
				}
			}
		}
	}
}

// Whatever is found in a fleet, no finding repeats what is secret there.
func TestNoSecretInAFinding(t *testing.T) {
	files, err := filepath.Glob("../change/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, text := range append(read(t, files), canaries) {
		p, err := fleettxt.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		set := change.Compare(p.Base, p.Head, change.Options{Inputs: p.Inputs, Mask: plan.Mask{}})
		for _, f := range finding.Check(set, finding.Rules) {
			if strings.Contains(fmt.Sprintf("%#v", f), "canary") {
				t.Errorf("a canary shows in %s", f)
			}
		}
	}
}

// Secrets where rules look: in a plain Secret, in a message, in the address of a
// base, and in an object that is substituted.
const canaries = `
-- inputs.yaml --
apiVersion: v1
kind: Secret
metadata: {name: vars, namespace: flux-system}
stringData: {TOKEN: canary-0001}
-- head/web.yaml --
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: web, namespace: flux-system}
spec: {postBuild: {substituteFrom: [{kind: Secret, name: vars}]}}
render: {state: failed, message: "refused: canary-0001", remote: ["https://u:canary-0002@example.com/a"], warnings: [{reason: BuildWarning, message: "odd: canary-0001"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: apps}
spec: {volumes: [{name: v, hostPath: {path: /canary-0001}}], containers: [{name: a, image: "canary-0001:latest"}]}
-- head/other.yaml --
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: apps}
stringData: {password: canary-0003}
`

// What has a line keeps it, and so does a file of another repository.
func TestLocate(t *testing.T) {
	unit := object.Key{Kind: "Kustomization", Name: "web"}
	found := []finding.Finding{{Unit: unit, At: "a.yaml:3"}, {Unit: unit}, {Unit: unit, At: "web/templates/a.yaml"}, {Unit: unit, At: "https://host/x//a.yaml"}, {}}
	finding.Locate(found, func(u, _ object.Key, _ string) string { return u.Name + ".yaml:1" })
	for i, want := range []string{"a.yaml:3", "web.yaml:1", "web.yaml:1", "https://host/x//a.yaml", ""} {
		if found[i].At != want {
			t.Errorf("%d: %q, want %q", i, found[i].At, want)
		}
	}
}
