package worldtest

import (
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

const things = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - name: v1beta1
    served: true
    storage: false
    subresources: {status: {}}
    schema: &s
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, minimum: 1}
              mode: {type: string, default: fast, enum: [fast, slow]}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              list: {type: array, items: {type: string}}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [port, protocol]
                items:
                  type: object
                  required: [port]
                  properties: {port: {type: integer}, protocol: {type: string, default: TCP}, name: {type: string}}
          status:
            type: object
            properties: {ready: {type: boolean}, observedGeneration: {type: integer, default: -1}}
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: *s
`

// define installs the definition of things in a group of the case's own, and
// waits until they are served.
func (s *suite) define() (definition *unstructured.Unstructured, group string) {
	s.Helper()
	group = s.ns + ".dev"
	definition = s.apply("installer", strings.ReplaceAll(things, "GROUP", group))
	s.discard(definition)
	s.caps.Await(s.T, "things are served", func() bool {
		_, err := s.w.Kind(s.ctx, schema.GroupVersionKind{Group: group, Version: "v1", Kind: "Thing"})
		if err != nil {
			return false
		}
		_, err = s.w.Predict(s.ctx, applyOf(s, thing(group, "v1", "probe", "{}")))
		return err == nil
	})
	return definition, group
}

func thing(group, version, name, spec string) string {
	return "{apiVersion: " + group + "/" + version + ", kind: Thing, metadata: {name: " + name + ", namespace: NS}, spec: " + spec + "}"
}

var definitionCases = []testcase{
	{"makes a kind", func(s *suite) {
		gvk := schema.GroupVersionKind{Group: s.ns + ".dev", Version: "v1", Kind: "Thing"}
		if _, err := s.w.Kind(s.ctx, gvk); !meta.IsNoMatchError(err) {
			s.Errorf("before: got %v, want no match", err)
		}
		definition, group := s.define()
		m, err := s.w.Kind(s.ctx, schema.GroupVersionKind{Group: group, Kind: "Thing"})
		if err != nil || m.GVK != gvk || m.Resource != "things" || !m.Namespaced {
			s.Errorf("got %+v, %v", m, err)
		}
		s.caps.Await(s.T, "the definition is established", func() bool { return established(s.get(definition)) })
	}},
	{"defaults and prunes", func(s *suite) {
		_, group := s.define()
		u := s.apply("a", thing(group, "v1", "a", "{size: 1, ports: [{port: 80}], free: {x: 1}}"))
		s.is(u, "spec", "{size: 1, mode: fast, ports: [{port: 80, protocol: TCP}], free: {x: 1}}")
		s.owns(u, `a Apply {"f:spec":{"f:free":{"f:x":{}},"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}},"f:size":{}}}`)
		u = s.create(thing(group, "v1", "b", "{size: 1, unknown: x}"))
		s.is(u, "spec", "{size: 1, mode: fast}")
		u = s.patch(u, mergePatch, `{"spec":{"unknown":"x","mode":null}}`)
		s.is(u, "spec", "{size: 1, mode: fast}")
		s.is(u, "metadata.generation", "1")
	}},
	{"refuses fields that the schema lacks in an apply", func(s *suite) {
		_, group := s.define()
		_, err := s.try("a", thing(group, "v1", "a", "{unknown: x}"), false)
		if err == nil || !strings.Contains(err.Error(), ".spec.unknown: field not declared in schema") {
			s.Errorf("got %v, want the field named", err)
		}
	}},
	{"validates", func(s *suite) {
		_, group := s.define()
		for _, spec := range []string{"{size: 0}", "{mode: odd}", "{ports: [{name: x}]}"} {
			if _, err := s.w.Create(s.ctx, s.parse(thing(group, "v1", "a", spec)), "a"); !apierrors.IsInvalid(err) {
				s.Errorf("%s: got %v, want invalid", spec, err)
			}
		}
	}},
	{"has versions that are one object", func(s *suite) {
		_, group := s.define()
		u := s.apply("a", thing(group, "v1beta1", "a", "{size: 1}"))
		s.is(u, "apiVersion", group+"/v1beta1")
		ref := object.RefOf(u)
		ref.Version = "v1"
		newer, err := s.w.Get(s.ctx, ref)
		s.must(err)
		s.is(newer, "apiVersion", group+"/v1")
		if newer.GetUID() != u.GetUID() {
			s.Error("two versions have two uids")
		}
		s.conflicts("b", thing(group, "v1", "a", "{size: 2}"), `conflict with "a": .spec.size`)
		u = s.apply("a", thing(group, "v1", "a", "{size: 3}"))
		s.owns(u, `a Apply {"f:spec":{"f:size":{}}}`)
		list, err := s.w.List(s.ctx, schema.GroupVersionKind{Group: group, Version: "v1beta1", Kind: "Thing"}, inNamespace(s))
		s.must(err)
		if len(list) != 1 || list[0].GetAPIVersion() != group+"/v1beta1" {
			s.Errorf("got %v, want one object in v1beta1", list)
		}
	}},
	{"gives a status", func(s *suite) {
		_, group := s.define()
		u := s.create(strings.TrimSuffix(thing(group, "v1", "a", "{size: 1}"), "}") + ", status: {ready: true}}")
		s.is(u, "status", "null")
		u = s.patchStatus(u, `{"status":{"ready":true},"spec":{"size":5}}`)
		s.is(u, "status", "{ready: true, observedGeneration: -1}")
		s.is(u, "spec.size", "1")
		s.is(u, "metadata.generation", "1")
		u = s.patch(u, mergePatch, `{"status":{"ready":false},"spec":{"size":6}}`)
		s.is(u, "status.ready", "true")
		s.is(u, "metadata.generation", "2")
	}},
	{"knows sets and atomic lists", func(s *suite) {
		_, group := s.define()
		s.apply("a", thing(group, "v1", "a", "{tags: [x], list: [x]}"))
		u := s.apply("b", thing(group, "v1", "a", "{tags: [z]}"))
		s.is(u, "spec.tags", "[x, z]")
		s.conflicts("b", thing(group, "v1", "a", "{tags: [z], list: [z]}"), `conflict with "a": .spec.list`)
	}},
	{"takes its objects along", func(s *suite) {
		definition, group := s.define()
		u := s.apply("a", thing(group, "v1", "a", "{size: 1}"))
		s.delete(definition)
		s.isGone(definition)
		s.caps.Await(s.T, "the kind is gone", func() bool {
			_, err := s.w.Get(s.ctx, object.RefOf(u))
			return meta.IsNoMatchError(err)
		})
		_, group = s.define()
		if s.exists(s.parse(thing(group, "v1", "a", "{}"))) {
			s.Error("objects came back with the definition")
		}
	}},
}

func established(u *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if c := c.(map[string]any); c["type"] == "Established" && c["status"] == "True" {
			return true
		}
	}
	return false
}
