package worldtest

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

var configMaps = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

func configMap(name, rest string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n" + rest
}

var readCases = []testcase{
	{"get what was created", func(s *suite) {
		made := s.create(configMap("a", "data: {k: v}"))
		live := s.get(made)
		s.is(live, "data", "{k: v}")
		if born := made.GetCreationTimestamp(); made.GetUID() == "" || made.GetResourceVersion() == "" || born.IsZero() {
			s.Errorf("got %v, want uid, resourceVersion and creationTimestamp", made.Object)
		}
		if live.GetResourceVersion() != made.GetResourceVersion() || live.GetUID() != made.GetUID() {
			s.Error("get returns another object than create")
		}
	}},
	{"what was read belongs to the caller", func(s *suite) {
		u := s.create(configMap("a", "data: {k: v}"))
		mine := s.get(u)
		mine.Object["data"].(map[string]any)["k"] = "changed"
		s.is(s.get(u), "data.k", "v")
	}},
	{"not found", func(s *suite) {
		_, err := s.w.Get(s.ctx, object.RefOf(s.parse(configMap("none", ""))))
		if !apierrors.IsNotFound(err) {
			s.Errorf("got %v, want not found", err)
		}
	}},
	{"a kind that nobody defines", func(s *suite) {
		u := s.parse("{apiVersion: none.dev/v1, kind: None, metadata: {name: a, namespace: NS}}")
		_, err := s.w.Get(s.ctx, object.RefOf(u))
		_, err2 := s.w.List(s.ctx, u.GroupVersionKind(), world.Selection{})
		_, err3 := s.w.Apply(s.ctx, world.Apply{Object: u, Manager: "a"})
		err4 := s.w.Delete(s.ctx, world.Delete{Ref: object.RefOf(u)})
		for i, err := range []error{err, err2, err3, err4} {
			if !meta.IsNoMatchError(err) {
				s.Errorf("request %d: got %v, want no match", i, err)
			}
		}
	}},
	{"kinds and preferred versions", func(s *suite) {
		for gvk, want := range map[schema.GroupVersionKind]string{
			{Version: "v1", Kind: "ConfigMap"}:                      "/v1 configmaps true",
			{Kind: "Namespace"}:                                     "/v1 namespaces false",
			{Group: "apps", Kind: "Deployment"}:                     "apps/v1 deployments true",
			{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}: "autoscaling/v2 horizontalpodautoscalers true",
		} {
			m, err := s.w.Kind(s.ctx, gvk)
			got := fmt.Sprintf("%s/%s %s %v", m.GVK.Group, m.GVK.Version, m.Resource, m.Namespaced)
			if err != nil || got != want {
				s.Errorf("%v: got %s, %v, want %s", gvk, got, err, want)
			}
		}
		if _, err := s.w.Kind(s.ctx, schema.GroupVersionKind{Group: "apps", Version: "v9", Kind: "Deployment"}); !meta.IsNoMatchError(err) {
			s.Errorf("got %v, want no match", err)
		}
	}},
	{"list selects and orders", func(s *suite) {
		for _, name := range []string{"b", "a", "a-b", "c"} {
			s.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + ", labels: {team: red}}}")
		}
		s.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: d, labels: {team: blue}}}")
		s.lists(world.Selection{Namespace: s.ns, Labels: selector(s, "team=red")}, "a a-b b c")
		s.lists(world.Selection{Namespace: s.ns, Labels: selector(s, "team notin (red)")}, "d")
		s.lists(world.Selection{Namespace: s.ns + "-none"}, "")
		s.lists(world.Selection{Labels: selector(s, "team in (blue, green)")}, "d")
	}},
	{"the list follows changes", func(s *suite) {
		u := s.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {team: red}}}")
		s.force("x", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {team: blue}}}")
		s.lists(world.Selection{Namespace: s.ns, Labels: selector(s, "team=red")}, "")
		s.delete(u)
		s.lists(world.Selection{Namespace: s.ns, Labels: selector(s, "team=blue")}, "")
	}},
	{"generated names", func(s *suite) {
		text := "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: gen-}}"
		a, b := s.create(text), s.create(text)
		if a.GetName() == b.GetName() || len(a.GetName()) != len("gen-")+5 {
			s.Errorf("got %s and %s, want two names", a.GetName(), b.GetName())
		}
	}},
	{"resource versions change with the object and only then", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		again := s.apply("a", configMap("a", "data: {k: v}"))
		if u.GetResourceVersion() != again.GetResourceVersion() {
			s.Error("an apply that changes nothing changed the resource version")
		}
		if changed := s.apply("a", configMap("a", "data: {k: w}")); changed.GetResourceVersion() == u.GetResourceVersion() {
			s.Error("a change kept the resource version")
		}
	}},
}

func selector(s *suite, text string) labels.Selector {
	s.Helper()
	l, err := labels.Parse(text)
	s.must(err)
	return l
}

// lists compares the names of the config maps of the case's namespace.
func (s *suite) lists(in world.Selection, want string) {
	s.Helper()
	all, err := s.w.List(s.ctx, configMaps, in)
	s.must(err)
	got := ""
	for _, u := range all {
		if u.GetNamespace() == s.ns && u.GetName() != "kube-root-ca.crt" {
			got += " " + u.GetName()
		}
		if u.GetKind() != "ConfigMap" || u.GetAPIVersion() != "v1" {
			s.Errorf("item %s is a %s %s", u.GetName(), u.GetAPIVersion(), u.GetKind())
		}
	}
	if len(got) > 0 {
		got = got[1:]
	}
	if got != want {
		s.Errorf("%+v: got %q, want %q", in, got, want)
	}
}
