package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// widgets is a kind of whose health Kubernetes knows nothing; each stand has
// its own.
const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.$ns.example.com}
spec:
  group: $ns.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions: [{name: v1, served: true, storage: true, subresources: {status: {}},
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

func widget(name string, spec string) string {
	return fmt.Sprintf("apiVersion: $ns.example.com/v1\nkind: Widget\nmetadata: {name: %s, namespace: $ns}\nspec: %s\n", name, spec)
}

// withWidgets defines the kind; the group goes with the test.
func (s *stand) withWidgets(text string) {
	s.Helper()
	s.apply(text)
	crd := s.expand("CustomResourceDefinition/widgets.$ns.example.com")
	s.Cleanup(func() { s.delete(crd) })
	s.await(crd, func(o *unstructured.Unstructured) bool {
		return o != nil && strings.Contains(field(o, "status", "conditions"), `"status":"True","type":"Established"`)
	})
}

// waiting waits until a unit waits for health.
func (s *stand) waiting(name string) *kustomizev1.Kustomization {
	s.Helper()
	return s.unit(name, func(k *kustomizev1.Kustomization) bool {
		return condition(k, "Ready").Status == "Unknown" && condition(k, "Healthy").Status == "Unknown" &&
			strings.HasPrefix(condition(k, "Reconciling").Message, "Running health checks for revision")
	})
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: $ns, annotations: {%s}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {%s}}
    spec: {containers: [{name: web, image: web:%s}]}
`

func TestWaitIsForEverythingApplied(t *testing.T) {
	s := up(t)
	s.commit(files{"app/web.yaml": fmt.Sprintf(deployment, "", "", "1"), "app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "wait: true"))
	k := s.ready("app")
	if got := condition(k, "Healthy"); got.Status != "True" || !strings.HasPrefix(got.Message, "Health check passed in ") {
		t.Errorf("Healthy: got %+v, want True", got)
	}
	if got := field(s.get("Deployment/web"), "status", "availableReplicas"); got != "1" {
		t.Errorf("Ready with %s available replicas", got)
	}
}

func TestHealthCheckOfAnObjectOfOthers(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "healthChecks: [{apiVersion: v1, kind: ConfigMap, name: theirs, namespace: $ns}]"))
	s.waiting("app")
	s.apply(configMap("theirs", "1"))
	s.ready("app")
}

func TestHealthCheckExpressions(t *testing.T) {
	s := up(t)
	s.withWidgets(widgets)
	s.commit(files{"app/w.yaml": widget("w", "{size: 1}")})
	s.apply(source, kustomization("app", "path: ./app", "wait: true", "timeout: 1h", `
healthCheckExprs:
- apiVersion: $ns.example.com/v1
  kind: Widget
  current: "has(status.phase) && status.phase == 'On'"
  failed: "has(status.phase) && status.phase == 'Broken'"`))
	s.waiting("app")
	name := s.expand("$ns.example.com/Widget/w")
	s.setStatus(name, `{status: {phase: "On"}}`)
	s.ready("app")
	t.Run("recover from a failure by themselves", func(t *testing.T) {
		s.setStatus(name, `{status: {phase: "Broken"}}`)
		s.commit(files{"app/w.yaml": widget("w", "{size: 2}")})
		s.fails("app", "HealthCheckFailed", "Widget/$ns/w")
		s.setStatus(name, `{status: {phase: "On"}}`)
		s.ready("app")
	})
	t.Run("that do not compile stall the unit", func(t *testing.T) {
		s.apply(kustomization("bad", "path: ./app", "healthCheckExprs: [{apiVersion: v1, kind: Widget, current: \"no such thing(\"}]"))
		k := s.fails("bad", "InvalidCELExpression")
		if got := condition(k, "Stalled").Status; got != "True" {
			t.Errorf("Stalled: got %q, want True", got)
		}
		s.ready("app")
	})
}

func TestFailedJobIsToldAtOnce(t *testing.T) {
	s := up(t)
	s.commit(files{"app/job.yaml": job("fails", "leat.dev/simulate: job-exit-1")})
	s.apply(source, kustomization("app", "path: ./app", "wait: true", "timeout: 1h", "force: true"))
	s.fails("app", "HealthCheckFailed", "Job/$ns/fails")
	s.commit(files{"app/job.yaml": job("fails", "")})
	s.ready("app")
}

func job(name, podMark string) string {
	return fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: %s, namespace: $ns}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {%s}}
    spec: {restartPolicy: Never, containers: [{name: main, image: job}]}
`, name, podMark)
}

// A newer commit ends the wait for an older one.
func TestNewerRevisionWhileWaiting(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "timeout: 1h", "healthChecks: [{apiVersion: v1, kind: Secret, name: never, namespace: $ns}]"))
	s.data("ConfigMap/a", "1")
	s.commit(files{"app/a.yaml": configMap("a", "2")})
	s.data("ConfigMap/a", "2")
	s.unit("app", func(k *kustomizev1.Kustomization) bool { return k.Status.LastAttemptedRevision == s.revision() })
	if got := s.now("app").Status.LastAppliedRevision; got != "" {
		t.Errorf("lastAppliedRevision of a unit that was never healthy: got %q, want none", got)
	}
	s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: never, namespace: $ns}\n")
	s.ready("app")
}

func TestHealthTimesOutAndRecoversByItself(t *testing.T) {
	long(t) // at least 30 seconds, as in Flux
	s := up(t)
	s.commit(files{"app/web.yaml": fmt.Sprintf(deployment, "", `"leat.dev/simulate": fail`, "1"), "other/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app", "wait: true", "timeout: 1s"), kustomization("by", "path: ./other"))
	s.ready("by")
	s.awaitFor(time.Minute, "Kustomization/app", func(o *unstructured.Unstructured) bool {
		return strings.Contains(field(o, "status", "conditions"), "HealthCheckFailed")
	})
	s.fails("app", "HealthCheckFailed", "Deployment/$ns/web", "timeout")
	s.patchAs("kustomize-controller", "Deployment/web", `{spec: {replicas: 0}}`)
	s.commit(files{"app/web.yaml": fmt.Sprintf(deployment, "", "", "1")})
	s.ready("app")
}
