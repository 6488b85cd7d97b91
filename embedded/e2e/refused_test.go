package e2e

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// strictWidgets must have a size that is a number.
var strictWidgets = strings.Replace(widgets, "{type: object, x-kubernetes-preserve-unknown-fields: true}",
	"{type: object, properties: {spec: {type: object, required: [size], properties: {size: {type: integer}}}, status: {type: object, x-kubernetes-preserve-unknown-fields: true}}}", 1)

func TestRefusedStageIsRefusedWhole(t *testing.T) {
	s := up(t)
	s.withWidgets(strictWidgets)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/w.yaml": widget("w", "{size: 1}")})
	s.apply(source, kustomization("app", "path: ./app"))
	before := inventory(s.ready("app"))
	s.commit(files{"app/a.yaml": configMap("a", "2"), "app/v.yaml": widget("v", "{size: big}"), "app/w.yaml": widget("w", "{size: small}"), "app/b.yaml": configMap("b", "1")})
	k := s.fails("app", "ReconciliationFailed", "Widget/$ns/v dry-run failed", "Widget/$ns/w dry-run failed")
	s.data("ConfigMap/a", "1")
	s.absent("ConfigMap/b")
	if got := inventory(k); !slices.Equal(got, before) {
		t.Errorf("inventory: got %q, want what it was: %q", got, before)
	}
	s.commit(files{"app/v.yaml": widget("v", "{size: 2}"), "app/w.yaml": widget("w", "{size: 3}")})
	s.ready("app")
	s.data("ConfigMap/a", "2")
}

// An early stage that went through is in the inventory though a later one was
// refused: it is pruned when Git no longer has it.
func TestInventoryKeepsWhatWentThrough(t *testing.T) {
	s := up(t)
	space := "apiVersion: v1\nkind: Namespace\nmetadata: {name: $ns-made}\n"
	s.commit(files{"app/ns.yaml": space, "app/w.yaml": "apiVersion: none.example.com/v1\nkind: None\nmetadata: {name: n, namespace: $ns}\n"})
	s.apply(source, kustomization("app", "path: ./app"))
	k := s.fails("app", "ReconciliationFailed", `no matches for kind "None" in version "none.example.com/v1"; is its CRD installed?`)
	if got, want := inventory(k), []string{"_" + s.ns + "-made__Namespace"}; !slices.Equal(got, want) {
		t.Errorf("inventory: got %q, want %q", got, want)
	}
	s.commit(files{"app/ns.yaml": "", "app/w.yaml": "", "app/a.yaml": configMap("a", "1")})
	s.ready("app")
	s.gone(s.expand("Namespace/$ns-made"))
}

func TestPolicyRefusesAStageWhole(t *testing.T) {
	s := up(t)
	policy := `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: $ns}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $ns}}
  validations: [{expression: "!object.metadata.name.startsWith('no-')", message: "this name is not allowed"}]
`
	binding := "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: $ns}\nspec: {policyName: $ns, validationActions: [Deny]}\n"
	s.apply(policy, binding)
	s.Cleanup(func() {
		s.delete("ValidatingAdmissionPolicyBinding/" + s.ns)
		s.delete("ValidatingAdmissionPolicy/" + s.ns)
	})
	s.awaitRefusal(configMap("no-probe", "1"))
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/n1.yaml": configMap("no-1", "1"), "app/n2.yaml": configMap("no-2", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.fails("app", "ReconciliationFailed", "ConfigMap/$ns/no-1 dry-run failed", "ConfigMap/$ns/no-2 dry-run failed", "this name is not allowed")
	s.absent("ConfigMap/a")
	s.commit(files{"app/n1.yaml": ""})
	s.fails("app", "ReconciliationFailed", "ConfigMap/$ns/no-2 dry-run failed")
	s.patch("ValidatingAdmissionPolicy/"+s.ns, `{spec: {validations: [{expression: "object.metadata.name != 'no-1'"}]}}`)
	s.ready("app")
}

// awaitRefusal waits until the API server refuses an object: it learns of what
// makes it do so by watches of its own. The probes are events of a ConfigMap that
// a person writes.
func (s *stand) awaitRefusal(text string) {
	s.Helper()
	s.apply(configMap("probe", "0"))
	gk := s.decode(text)[0].GroupVersionKind().GroupKind()
	c := s.client(gk, s.ns)
	s.await("ConfigMap/probe", func(o *unstructured.Unstructured) bool {
		refused := !s.tryApply(c, text)
		if !refused {
			s.patch("ConfigMap/probe", `{data: {key: "`+o.GetResourceVersion()+`"}}`) // the next event, and try
		}
		return refused
	})
}
