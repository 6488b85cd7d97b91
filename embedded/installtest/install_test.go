// Package installtest holds the installation of Leat against a real API server.
package installtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

func TestMain(m *testing.M) {
	kubetest.Quick("TestApplyTwiceChangesNothing", "TestLayoutIsChanged", "TestDowngradeKeepsNewerVersions")
	kubetest.Main(m)
}

// within bounds each wait of a test.
const within = time.Minute

var errTimeout = errors.New("it took too long")

func connect(t *testing.T, c *kubetest.Cluster) *cluster.World {
	t.Helper()
	w, err := cluster.New(c.Config, cluster.Options{FieldValidation: "Strict"})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), within, errTimeout)
	t.Cleanup(cancel)
	return ctx
}

func render(t *testing.T, o install.Options) []*unstructured.Unstructured {
	t.Helper()
	objs, err := install.Render(o)
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

func create(t *testing.T, w world.World, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	made, err := w.Create(t.Context(), u, "test")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func exists(t *testing.T, w world.World, obj *unstructured.Unstructured) bool {
	t.Helper()
	live, err := w.Get(t.Context(), object.RefOf(obj))
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return live.GetDeletionTimestamp() == nil
}

// Both layouts: every object is accepted under strict validation, a second time
// changes nothing, and the pods pass the restricted standard and become ready.
func TestInstall(t *testing.T) {
	for _, layout := range []install.Layout{install.OneDeployment, install.LikeFlux} {
		t.Run(string(layout), func(t *testing.T) {
			w := connect(t, kubetest.Start(t))
			objs := render(t, install.Options{Layout: layout})
			if err := install.Apply(bounded(t), w, objs, nil); err != nil {
				t.Fatal(err)
			}
			enforceRestricted(t, w)
			if err := install.Await(bounded(t), w, objs, func(s install.Step) { t.Log(s.Op, s.Key, s.Note) }); err != nil {
				t.Fatal(err)
			}
			err := install.Apply(bounded(t), w, objs, func(s install.Step) {
				// The garbage of status changes is not ours: only what apply itself did counts.
				if s.Op != install.Unchanged && s.Key.Kind != "Deployment" && s.Key.Kind != "ResourceQuota" {
					t.Errorf("applied again: %s %s", s.Key, s.Op)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// enforceRestricted has the API server refuse pods that are less than
// restricted, and lets the pods be made anew.
func enforceRestricted(t *testing.T, w world.World) {
	t.Helper()
	namespace := object.Ref{Key: object.Key{Kind: "Namespace", Name: install.DefaultNamespace}, Version: "v1"}
	patch(t, w, namespace, `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	deployments, err := w.List(t.Context(), deploymentKind, world.Selection{Namespace: install.DefaultNamespace})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deployments {
		patch(t, w, object.RefOf(d), `{"spec":{"template":{"metadata":{"annotations":{"test":"anew"}}}}}`)
	}
}

func patch(t *testing.T, w world.World, ref object.Ref, data string) {
	t.Helper()
	if _, err := w.Patch(t.Context(), world.Patch{Ref: ref, Type: types.MergePatchType, Data: []byte(data), Manager: "test"}); err != nil {
		t.Fatal(err)
	}
}

// Objects that were written when a cluster had only old versions, and are
// stored in them, are there after the upgrade, in old and new versions, with
// fields that only the old ones had.
func TestUpgradeKeepsObjects(t *testing.T) {
	w := connect(t, kubetest.Start(t, kubetest.APIOnly))
	objs := render(t, install.Options{})
	old := without(t, kustomizations(t, objs), "v1", "v1beta2")
	if err := install.Apply(bounded(t), w, []*unstructured.Unstructured{old}, nil); err != nil {
		t.Fatal(err)
	}
	made := create(t, w, `
apiVersion: kustomize.toolkit.fluxcd.io/v1beta2
kind: Kustomization
metadata: {name: apps, namespace: default}
spec:
  interval: 1m
  prune: true
  validation: client
  sourceRef: {kind: GitRepository, name: apps}`)
	if err := install.Apply(bounded(t), w, objs, nil); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"v1", "v1beta2", "v1beta1"} {
		got, err := w.Get(t.Context(), object.Ref{Key: object.KeyOf(made), Version: version})
		if err != nil {
			t.Fatal(err)
		}
		if v, _, _ := unstructured.NestedString(got.Object, "spec", "validation"); v != "client" || got.GetUID() != made.GetUID() {
			t.Errorf("%s: got validation %q, uid %s, want client, %s", version, v, got.GetUID(), made.GetUID())
		}
	}
	live, err := w.Get(t.Context(), object.RefOf(old))
	if err != nil {
		t.Fatal(err)
	}
	stored, _, _ := unstructured.NestedStringSlice(live.Object, "status", "storedVersions")
	if fmt.Sprint(stored) != "[v1beta2 v1]" {
		t.Errorf("stored versions: got %v, want [v1beta2 v1]", stored)
	}
}

// A cluster that already stores in a version of the future goes on doing so.
func TestDowngradeKeepsNewerVersions(t *testing.T) {
	w := connect(t, kubetest.Start(t, kubetest.APIOnly))
	objs := render(t, install.Options{})
	future := without(t, kustomizations(t, objs), "v1", "v1")
	list, _, _ := unstructured.NestedSlice(future.Object, "spec", "versions")
	newest := list[0].(map[string]any)
	newest["name"], newest["storage"] = "v9", true
	set(t, future, []any{newest})
	if err := install.Apply(bounded(t), w, []*unstructured.Unstructured{future}, nil); err != nil {
		t.Fatal(err)
	}
	made := create(t, w, `
apiVersion: kustomize.toolkit.fluxcd.io/v9
kind: Kustomization
metadata: {name: apps, namespace: default}
spec: {interval: 1m, prune: true, sourceRef: {kind: GitRepository, name: apps}}`)
	var note string
	err := install.Apply(bounded(t), w, objs, func(s install.Step) { note += s.Note })
	if err != nil {
		t.Fatal(err)
	}
	if !exists(t, w, made) || note != "keeps v9, which this release does not know" {
		t.Errorf("note: got %q; exists: %t", note, exists(t, w, made))
	}
	live, err := w.Get(t.Context(), object.RefOf(future))
	if err != nil {
		t.Fatal(err)
	}
	if stored, _, _ := unstructured.NestedStringSlice(live.Object, "status", "storedVersions"); fmt.Sprint(stored) != "[v9]" {
		t.Errorf("stored versions: got %v, want [v9]", stored)
	}
}

func kustomizations(t *testing.T, objs []*unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	for _, obj := range objs {
		if obj.GetName() == "kustomizations.kustomize.toolkit.fluxcd.io" {
			return obj
		}
	}
	t.Fatal("no definition of Kustomization")
	return nil
}

// without returns a definition that lacks a version and stores in another; with
// both equal it only copies.
func without(t *testing.T, d *unstructured.Unstructured, version, stored string) *unstructured.Unstructured {
	t.Helper()
	out := d.DeepCopy()
	list, _, _ := unstructured.NestedSlice(out.Object, "spec", "versions")
	var left []any
	for _, v := range list {
		m := v.(map[string]any)
		m["storage"] = m["name"] == stored
		if m["name"] != version || version == stored {
			left = append(left, m)
		}
	}
	set(t, out, left)
	return out
}

func set(t *testing.T, d *unstructured.Unstructured, versions []any) {
	t.Helper()
	if err := unstructured.SetNestedSlice(d.Object, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
}
