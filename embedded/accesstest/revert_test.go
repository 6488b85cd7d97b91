package accesstest

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/repo/repotest"
)

const inGit = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: reverted, labels: {tier: front}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web:1}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: reverted}
data: {color: blue}
`

// With atEnd: revert everything is as Git has it when the grant is over: what the holder
// of a grant changed, added and deleted while they had paused the engine.
func TestRevert(t *testing.T) {
	s := newStand(t)
	s.namespace("reverted")
	s.policy("reverted", edit("reverted")+"  atEnd: revert\n")
	up := repotest.New(t)
	up.Commit("main", map[string]string{"all.yaml": inGit})
	s.create("apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: apps, namespace: reverted}\nspec: {interval: 24h, url: " + repotest.Serve(t, up) + ", ref: {branch: main}}")
	s.create("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: reverted}\nspec: {interval: 24h, prune: true, path: ./, sourceRef: {kind: GitRepository, name: apps}}")
	s.start("source-controller")
	s.becomes(units, "apps", func(u *unstructured.Unstructured) bool { return u.Object["status"] != nil && s.ready(u) })
	before := s.becomes(deployments, "web", func(*unstructured.Unstructured) bool { return true })

	held := s.granted("alice", "--env=reverted", "--role=edit", "-n=reverted", "--for=10m", "--reason=x")
	elevated := s.with(s.token(held))
	change := func(gvr schema.GroupVersionResource, name, patch string) {
		_, err := elevated.Resource(gvr).Namespace("reverted").Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
		s.must(err)
	}
	change(units, "apps", `{"spec":{"suspend":true}}`)
	change(deployments, "web", `{"spec":{"replicas":5},"metadata":{"labels":{"tier":"back","mine":"yes"}}}`)
	s.must(elevated.Resource(configMaps).Namespace("reverted").Delete(t.Context(), "settings", metav1.DeleteOptions{}))
	s.does("alice", "access", "end", held.Name)
	over := s.reaches(held.Name, access.Ended)
	if !slices.Equal(over.Status.End.Reverted, []string{"Kustomization/reverted/apps"}) || len(over.Status.End.Unread) > 0 {
		t.Errorf("the end: got %+v", over.Status.End)
	}

	s.becomes(deployments, "web", func(u *unstructured.Unstructured) bool {
		labels := u.GetLabels()
		replicas, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
		return replicas == 2 && labels["tier"] == "front" && labels["mine"] == "" && u.GetUID() == before.GetUID()
	})
	s.becomes(configMaps, "settings", func(u *unstructured.Unstructured) bool {
		color, _, _ := unstructured.NestedString(u.Object, "data", "color")
		return color == "blue"
	})
	s.becomes(units, "apps", func(u *unstructured.Unstructured) bool {
		suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend")
		return !suspended && s.ready(u)
	})

	// Without a pause it needs no end of a grant.
	again := s.granted("alice", "--env=reverted", "--role=edit", "-n=reverted", "--for=10m", "--reason=x")
	s.must(s.with(s.token(again)).Resource(configMaps).Namespace("reverted").Delete(t.Context(), "settings", metav1.DeleteOptions{}))
	s.becomes(configMaps, "settings", func(*unstructured.Unstructured) bool { return true })
}

// becomes waits until an object of namespace reverted is as it should be.
func (s *stand) becomes(gvr schema.GroupVersionResource, name string, ok func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	s.Helper()
	var last *unstructured.Unstructured
	kubetest.AwaitObject(s.T, s.dyn.Resource(gvr).Namespace("reverted"), name, func(u *unstructured.Unstructured) bool {
		last = u
		return ok(u)
	})
	return last
}

// ready tells whether a unit applied what its spec of now asks for.
func (s *stand) ready(u *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		is := c.(map[string]any)
		return is["type"] == "Ready" && is["status"] == "True" && is["observedGeneration"] == u.GetGeneration()
	})
}
