package worldtest

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	mergePatch     = types.MergePatchType
	jsonPatch      = types.JSONPatchType
	strategicPatch = types.StrategicMergePatchType
)

func service(ports string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: ClusterIP, clusterIP: None, selector: {app: web}, ports: " + ports + "}"
}

var ownershipCases = []testcase{
	{"a conflict names manager and field", func(s *suite) {
		s.apply("a", configMap("a", "data: {k: v, l: w}"))
		s.conflicts("b", configMap("a", "data: {k: x, l: w}"), `conflict with "a": .data.k`)
		s.is(s.get(s.parse(configMap("a", ""))), "data.k", "v")
	}},
	{"force takes over", func(s *suite) {
		s.apply("a", configMap("a", "data: {k: v, l: w}"))
		u := s.force("b", configMap("a", "data: {k: x}"))
		s.is(u, "data", "{k: x, l: w}")
		s.owns(u, `a Apply {"f:data":{"f:l":{}}}`, `b Apply {"f:data":{"f:k":{}}}`)
	}},
	{"equal values are owned together", func(s *suite) {
		s.apply("a", configMap("a", "data: {k: v}"))
		u := s.apply("b", configMap("a", "data: {k: v}"))
		s.owns(u, `a Apply {"f:data":{"f:k":{}}}`, `b Apply {"f:data":{"f:k":{}}}`)
		u = s.apply("a", configMap("a", ""))
		s.is(u, "data", "{k: v}")
		s.owns(u, `b Apply {"f:data":{"f:k":{}}}`)
		s.is(s.apply("b", configMap("a", "")), "data", "null")
	}},
	{"a conflict with an update", func(s *suite) {
		u := s.apply("a", configMap("a", "data: {k: v}"))
		u = s.patch(u, mergePatch, `{"data":{"k":"x","m":"z"}}`)
		s.owns(u, `patcher Update {"f:data":{"f:k":{},"f:m":{}}}`)
		s.conflicts("a", configMap("a", "data: {k: v}"), `conflict with "patcher" using v1: .data.k`)
		u = s.force("a", configMap("a", "data: {k: v}"))
		s.is(u, "data", "{k: v, m: z}")
	}},
	{"labels and annotations", func(s *suite) {
		s.apply("a", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {w: '2', x: '1'}, annotations: {n: '3'}}}")
		s.apply("b", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {z: '4'}}}")
		u := s.apply("a", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: '1'}}}")
		s.is(u, "metadata.labels", "{x: '1', z: '4'}")
		s.is(u, "metadata.annotations", "null")
		s.owns(u, `a Apply {"f:metadata":{"f:labels":{"f:x":{}}}}`, `b Apply {"f:metadata":{"f:labels":{"f:z":{}}}}`)
	}},
	{"items of a list map are merged by key", func(s *suite) {
		s.apply("a", service("[{name: http, port: 80}]"))
		u := s.apply("b", service("[{name: https, port: 443}]"))
		if got := portNames(s, u.Object); got != "http https" {
			s.Errorf("ports: got %s, want http https", got)
		}
		u = s.apply("a", service("[]"))
		if got := portNames(s, u.Object); got != "https" {
			s.Errorf("ports: got %s, want https", got)
		}
	}},
	{"keys of a list map have defaults", func(s *suite) {
		u := s.apply("a", service("[{name: dns, port: 53}]"))
		for _, e := range u.GetManagedFields() {
			if !strings.Contains(string(e.FieldsV1.Raw), `"k:{\"port\":53,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}}`) {
				s.Errorf("got %s, want the key to hold protocol TCP and no field for it", e.FieldsV1.Raw)
			}
		}
		u = s.apply("b", service("[{name: dns-udp, port: 53, protocol: UDP}]"))
		if got := portNames(s, u.Object); got != "dns dns-udp" {
			s.Errorf("ports: got %s, want dns dns-udp", got)
		}
	}},
	{"a list that is atomic has one owner", func(s *suite) {
		role := "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}, rules: [{apiGroups: [''], resources: [pods], verbs: [%]}]}"
		u := s.apply("a", strings.ReplaceAll(role, "%", "get"))
		s.owns(u, `a Apply {"f:rules":{}}`)
		s.conflicts("b", strings.ReplaceAll(role, "%", "list"), `conflict with "a": .rules`)
		s.owns(s.force("b", strings.ReplaceAll(role, "%", "list")), `b Apply {"f:rules":{}}`)
	}},
	{"items of a set are owned one by one", func(s *suite) {
		s.apply("a", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [x.dev/a]}}")
		u := s.apply("b", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, finalizers: [x.dev/b]}}")
		s.is(u, "metadata.finalizers", "[x.dev/a, x.dev/b]")
		u = s.apply("a", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
		s.is(u, "metadata.finalizers", "[x.dev/b]")
		s.is(s.apply("b", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"), "metadata.finalizers", "null")
	}},
	{"a map that is atomic has one owner", func(s *suite) {
		s.apply("a", service("[{port: 80}]"))
		s.conflicts("b", strings.ReplaceAll(service("[{port: 80}]"), "{app: web}", "{app: web, x: z}"), `conflict with "a": .spec.selector`)
	}},
	{"nested fields of containers", func(s *suite) {
		s.apply("a", deployment("template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i, env: [{name: A, value: '1'}]}]}}"))
		u := s.apply("b", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: c, env: [{name: B, value: '2'}]}]}}}}")
		s.owned(u, "b", `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:env":{"k:{\"name\":\"B\"}":{".":{},"f:name":{},"f:value":{}}},"f:name":{}}}}}}}`)
		s.conflicts("b", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: c, image: other}]}}}}",
			`conflict with "a": .spec.template.spec.containers[name="c"].image`)
	}},
	{"null is a value without content", func(s *suite) {
		u := s.apply("a", configMap("a", "data: null"))
		s.is(u, "data", "null")
		s.owns(u, `a Apply {"f:data":{}}`)
	}},
	{"takeover by a patch of managedFields", func(s *suite) {
		u := s.create(configMap("a", "data: {k: v}"))
		s.owns(u, `creator Update {"f:data":{".":{},"f:k":{}}}`)
		entries := u.GetManagedFields()
		entries[0].Manager, entries[0].Operation = "a", metav1.ManagedFieldsOperationApply
		value, err := json.Marshal(entries)
		s.must(err)
		patch := `[{"op":"replace","path":"/metadata/managedFields","value":` + string(value) + `},` +
			`{"op":"replace","path":"/metadata/resourceVersion","value":"` + u.GetResourceVersion() + `"}]`
		u = s.patch(u, jsonPatch, patch)
		s.owns(u, `a Apply {"f:data":{".":{},"f:k":{}}}`)
		s.is(s.apply("a", configMap("a", "data: {l: w}")), "data", "{l: w}")
		if _, err := s.w.Patch(s.ctx, patchOf(u, jsonPatch, patch)); !apierrors.IsConflict(err) {
			s.Errorf("the same patch again: got %v, want a conflict", err)
		}
	}},
	{"owners can be reset", func(s *suite) {
		u := s.create(configMap("a", "data: {k: v}"))
		u = s.patch(u, mergePatch, `{"metadata":{"managedFields":[{}]}}`)
		s.owns(u)
	}},
	{"a first apply takes fields of an update over with force", func(s *suite) {
		s.create(configMap("a", "data: {k: v}"))
		u := s.force("a", configMap("a", "data: {k: v, l: w}"))
		s.owns(u, `a Apply {"f:data":{"f:k":{},"f:l":{}}}`, `creator Update {"f:data":{".":{},"f:k":{}}}`)
	}},
}

// conflicts applies and expects the causes of a conflict.
func (s *suite) conflicts(manager, text string, want ...string) {
	s.Helper()
	_, err := s.try(manager, text, false)
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) {
		s.Errorf("got %v, want a conflict", err)
		return
	}
	var got []string
	for _, c := range status.Status().Details.Causes {
		if c.Type != metav1.CauseTypeFieldManagerConflict {
			s.Errorf("cause: got type %s", c.Type)
		}
		got = append(got, c.Message+": "+c.Field)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.Errorf("causes: got %q, want %q", got, want)
	}
}

// owned compares the fields of one manager.
func (s *suite) owned(u interface {
	GetManagedFields() []metav1.ManagedFieldsEntry
}, manager, want string) {
	s.Helper()
	for _, e := range u.GetManagedFields() {
		if e.Manager == manager && string(e.FieldsV1.Raw) != want {
			s.Errorf("fields of %s: got %s, want %s", manager, e.FieldsV1.Raw, want)
		}
	}
}

func portNames(s *suite, o map[string]any) string {
	s.Helper()
	ports, _ := o["spec"].(map[string]any)["ports"].([]any)
	var names []string
	for _, p := range ports {
		names = append(names, p.(map[string]any)["name"].(string))
	}
	return strings.Join(names, " ")
}

func equalJSON(s *suite, a, b any) bool {
	s.Helper()
	var values [2]any
	for i, v := range []any{a, b} {
		data, err := json.Marshal(v)
		s.must(err)
		s.must(json.Unmarshal(data, &values[i]))
	}
	return reflect.DeepEqual(values[0], values[1])
}
