package worldtest

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

func patchOf(u *unstructured.Unstructured, t types.PatchType, data string) world.Patch {
	return world.Patch{Ref: object.RefOf(u), Type: t, Data: []byte(data), Manager: "patcher"}
}

var preconditionCases = []testcase{
	{"apply under the state that was seen", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		seen := world.Precondition{UID: u.GetUID(), ResourceVersion: u.GetResourceVersion()}
		a := world.Apply{Object: s.parse(configMap("a", "data: {k: w}")), Manager: "a", If: seen}
		if _, err := s.w.Predict(s.ctx, a); err != nil {
			s.Errorf("predict: %v", err)
		}
		_, err := s.w.Apply(s.ctx, a)
		s.must(err)
		a.Object = s.parse(configMap("a", "data: {k: x}"))
		if _, err := s.w.Apply(s.ctx, a); !apierrors.IsConflict(err) {
			s.Errorf("apply again: got %v, want a conflict", err)
		}
		s.is(s.get(u), "data.k", "w")
	}},
	{"apply to an object made anew", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		s.delete(u)
		a := world.Apply{Object: s.parse(configMap("a", "data: {k: w}")), Manager: "a", If: world.Precondition{UID: u.GetUID()}}
		if _, err := s.w.Apply(s.ctx, a); !apierrors.IsConflict(err) {
			s.Errorf("to nothing: got %v, want a conflict", err)
		}
		again := s.apply("a", configMap("a", "data: {k: v}"))
		if again.GetUID() == u.GetUID() {
			s.Error("two objects have one uid")
		}
		if _, err := s.w.Apply(s.ctx, a); !apierrors.IsConflict(err) {
			s.Errorf("to another: got %v, want a conflict", err)
		}
	}},
	{"delete what was seen", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		for _, wrong := range []world.Precondition{{UID: "other"}, {ResourceVersion: "1"}} {
			if err := s.w.Delete(s.ctx, world.Delete{Ref: object.RefOf(u), If: wrong}); !apierrors.IsConflict(err) {
				s.Errorf("%+v: got %v, want a conflict", wrong, err)
			}
		}
		seen := world.Precondition{UID: u.GetUID(), ResourceVersion: u.GetResourceVersion()}
		s.must(s.w.Delete(s.ctx, world.Delete{Ref: object.RefOf(u), If: seen}))
		s.isGone(u)
	}},
	{"a patch that carries a resource version", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		patch := `{"metadata":{"resourceVersion":"` + u.GetResourceVersion() + `"},"data":{"k":"w"}}`
		s.patch(u, mergePatch, patch)
		if _, err := s.w.Patch(s.ctx, patchOf(u, mergePatch, patch)); !apierrors.IsConflict(err) {
			s.Errorf("again: got %v, want a conflict", err)
		}
	}},
}

var patchCases = []testcase{
	{"merge patch", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v, l: w}"))
		u = s.patch(u, mergePatch, `{"data":{"k":null,"m":"x"},"metadata":{"labels":{"a":"b"}}}`)
		s.is(u, "data", "{l: w, m: x}")
		s.is(s.get(u), "metadata.labels", "{a: b}")
	}},
	{"json patch", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		u = s.patch(u, jsonPatch, `[{"op":"test","path":"/data/k","value":"v"},{"op":"add","path":"/data/l","value":"w"},{"op":"remove","path":"/data/k"}]`)
		s.is(u, "data", "{l: w}")
		_, err := s.w.Patch(s.ctx, patchOf(u, jsonPatch, `[{"op":"test","path":"/data/l","value":"no"}]`))
		if code := apierrors.ReasonForError(err); err == nil || apierrors.IsConflict(err) {
			s.Errorf("a test that fails: got %v (%s)", err, code)
		}
	}},
	{"strategic merge patch", func(s *suite) {
		u := s.apply("a", deployment("replicas: 1"))
		u = s.patch(u, strategicPatch, `{"spec":{"template":{"spec":{"containers":[{"name":"d","image":"j"}]}}}}`)
		containers, _, err := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
		s.must(err)
		if len(containers) != 2 {
			s.Errorf("got %d containers, want 2", len(containers))
		}
		u = s.patch(u, strategicPatch, `{"spec":{"template":{"spec":{"containers":[{"name":"d","$patch":"delete"}]}}}}`)
		if containers, _, _ = unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers"); len(containers) != 1 {
			s.Errorf("got %d containers, want 1", len(containers))
		}
	}},
	{"apply patch", func(s *suite) {
		u := s.parse(configMap("a", "data: {k: v}"))
		u = s.patch(u, types.ApplyPatchType, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}`)
		s.owns(u, `patcher Apply {"f:data":{"f:k":{}}}`)
	}},
	{"of nothing", func(s *suite) {
		u := s.parse(configMap("none", ""))
		if _, err := s.w.Patch(s.ctx, patchOf(u, mergePatch, `{"data":{"k":"v"}}`)); !apierrors.IsNotFound(err) {
			s.Errorf("got %v, want not found", err)
		}
	}},
	{"that changes nothing", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		if again := s.patch(u, mergePatch, `{"data":{"k":"v"}}`); again.GetResourceVersion() != u.GetResourceVersion() {
			s.Error("the resource version changed")
		}
	}},
	{"that is no patch", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		for t, data := range map[types.PatchType]string{mergePatch: `{`, jsonPatch: `{}`, strategicPatch: `[`} {
			if _, err := s.w.Patch(s.ctx, patchOf(u, t, data)); !apierrors.IsBadRequest(err) {
				s.Errorf("%s: got %v, want bad request", t, err)
			}
		}
	}},
}

var statusCases = []testcase{
	{"is not written with the object", func(s *suite) {
		ingress := func(class, more string) string { // whose status no controller of Kubernetes writes
			return "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n" +
				"spec: {ingressClassName: " + class + ", defaultBackend: {service: {name: web, port: {number: 80}}}}\n" + more
		}
		const path, want = "status.loadBalancer", "{ingress: [{hostname: a.example.com}]}"
		u := s.apply("a", ingress("one", ""))
		s.patchStatus(u, `{"status":{"loadBalancer":{"ingress":[{"hostname":"a.example.com"}]}}}`)
		s.is(s.get(u), path, want)
		u = s.apply("a", ingress("two", "status: {loadBalancer: {ingress: [{hostname: b.example.com}]}}\n"))
		s.is(u, path, want)
		u = s.patch(u, mergePatch, `{"status":{"loadBalancer":{"ingress":[{"hostname":"b.example.com"}]}}}`)
		s.is(u, path, want)
	}},
	{"writes nothing else", func(s *suite) {
		u := s.apply("a", deployment("replicas: 1"))
		after := s.patchStatus(u, `{"status":{"replicas":3},"spec":{"replicas":7}}`)
		s.is(after, "spec.replicas", "1")
		s.is(after, "metadata.generation", "1")
		if after.GetResourceVersion() == u.GetResourceVersion() {
			s.Error("the resource version stayed")
		}
		s.owned(after, "controller", `{"f:status":{"f:replicas":{}}}`)
	}},
	{"of a kind without one", func(s *suite) {
		u := s.apply("a", configMap("a", ""))
		p := patchOf(u, mergePatch, `{"status":{}}`)
		p.Subresource = "status"
		if _, err := s.w.Patch(s.ctx, p); err == nil {
			s.Error("got no error")
		}
	}},
	{"of nothing", func(s *suite) {
		u := s.parse(deployment("replicas: 1"))
		p := patchOf(u, mergePatch, `{"status":{"replicas":3}}`)
		p.Subresource = "status"
		if _, err := s.w.Patch(s.ctx, p); !apierrors.IsNotFound(err) {
			s.Errorf("got %v, want not found", err)
		}
	}},
}
