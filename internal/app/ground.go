package app

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/crd"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// manager is the field manager of what leat itself puts into a cluster.
const manager = "leat"

// contentMark says which content of ours a CRD was last given.
const contentMark = "leat.dev/content"

// InstallDefinitions applies the CRDs that the cluster does not have, or has
// from another version of Leat, and returns how many when all are established.
func InstallDefinitions(ctx context.Context, w world.World) (int, error) {
	want, err := definitions()
	if err != nil {
		return 0, err
	}
	have, err := w.List(ctx, crdKind, world.Selection{})
	if err != nil {
		return 0, fmt.Errorf("list CRDs: %w", err)
	}
	live := make(map[string]*unstructured.Unstructured, len(have))
	for _, obj := range have {
		live[obj.GetName()] = obj
	}
	var wait sync.WaitGroup
	errs := make(chan error, len(want))
	n := 0
	for _, obj := range want {
		old := live[obj.GetName()]
		if old != nil && old.GetAnnotations()[contentMark] == obj.GetAnnotations()[contentMark] {
			continue
		}
		if obj, _, err = install.Upgrade(old, obj); err != nil {
			return 0, fmt.Errorf("upgrade CRD: %w", err)
		}
		n++
		wait.Add(1)
		go func() {
			defer wait.Done()
			if err := installDefinition(ctx, w, obj); err != nil {
				errs <- fmt.Errorf("install CRD %s: %w", obj.GetName(), err)
			}
		}()
	}
	wait.Wait()
	close(errs)
	return n, <-errs
}

var crdKind = schema.GroupVersionKind{Group: apiextensionsv1.GroupName, Version: "v1", Kind: "CustomResourceDefinition"}

func definitions() ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, d := range crd.All() {
		text, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		obj := &unstructured.Unstructured{}
		if err := obj.UnmarshalJSON(text); err != nil {
			return nil, err
		}
		obj.SetGroupVersionKind(crdKind)
		unstructured.RemoveNestedField(obj.Object, "status")
		notes := obj.GetAnnotations()
		if notes == nil {
			notes = map[string]string{}
		}
		notes[contentMark] = hash.Of(text).Hex()[:16]
		obj.SetAnnotations(notes)
		out = append(out, obj)
	}
	return out, nil
}

func installDefinition(ctx context.Context, w world.World, obj *unstructured.Unstructured) error {
	live, err := w.Apply(ctx, world.Apply{Object: obj, Manager: manager, Force: true})
	for err == nil && !established(live) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		live, err = w.Get(ctx, object.RefOf(obj))
	}
	return err
}

func established(obj *unstructured.Unstructured) bool {
	conds, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range conds {
		m, _ := c.(map[string]any)
		if m["type"] == "Established" && m["status"] == "True" {
			return true
		}
	}
	return false
}

// accounts are the ServiceAccounts that fleets refer to, and whether they may
// do everything.
var accounts = map[string]bool{
	"source-controller": false, "kustomize-controller": true, "helm-controller": true,
	"notification-controller": false, "image-reflector-controller": false, "image-automation-controller": false,
	"source-watcher": false,
}

// Ground makes what a fleet expects to find: the namespace, the controllers'
// ServiceAccounts and the binding cluster-reconciler. It returns what it made,
// in words.
func Ground(ctx context.Context, w world.World, namespace string) ([]string, error) {
	objs := []*unstructured.Unstructured{namespaceObject(namespace)}
	subjects := []any{}
	for _, name := range sortedNames(accounts) {
		objs = append(objs, newObject("v1", "ServiceAccount", namespace, name, nil))
		if accounts[name] {
			subjects = append(subjects, map[string]any{"kind": "ServiceAccount", "name": name, "namespace": namespace})
		}
	}
	objs = append(objs, newObject("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "cluster-reconciler", map[string]any{
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": subjects,
	}))
	return ensure(ctx, w, objs)
}

// Namespaces makes the namespaces that are missing.
func Namespaces(ctx context.Context, w world.World, names []string) ([]string, error) {
	objs := make([]*unstructured.Unstructured, len(names))
	for i, name := range names {
		objs[i] = namespaceObject(name)
	}
	return ensure(ctx, w, objs)
}

func namespaceObject(name string) *unstructured.Unstructured {
	return newObject("v1", "Namespace", "", name, nil)
}

func newObject(apiVersion, kind, namespace, name string, rest map[string]any) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	for key, value := range rest {
		obj.Object[key] = value
	}
	obj.SetNamespace(namespace)
	obj.SetName(name)
	return obj
}

// ensure makes the objects that are not there and leaves the others alone.
func ensure(ctx context.Context, w world.World, objs []*unstructured.Unstructured) ([]string, error) {
	var made []string
	for _, obj := range objs {
		_, err := w.Create(ctx, obj, manager)
		switch {
		case apierrors.IsAlreadyExists(err):
		case err != nil:
			return made, fmt.Errorf("make %s: %w", object.KeyOf(obj), err)
		default:
			made = append(made, object.KeyOf(obj).String())
		}
	}
	return made, nil
}
