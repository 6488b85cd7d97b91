package carry

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	repoAt = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: keda, namespace: x}
spec: {url: "ssh://git@git.example.com/iac-flux-keda.git", ref: {branch: release/0.1.44}}
status: {artifact: {revision: "release/0.1.44@sha1:%s"}, conditions: [{type: Ready, status: "%s", message: "%s"}]}
`
	unitAt = `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: keda, namespace: x, generation: 1}
spec: {sourceRef: {kind: GitRepository, name: keda}}
status: {lastAppliedRevision: "release/0.1.44@sha1:%s", lastAttemptedRevision: "release/0.1.44@sha1:%s", conditions: [{type: Ready, status: "%s", message: "%s"}]}
`
	releaseAt = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: x, generation: 2, labels: {kustomize.toolkit.fluxcd.io/name: keda, kustomize.toolkit.fluxcd.io/namespace: x}}
status: {observedGeneration: %d, conditions: [{type: Ready, status: "%s", message: "%s"}]}
`
	strangerAt = `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: other, namespace: x}
spec: {sourceRef: {kind: GitRepository, name: other}}
status: {conditions: [{type: Ready, status: "False", message: "broken, and nobody's business"}]}
`
)

func TestDelivered(t *testing.T) {
	source := fmt.Sprintf(repoAt, "fixed", "True", "stored")
	applied := fmt.Sprintf(unitAt, "fixed", "fixed", "True", "Applied")
	for name, c := range map[string]struct {
		units []string
		want  string
	}{
		"nobody follows it":        {[]string{strangerAt}, "nobody: no GitRepository follows release/0.1.44 of https://git.example.com/iac-flux-keda"},
		"not fetched":              {[]string{fmt.Sprintf(repoAt, "old", "True", "stored"), strangerAt}, "pending: GitRepository/x/keda: it has release/0.1.44@sha1:old"},
		"it cannot be fetched":     {[]string{fmt.Sprintf(repoAt, "old", "False", "no route")}, "failed: GitRepository/x/keda: no route"},
		"fetched by nobody":        {[]string{source}, "healthy"},
		"not applied":              {[]string{source, fmt.Sprintf(unitAt, "old", "old", "True", "")}, "fetched: Kustomization/x/keda: it runs release/0.1.44@sha1:old"},
		"applying it failed":       {[]string{source, fmt.Sprintf(unitAt, "old", "fixed", "False", "denied")}, "failed: Kustomization/x/keda: denied"},
		"an old failure":           {[]string{source, fmt.Sprintf(unitAt, "old", "old", "False", "denied")}, "fetched: Kustomization/x/keda: denied"},
		"applied, not ready":       {[]string{source, fmt.Sprintf(unitAt, "fixed", "fixed", "Unknown", "running checks")}, "applied: Kustomization/x/keda: running checks"},
		"ready":                    {[]string{source, applied, strangerAt}, "healthy"},
		"suspended":                {[]string{source, strings.Replace(applied, "spec: {", "spec: {suspend: true, ", 1)}, "failed: Kustomization/x/keda: it is suspended"},
		"what it made is ready":    {[]string{source, applied, fmt.Sprintf(releaseAt, 2, "True", "")}, "healthy"},
		"what it made goes on":     {[]string{source, applied, fmt.Sprintf(releaseAt, 1, "True", "running upgrade")}, "applied: HelmRelease/x/web: running upgrade"},
		"what it made failed":      {[]string{source, applied, fmt.Sprintf(releaseAt, 2, "False", "no chart")}, "failed: HelmRelease/x/web: no chart"},
		"another branch of it":     {[]string{strings.Replace(source, "branch: release/0.1.44", "branch: main", 1)}, "nobody: no GitRepository follows release/0.1.44 of https://git.example.com/iac-flux-keda"},
		"by the name of its ref":   {[]string{strings.Replace(source, "branch: release/0.1.44", "name: refs/heads/release/0.1.44", 1)}, "healthy"},
		"another name than branch": {[]string{strings.Replace(source, "branch: release/0.1.44", "branch: release/0.1.44, name: refs/heads/main", 1)}, "nobody: no GitRepository follows release/0.1.44 of https://git.example.com/iac-flux-keda"},
		"a later commit has it":    {[]string{strings.ReplaceAll(source, "fixed", "later")}, "healthy"},
		"its workload rolls out":   {[]string{source, applied, fmt.Sprintf(workloadAt, "kustomize", "keda", 0)}, "applied: Deployment/x/web: Available: 0/1"},
		"a release's rolls out":    {[]string{source, applied, fmt.Sprintf(releaseAt, 2, "True", ""), fmt.Sprintf(workloadAt, "helm", "web", 0)}, "applied: Deployment/x/web: Available: 0/1"},
		"its workload is there":    {[]string{source, applied, fmt.Sprintf(workloadAt, "kustomize", "keda", 1)}, "healthy"},
		"a stranger's workload":    {[]string{source, applied, fmt.Sprintf(workloadAt, "helm", "keda", 0)}, "healthy"},
		"what is made by the made": {[]string{source, applied, strings.Replace(releaseAt2, "%s", "False", 1), between}, "failed: HelmRelease/x/deep: gone wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			var units []*unstructured.Unstructured
			for _, text := range c.units {
				u := &unstructured.Unstructured{}
				text, err := yaml.YAMLToJSON([]byte(text))
				if err == nil {
					err = u.UnmarshalJSON(text)
				}
				if err != nil {
					t.Fatal(err)
				}
				units = append(units, u)
			}
			got := Delivered(units, Of{
				Repository: "https://git.example.com/iac-flux-keda", Branch: "release/0.1.44",
				Has: RevisionHas(func(commit string) bool { return commit == "fixed" || commit == "later" }),
			})
			text := string(got.Stage)
			if got.Why != "" {
				text += ": " + got.Why
			}
			if text != c.want {
				t.Errorf("got %s\nwant %s\n%+v", text, c.want, got.Units)
			}
		})
	}
}

const (
	workloadAt = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: x, generation: 1, labels: {%[1]s.toolkit.fluxcd.io/name: %[2]s, %[1]s.toolkit.fluxcd.io/namespace: x}}
spec: {replicas: 1}
status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: %[3]d, availableReplicas: %[3]d, conditions: [{type: Available, status: "True"}, {type: Progressing, status: "True", reason: NewReplicaSetAvailable}]}
`
	between = `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: inner, namespace: x, generation: 1, labels: {kustomize.toolkit.fluxcd.io/name: keda, kustomize.toolkit.fluxcd.io/namespace: x}}
status: {observedGeneration: 1, conditions: [{type: Ready, status: "True"}]}
`
	releaseAt2 = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: deep, namespace: x, generation: 2, labels: {kustomize.toolkit.fluxcd.io/name: inner, kustomize.toolkit.fluxcd.io/namespace: x}}
status: {observedGeneration: 2, conditions: [{type: Ready, status: "%s", message: gone wrong}]}
`
)
