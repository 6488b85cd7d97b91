package e2e

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What kubectl wrote into a Kustomization that another one applies goes, as from any
// other object: also a field that Git says nothing of.
func TestFieldThatKubectlAddedToAUnit(t *testing.T) {
	s := up(t)
	s.commit(files{"units/child.yaml": kustomization("child", "path: ./app"), "app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("parent", "path: ./units"))
	s.ready("child")
	s.ready("parent")
	s.patchAs("kubectl-edit", "Kustomization/child", `{spec: {timeout: 7m}}`)
	s.await("Kustomization/child", func(o *unstructured.Unstructured) bool { return field(o, "spec", "timeout") == "" })
	s.ready("child")
	s.ready("parent")
}
