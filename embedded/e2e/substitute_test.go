package e2e

import (
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
)

func TestVariablesFromObjects(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "${one}-${two:=none}")})
	s.apply(source, kustomization("app", "path: ./app", "postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}, {kind: Secret, name: more, optional: true}]}"))
	t.Run("wait for one that is missing, and name it", func(t *testing.T) {
		k := s.fails("app", "BuildFailed", `substitute from 'ConfigMap/vars' error: configmaps "vars" not found in namespace $ns`)
		if got, want := condition(k, "Reconciling").Message, s.expand("Waiting for ConfigMap/$ns/vars"); got != want {
			t.Errorf("Reconciling: got %q, want %q", got, want)
		}
		s.absent("ConfigMap/a")
	})
	t.Run("go on when it comes", func(t *testing.T) {
		s.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: $ns}\ndata: {one: a}\n")
		s.ready("app")
		s.data("ConfigMap/a", "a-none")
	})
	soon := func(want string, change func()) {
		s.idle()
		began := time.Now()
		change()
		s.data("ConfigMap/a", want)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %s, want about a second at most", took)
		}
	}
	t.Run("change within a second", func(t *testing.T) {
		soon("b-none", func() { s.patch("ConfigMap/vars", `{data: {one: b}}`) })
	})
	t.Run("come from a Secret that was optional", func(t *testing.T) {
		soon("b-c", func() {
			s.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: more, namespace: $ns}\nstringData: {two: c}\n")
		})
		soon("b-d", func() { s.patch("Secret/more", `{stringData: {two: d}}`) })
		soon("b-none", func() { s.delete("Secret/more") })
	})
	t.Run("are told when they go", func(t *testing.T) {
		s.delete("ConfigMap/vars")
		s.fails("app", "BuildFailed", "configmaps \"vars\" not found")
		s.data("ConfigMap/a", "b-none")
		if got := s.now("app"); len(inventory(got)) != 1 {
			t.Errorf("inventory: got %q, want what was applied", inventory(got))
		}
	})
}

// A variable without value or default is an error only where asked for.
func TestUndefinedVariable(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "x${nothing}y"), "app/b.yaml": configMap("b", "${kept}", "labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}")})
	s.apply(source, kustomization("app", "path: ./app", "postBuild: {substitute: {some: value}}"))
	s.ready("app")
	s.data("ConfigMap/a", "xy")
	s.data("ConfigMap/b", "${kept}")
	s.unit("app", func(k *kustomizev1.Kustomization) bool { return len(inventory(k)) == 2 })
}
