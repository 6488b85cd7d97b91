package worldtest

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

var applyCases = []testcase{
	{"creates and updates", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v, l: w}"))
		s.is(u, "data", "{k: v, l: w}")
		s.owns(u, `a Apply {"f:data":{"f:k":{},"f:l":{}}}`)
		u = s.apply("a", configMap("a", "data: {k: x}"))
		s.is(u, "data", "{k: x}")
		s.owns(u, `a Apply {"f:data":{"f:k":{}}}`)
		s.is(s.get(u), "data", "{k: x}")
	}},
	{"predict is what apply returns, and changes nothing", func(s *suite) {
		a := world.Apply{Object: s.parse(configMap("a", "data: {k: v}")), Manager: "a"}
		predicted, err := s.w.Predict(s.ctx, a)
		s.must(err)
		s.is(predicted, "data", "{k: v}")
		s.owns(predicted, `a Apply {"f:data":{"f:k":{}}}`)
		if s.exists(a.Object) {
			s.Error("predict made an object")
		}
		made := s.apply("a", configMap("a", "data: {k: v}"))
		a.Object = s.parse(configMap("a", "data: {k: w}"))
		predicted, err = s.w.Predict(s.ctx, a)
		s.must(err)
		s.is(predicted, "data", "{k: w}")
		if live := s.get(made); live.GetResourceVersion() != made.GetResourceVersion() {
			s.Error("predict changed an object")
		}
		a.Object = s.parse(configMap("a", "data: {k: v}"))
		predicted, err = s.w.Predict(s.ctx, a)
		s.must(err)
		if predicted.GetResourceVersion() != made.GetResourceVersion() {
			s.Error("predict of no change has another resource version")
		}
	}},
	{"predict conflicts like apply", func(s *suite) {
		s.apply("a", configMap("a", "data: {k: v}"))
		a := world.Apply{Object: s.parse(configMap("a", "data: {k: w}")), Manager: "b"}
		if _, err := s.w.Predict(s.ctx, a); !apierrors.IsConflict(err) {
			s.Errorf("got %v, want a conflict", err)
		}
	}},
	{"the object that is applied is left alone", func(s *suite) {
		u := s.parse(configMap("a", "data: {k: v}"))
		before := u.DeepCopy()
		_, err := s.w.Apply(s.ctx, world.Apply{Object: u, Manager: "a"})
		s.must(err)
		if !equalJSON(s, before.Object, u.Object) {
			s.Error("apply changed its argument")
		}
	}},
	{"what the server sets is no part of the intent", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		u = s.get(u)
		if _, err := s.w.Apply(s.ctx, world.Apply{Object: u, Manager: "a"}); err != nil {
			s.Errorf("apply what was read: %v", err)
		}
	}},
	{"generation counts changes of what is asked for", func(s *suite) {
		u := s.apply("a", deployment("replicas: 1"))
		s.is(u, "metadata.generation", "1")
		s.is(s.apply("a", deployment("replicas: 1")), "metadata.generation", "1")
		s.is(s.apply("a", deployment("replicas: 2")), "metadata.generation", "2")
		s.is(s.patch(u, mergePatch, `{"metadata":{"labels":{"x":"y"}}}`), "metadata.generation", "2")
	}},
	{"a namespace must be there", func(s *suite) {
		u := s.parse("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: NS-none}}")
		_, err := s.w.Apply(s.ctx, world.Apply{Object: u, Manager: "a"})
		if !apierrors.IsNotFound(err) {
			s.Errorf("apply: got %v, want not found", err)
		}
		if _, err = s.w.Predict(s.ctx, world.Apply{Object: u, Manager: "a"}); !apierrors.IsNotFound(err) {
			s.Errorf("predict: got %v, want not found", err)
		}
		if _, err = s.w.Create(s.ctx, u, "a"); !apierrors.IsNotFound(err) {
			s.Errorf("create: got %v, want not found", err)
		}
	}},
	{"create twice", func(s *suite) {
		s.create(configMap("a", ""))
		if _, err := s.w.Create(s.ctx, s.parse(configMap("a", "")), "a"); !apierrors.IsAlreadyExists(err) {
			s.Errorf("got %v, want already exists", err)
		}
	}},
	{"cluster scope", func(s *suite) {
		name := "a" + s.ns
		u := s.apply("a", "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: \""+name+"\"}, rules: []}")
		s.discard(u)
		if got := s.get(u); got.GetNamespace() != "" || got.GetName() != name {
			s.Errorf("got %s", object.KeyOf(got))
		}
	}},
	{"secrets keep strings as bytes", func(s *suite) {
		u := s.apply("a", "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {k: v}}")
		s.is(u, "data", "{k: dg==}")
		s.is(u, "stringData", "null")
		s.is(u, "type", "Opaque")
	}},
	{"quantities take their canonical form", func(s *suite) {
		u := s.apply("a", deployment("template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1000m, memory: 1024Mi}}}]}}"))
		containers, _ := u.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)
		first, _ := containers[0].(map[string]any)
		if limits := first["resources"].(map[string]any)["limits"]; !equalJSON(s, limits, map[string]any{"cpu": "1", "memory": "1Gi"}) {
			s.Errorf("got %v", limits)
		}
	}},
}

// deployment returns one that runs a container, its spec extended.
func deployment(spec string) string {
	text := `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  ` + spec + `
`
	if len(spec) < 9 || spec[:9] != "template:" {
		text += "  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}\n"
	}
	return text
}
