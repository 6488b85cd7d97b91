package e2e

import (
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
)

func TestDependenciesAreReadyFirst(t *testing.T) {
	s := up(t)
	s.commit(files{"a/a.yaml": configMap("a", "1"), "b/b.yaml": configMap("b", "1"), "c/c.yaml": configMap("c", "1")})
	s.apply(source, kustomization("c", "path: ./c", "dependsOn: [{name: b}]"), kustomization("b", "path: ./b", "dependsOn: [{name: a}]"))
	s.fails("c", "DependencyNotReady", "dependency '$ns/b' is not ready")
	s.fails("b", "DependencyNotReady", "dependency '$ns/a' not found")
	s.absent("ConfigMap/b")
	s.apply(kustomization("a", "path: ./a"))
	for _, name := range []string{"a", "b", "c"} {
		s.ready(name)
	}
	t.Run("again at every revision of the same source", func(t *testing.T) {
		s.commit(files{"a/a.yaml": configMap("a", "2"), "c/c.yaml": configMap("c", "2")})
		for _, name := range []string{"a", "b", "c"} {
			s.ready(name)
		}
		s.data("ConfigMap/c", "2")
	})
	t.Run("a failure above holds back what is below", func(t *testing.T) {
		s.commit(files{"a/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $ns}\ndata: {key: [no, text]}\n", "c/c.yaml": configMap("c", "3")})
		s.fails("a", "ReconciliationFailed")
		s.fails("b", "DependencyNotReady")
		s.fails("c", "DependencyNotReady")
		s.data("ConfigMap/c", "2")
		s.commit(files{"a/a.yaml": configMap("a", "3")})
		s.ready("c")
		s.data("ConfigMap/c", "3")
	})
}

func TestReadyExpressionDecidesAlone(t *testing.T) {
	s := up(t)
	s.commit(files{"a/a.yaml": configMap("a", "1"), "b/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("a", "path: ./a"), kustomization("b", "path: ./b",
		`dependsOn: [{name: a, readyExpr: "has(dep.metadata.annotations) && 'go' in dep.metadata.annotations"}]`))
	s.ready("a")
	s.fails("b", "DependencyNotReady", "dependency '$ns/a' is not ready according to readyExpr eval")
	s.patch("Kustomization/a", `{metadata: {annotations: {go: "yes"}}}`)
	s.ready("b")
}

func TestCycleIsStalledAndPrinted(t *testing.T) {
	s := up(t)
	s.commit(files{"a/a.yaml": configMap("a", "1"), "by/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("by", "path: ./by"),
		kustomization("one", "path: ./a", "dependsOn: [{name: two}]"),
		kustomization("two", "path: ./a", "dependsOn: [{name: three}]"),
		kustomization("three", "path: ./a", "dependsOn: [{name: one}]"),
		kustomization("self", "path: ./a", "dependsOn: [{name: self}]"),
		kustomization("below", "path: ./a", "dependsOn: [{name: one}]"))
	stalled := func(name, cycle string) {
		s.Helper()
		s.fails(name, "DependencyNotReady", cycle)
		s.unit(name, func(k *kustomizev1.Kustomization) bool { return condition(k, "Stalled").Status == "True" })
	}
	stalled("one", "$ns/one → $ns/two → $ns/three → $ns/one")
	stalled("two", "$ns/two → $ns/three → $ns/one → $ns/two")
	stalled("three", "$ns/three → $ns/one → $ns/two → $ns/three")
	stalled("self", "$ns/self → $ns/self")
	s.fails("below", "DependencyNotReady", "dependency '$ns/one' is not ready")
	s.ready("by")
	s.absent("ConfigMap/a")
	t.Run("and ends when it is broken anywhere", func(t *testing.T) {
		s.apply(kustomization("three", "path: ./a"))
		s.ready("three")
		for _, name := range []string{"one", "two"} {
			k := s.unit(name, func(k *kustomizev1.Kustomization) bool { return condition(k, "Stalled").Status != "True" })
			if got := condition(k, "Ready").Message; got == "" {
				t.Errorf("%s: no message", name)
			}
		}
	})
}
