package installtest

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

var deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

// What Kustomizations and releases applied stays, the objects of the
// installation go, finalizers notwithstanding.
func TestUninstallLeavesWorkloads(t *testing.T) {
	w := connect(t, kubetest.Start(t))
	objs := render(t, install.Options{Layout: install.LikeFlux, Access: true})
	if err := install.Apply(bounded(t), w, objs, nil); err != nil {
		t.Fatal(err)
	}
	workload := create(t, w, `
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  namespace: default
  labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: default}`)
	create(t, w, `
apiVersion: kustomize.toolkit.fluxcd.io/v1beta2
kind: Kustomization
metadata: {name: apps, namespace: default, finalizers: [finalizers.fluxcd.io]}
spec: {interval: 1m, prune: true, sourceRef: {kind: GitRepository, name: apps}}`)
	create(t, w, `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: apps, namespace: default, finalizers: [finalizers.fluxcd.io]}
spec: {interval: 1m, url: "https://example.com/apps"}`)
	request := create(t, w, `
apiVersion: leat.dev/v1alpha1
kind: AccessRequest
metadata: {name: apps}
spec: {requester: {username: leat-admin}, environment: e, role: r, clusterWide: true, for: 10m, reason: x, key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`)
	held := world.Patch{Ref: object.RefOf(request), Type: types.MergePatchType, Manager: "leat",
		Data: []byte(`{"metadata": {"finalizers": ["` + access.Finalizer + `"]}}`)}
	if _, err := w.Patch(t.Context(), held); err != nil { // as the controller does
		t.Fatal(err)
	}
	if err := install.Uninstall(bounded(t), w, install.Removal{}, func(s install.Step) { t.Log(s.Op, s.Key, s.Note) }); err != nil {
		t.Fatal(err)
	}
	for _, obj := range objs {
		if exists(t, w, obj) {
			t.Errorf("%s is still there", object.KeyOf(obj))
		}
	}
	if !exists(t, w, workload) {
		t.Error("the workload is gone")
	}
}

// The Deployments of the other layout are rivals; once stopped, none of their
// pods runs.
func TestLayoutIsChanged(t *testing.T) {
	w := connect(t, kubetest.Start(t))
	before, after := install.Options{Layout: install.LikeFlux}, install.Options{}
	if err := install.Apply(bounded(t), w, render(t, before), nil); err != nil {
		t.Fatal(err)
	}
	rivals, err := install.Rivals(t.Context(), w, after)
	if err != nil {
		t.Fatal(err)
	}
	var refs []object.Ref
	for _, r := range rivals {
		refs = append(refs, r.Ref)
	}
	if err := install.Stop(bounded(t), w, refs, nil); err != nil {
		t.Fatal(err)
	}
	if err := install.Apply(bounded(t), w, render(t, after), nil); err != nil {
		t.Fatal(err)
	}
	left, err := w.List(t.Context(), deploymentKind, world.Selection{Namespace: install.DefaultNamespace})
	if err != nil {
		t.Fatal(err)
	}
	if len(refs) != 7 || len(left) != 1 || left[0].GetName() != "leat" {
		t.Errorf("stopped %d, left %d; want 7 stopped and leat left", len(refs), len(left))
	}
}
