package worldtest

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

var deleteCases = []testcase{
	{"removes", func(s *suite) {
		u := s.create(configMap("a", ""))
		s.delete(u)
		s.isGone(u)
		if err := s.w.Delete(s.ctx, world.Delete{Ref: object.RefOf(u)}); !apierrors.IsNotFound(err) {
			s.Errorf("again: got %v, want not found", err)
		}
	}},
	{"waits for finalizers", func(s *suite) {
		u := s.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [x.dev/a, x.dev/b]}}")
		s.delete(u)
		s.delete(u)
		live := s.get(u)
		if live.GetDeletionTimestamp() == nil {
			s.Error("got no deletionTimestamp")
		}
		live = s.patch(live, mergePatch, `{"metadata":{"finalizers":["x.dev/b"]}}`)
		if !s.exists(u) {
			s.Error("gone before its last finalizer")
		}
		s.patch(live, jsonPatch, `[{"op":"remove","path":"/metadata/finalizers"}]`)
		s.isGone(u)
	}},
	{"no finalizer comes late", func(s *suite) {
		u := s.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [x.dev/a]}}")
		s.delete(u)
		if _, err := s.w.Patch(s.ctx, patchOf(u, mergePatch, `{"metadata":{"finalizers":["x.dev/a","x.dev/b"]}}`)); !apierrors.IsInvalid(err) {
			s.Errorf("got %v, want invalid", err)
		}
		s.patch(u, mergePatch, `{"metadata":{"finalizers":null}}`)
		s.isGone(u)
	}},
	{"an apply that drops the last finalizer", func(s *suite) {
		u := s.apply("a", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [x.dev/a]}}")
		s.delete(u)
		s.apply("a", configMap("a", ""))
		s.isGone(u)
	}},
}

func owned(name string, owners ...*unstructured.Unstructured) string {
	refs := ""
	for _, o := range owners {
		refs += "{apiVersion: " + o.GetAPIVersion() + ", kind: " + o.GetKind() + ", name: " + o.GetName() + ", uid: '" + string(o.GetUID()) + "'},"
	}
	return "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + ", ownerReferences: [" + refs + "]}}"
}

var cascadeCases = []testcase{
	{"what was owned goes", func(s *suite) {
		owner := s.create(configMap("owner", ""))
		child := s.create(owned("child", owner))
		grandchild := s.create(owned("grandchild", child))
		other := s.create(configMap("other", ""))
		s.delete(owner)
		s.isGone(child)
		s.isGone(grandchild)
		if !s.exists(other) {
			s.Error("what nobody owned is gone")
		}
	}},
	{"an owner that is left keeps", func(s *suite) {
		a, b := s.create(configMap("a", "")), s.create(configMap("b", ""))
		child := s.create(owned("child", a, b))
		s.delete(a)
		s.caps.Await(s.T, "the owner is forgotten", func() bool { return len(s.get(child).GetOwnerReferences()) == 1 })
		s.delete(b)
		s.isGone(child)
	}},
	{"orphans stay", func(s *suite) {
		owner := s.create(configMap("owner", ""))
		child := s.create(owned("child", owner))
		s.must(s.w.Delete(s.ctx, world.Delete{Ref: object.RefOf(owner), Orphan: true}))
		s.isGone(owner)
		s.caps.Await(s.T, "the owner is forgotten", func() bool { return len(s.get(child).GetOwnerReferences()) == 0 })
	}},
	{"a namespace takes its content along", func(s *suite) {
		ns := s.create("{apiVersion: v1, kind: Namespace, metadata: {name: NS-x}}")
		s.is(s.get(ns), "status.phase", "Active")
		s.is(s.get(ns), "metadata.labels", "{kubernetes.io/metadata.name: "+ns.GetName()+"}")
		inside := s.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: NS-x}}")
		s.delete(ns)
		s.isGone(inside)
		s.isGone(ns)
		again := s.create("{apiVersion: v1, kind: Namespace, metadata: {name: NS-x}}")
		if s.exists(inside) {
			s.Error("the content came back with the namespace")
		}
		s.delete(again)
	}},
	{"a namespace waits for its content", func(s *suite) {
		ns := s.create("{apiVersion: v1, kind: Namespace, metadata: {name: NS-x}}")
		held := s.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: NS-x, finalizers: [x.dev/a]}}")
		s.delete(ns)
		s.caps.Await(s.T, "the content is marked", func() bool { return s.get(held).GetDeletionTimestamp() != nil })
		s.is(s.get(ns), "status.phase", "Terminating")
		if _, err := s.w.Create(s.ctx, s.parse("{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: NS-x}}"), "a"); !apierrors.IsForbidden(err) {
			s.Errorf("create: got %v, want forbidden", err)
		}
		s.patch(held, mergePatch, `{"metadata":{"finalizers":null}}`)
		s.isGone(held)
		s.isGone(ns)
	}},
	{"the default namespace stays", func(s *suite) {
		err := s.w.Delete(s.ctx, world.Delete{Ref: object.Ref{Key: object.Key{Kind: "Namespace", Name: "default"}, Version: "v1"}})
		if !apierrors.IsForbidden(err) {
			s.Errorf("got %v, want forbidden", err)
		}
	}},
}
