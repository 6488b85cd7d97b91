package e2e

import (
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// A definition that goes and comes back in another version: told while it is
// gone, made anew when it is there.
func TestDefinitionComesBackInAnotherVersion(t *testing.T) {
	s := up(t)
	crd := s.expand("CustomResourceDefinition/widgets.$ns.example.com")
	s.withWidgets(widgets)
	s.commit(files{"app/w.yaml": widget("w", "{size: 1}")})
	s.save(files{"by/b.yaml": configMap("by", "1")})
	s.apply(source, kustomization("app", "path: ./app"), kustomization("by", "path: ./by"))
	s.ready("app")
	s.delete(crd)
	s.gone(crd)
	s.fails("app", "ReconciliationFailed", `no matches for kind "Widget" in version "$ns.example.com/v1"; is its CRD installed?`)
	s.apply(strings.Replace(widgets, "name: v1,", "name: v2,", 1))
	s.fails("app", "ReconciliationFailed", `no matches for kind "Widget" in version "$ns.example.com/v1"`)
	s.commit(files{"app/w.yaml": strings.Replace(widget("w", "{size: 2}"), "/v1", "/v2", 1), "by/b.yaml": configMap("by", "2")})
	s.ready("by")
	s.ready("app")
	s.has(s.expand("$ns.example.com/Widget/w"), "2", "spec", "size")
}

// A version that is not served any more: what was watched in it is watched in
// another one.
func TestVersionThatIsNoLongerServed(t *testing.T) {
	s := up(t)
	both := func(served string) string {
		return strings.Replace(widgets, "  versions: [", `  versions: [{name: v2, served: `+served+`, storage: false, subresources: {status: {}},
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}},
    `, 1)
	}
	s.withWidgets(both("true"))
	s.commit(files{"app/w.yaml": strings.Replace(widget("w", "{size: 1}"), "/v1", "/v2", 1), "by/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("app", "path: ./app"), widget("other", "{size: 1}"),
		kustomization("by", "path: ./by", "timeout: 1h", "healthChecks: [{apiVersion: $ns.example.com/v1, kind: Widget, name: other, namespace: $ns}]",
			`healthCheckExprs: [{apiVersion: $ns.example.com/v1, kind: Widget, current: "spec.size == 2"}]`))
	s.ready("app")
	s.commit(files{"app/w.yaml": widget("w", "{size: 1}")})
	s.ready("app")
	s.exists("ConfigMap/b")
	s.idle()
	s.apply(both("false"))
	s.await(s.expand("CustomResourceDefinition/widgets.$ns.example.com"), func(o *unstructured.Unstructured) bool {
		_, err := s.dyn.Resource(schema.GroupVersionResource{Group: s.expand("$ns.example.com"), Version: "v2", Resource: "widgets"}).
			Namespace(s.ns).List(t.Context(), metav1.ListOptions{})
		gone := apierrors.IsNotFound(err) && s.version(s.expand("$ns.example.com"), "Widget") == "v1" // discovery comes behind
		if !gone {
			s.patch(s.expand("CustomResourceDefinition/widgets.$ns.example.com"), `{metadata: {annotations: {probe: "`+o.GetResourceVersion()+`"}}}`)
		}
		return gone
	})
	own, other := s.expand("$ns.example.com/Widget/w"), s.expand("$ns.example.com/Widget/other")
	s.delete(own)
	s.exists(own)
	s.patch(own, `{spec: {size: 5}}`)
	s.has(own, "1", "spec", "size")
	s.patch(other, `{spec: {size: 2}}`)
	s.ready("by")
}

func TestWebhookThatDoesNotAnswer(t *testing.T) {
	s := up(t)
	s.apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: $ns}
webhooks:
- name: down.example.com
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 1
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://127.0.0.1:1/"}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $ns}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}]
`)
	down := "ValidatingWebhookConfiguration/" + s.ns
	removed := false
	t.Cleanup(func() {
		if !removed {
			s.delete(down)
		}
	})
	s.awaitRefusal(secret("probe"))
	s.commit(files{"app/s.yaml": secret("s"), "by/b.yaml": configMap("by", "1")})
	s.apply(source, kustomization("app", "path: ./app"), kustomization("by", "path: ./by"))
	s.ready("by")
	s.fails("app", "ReconciliationFailed", "Secret/$ns/s dry-run failed", "down.example.com")
	s.absent("Secret/s")
	s.delete(down)
	removed = true
	s.ready("app")
}

// A webhook whose service has nobody behind it refuses until somebody is.
func TestWebhookWithoutEndpoints(t *testing.T) {
	runs := make(chan object.Key, 100)
	s := up(t, counting(runs))
	s.apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: $ns}
webhooks:
- name: down.example.com
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 1
  admissionReviewVersions: [v1]
  clientConfig: {service: {name: hook, namespace: $ns}}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $ns}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}]
`)
	t.Cleanup(func() { s.delete("ValidatingWebhookConfiguration/" + s.ns) })
	s.awaitRefusal(secret("probe"))
	s.commit(files{"app/s.yaml": secret("s")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.fails("app", "ReconciliationFailed", "Secret/$ns/s dry-run failed", "hook.$ns.svc")
	s.idle()
	for len(runs) > 0 {
		<-runs
	}
	s.apply("apiVersion: v1\nkind: Endpoints\nmetadata: {name: hook, namespace: $ns}\nsubsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 443}]}]\n")
	s.ranAgain(runs, "Kustomization/app")
}

// ranAgain waits until a unit has run.
func (s *stand) ranAgain(runs <-chan object.Key, name string) {
	s.Helper()
	for {
		select {
		case key := <-runs:
			if key == s.key(name) {
				return
			}
		case <-time.After(patience):
			s.Fatalf("%s did not run\n%s", name, s.logs.tail())
		}
	}
}

func secret(name string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: $ns}\n"
}

// A quota that is raised lets in what it refused.
func TestQuotaThatIsRaised(t *testing.T) {
	s := up(t)
	s.apply("apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few, namespace: $ns}\nspec: {hard: {count/secrets: \"0\"}}\n",
		"apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: other, namespace: $ns}\nspec: {hard: {count/services: \"9\"}}\n")
	s.awaitRefusal(secret("probe"))
	s.commit(files{"app/s.yaml": secret("s")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.fails("app", "ReconciliationFailed", "Secret/$ns/s", "exceeded quota")
	s.patch("ResourceQuota/few", `{spec: {hard: {count/secrets: "5"}}}`)
	s.ready("app")
}

// A finalizer that nobody removes keeps its object, not the unit.
func TestFinalizerThatIsNeverRemoved(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1", hold), "app/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	s.commit(files{"app/a.yaml": ""})
	s.ready("app")
	s.await("ConfigMap/a", deleting)
	s.commit(files{"app/a.yaml": configMap("a", "2"), "app/b.yaml": configMap("b", "2")})
	s.data("ConfigMap/b", "2")
	s.patch("ConfigMap/a", release)
	s.ready("app")
	s.data("ConfigMap/a", "2")
}

func TestTerminatingNamespace(t *testing.T) {
	s := up(t)
	s.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: $ns-going}\n")
	going := s.expand("Namespace/$ns-going")
	elsewhere := &stand{T: s.T, ns: s.ns + "-going", world: s.world, dyn: s.dyn, logs: s.logs}
	elsewhere.apply(configMap("held", "1", hold))
	s.delete(going)
	s.await(going, deleting)
	s.commit(files{"app/a.yaml": strings.ReplaceAll(configMap("a", "1"), "$ns", "$ns-going"), "by/b.yaml": configMap("by", "1")})
	s.apply(source, kustomization("app", "path: ./app"), kustomization("by", "path: ./by"))
	s.fails("app", "ReconciliationFailed", "ConfigMap/$ns-going/a dry-run failed", "being terminated")
	s.ready("by")
	elsewhere.patch("ConfigMap/held", release)
	s.gone(going)
	s.fails("app", "ReconciliationFailed", `namespaces "$ns-going" not found`)
	s.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: $ns-going}\n")
	s.ready("app")
}
