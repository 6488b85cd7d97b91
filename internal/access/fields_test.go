package access

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/plan"
)

var half = Window{began, began.Add(30 * time.Minute)}

// lived is an object with an entry of a manager five minutes into the grant.
func lived(t *testing.T, manager, subresource, fields, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	at := metav1.NewTime(began.Add(5 * time.Minute))
	when := &at
	if subresource == "scale" {
		when = nil // the API server notes none
	}
	u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: manager, Operation: "Update", Subresource: subresource, Time: when, FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)}}})
	return u
}

const web = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {tier: front}
  annotations: {deployment.kubernetes.io/revision: "3", note: x, kubectl.kubernetes.io/last-applied-configuration: "{}"}
  ownerReferences: [{name: a}]
spec:
  replicas: 3
  template:
    spec:
      containers:
        - {name: side, image: side:1}
        - name: web
          image: web:2
          args: [a, b]
          ports: [{containerPort: 80, protocol: TCP, name: http}]
      tolerations: [{key: a}]
status: {replicas: 3}`

func TestFields(t *testing.T) {
	const inContainer = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":%s}}}}}`
	for _, c := range []struct {
		name, manager, sub, fields, object string
		want                               []string
	}{
		{"scale", "kubectl", "scale", `{"f:spec":{"f:replicas":{}}}`, web, []string{"/spec/replicas 3"}},
		{"an image", "kubectl-set", "", fmt.Sprintf(inContainer, `{".":{},"f:image":{}}`), web, []string{`/spec/template/spec/containers/[name=web]/image "web:2"`}},
		{"a list", "kubectl-edit", "", fmt.Sprintf(inContainer, `{"f:args":{}}`), web, []string{`/spec/template/spec/containers/[name=web]/args ["a","b"]`}},
		{"an item of two keys", "kubectl-edit", "", fmt.Sprintf(inContainer, `{"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{"f:name":{}}}}`), web,
			[]string{`/spec/template/spec/containers/[name=web]/ports/[containerPort=80,protocol=TCP]/name "http"`}},
		{"what is gone", "kubectl-edit", "", `{"f:spec":{"f:paused":{}}}`, web, nil},
		{"metadata", "kubectl-edit", "", `{"f:metadata":{"f:labels":{"f:tier":{}},"f:annotations":{".":{},"f:note":{},"f:deployment.kubernetes.io/revision":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}},"f:ownerReferences":{}}}`, web,
			[]string{`/metadata/annotations/note "x"`, `/metadata/labels/tier "front"`}},
		{"a status", "kubectl-edit", "", `{"f:status":{"f:replicas":{}}}`, web, nil},
		{"through the status", "kubectl-edit", "status", `{"f:spec":{"f:replicas":{}}}`, web, nil},
		{"the engine", "kustomize-controller", "", `{"f:spec":{"f:replicas":{}}}`, web, nil},
		{"a Secret", "kubectl-edit", "", `{"f:data":{"f:password":{}}}`, "apiVersion: v1\nkind: Secret\ndata: {password: aHVudGVyMg==}", []string{"/data/password hidden: it is a secret, or repeats one"}},
		{"a secret elsewhere", "kubectl-edit", "", `{"f:data":{"f:url":{}}}`, "apiVersion: v1\nkind: ConfigMap\ndata: {url: 'http://hunter2@x'}", []string{"/data/url hidden: it is a secret, or repeats one"}},
		{"a long value", "kubectl-edit", "", `{"f:data":{"f:long":{}}}`, "apiVersion: v1\nkind: ConfigMap\ndata: {long: " + strings.Repeat("x", 2000) + "}", []string{"/data/long hidden: it has 2002 bytes, more than 1024"}},
		{"a suspended unit", "flux", "", `{"f:spec":{"f:suspend":{},"f:interval":{}}}`, "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {suspend: true, interval: 1h}", []string{`/spec/interval "1h"`}},
		{"broken fields", "kubectl-edit", "", `{"k:x":{}}`, web, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, more := Fields(lived(t, c.manager, c.sub, c.fields, c.object), half, plan.Mask{}.Knowing("hunter2"))
			var got []string
			for _, f := range found {
				text := f.Path + " " + f.Value
				if f.Hidden != "" {
					text += "hidden: " + f.Hidden
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(got, c.want); diff != "" || more != 0 {
				t.Errorf("%d more, fields (-got +want):\n%s", more, diff)
			}
		})
	}
}

func TestFieldsAreBounded(t *testing.T) {
	data, fields := map[string]any{}, []string{}
	for i := range MaxFields + 5 {
		name := fmt.Sprintf("k%03d", i)
		data[name] = strings.Repeat("v", 900)
		fields = append(fields, fmt.Sprintf(`"f:%s":{}`, name))
	}
	u := lived(t, "kubectl-edit", "", `{"f:data":{`+strings.Join(fields, ",")+`}}`, "apiVersion: v1\nkind: ConfigMap")
	u.Object["data"] = data
	found, more := Fields(u, half, plan.Mask{})
	if len(found) != MaxFields || more != 5 {
		t.Errorf("got %d fields and %d more", len(found), more)
	}
	writes := make([]Write, MaxWrites)
	for i := range writes {
		writes[i].Fields, writes[i].MoreFields = found, more
	}
	Fit(writes)
	size, all := 0, 0
	for _, w := range writes {
		all += len(w.Fields) + w.MoreFields
		for _, f := range w.Fields {
			size += len(f.Path) + len(f.Value)
		}
	}
	if size > maxFieldBytes || size < maxFieldBytes/2 || all != MaxWrites*(MaxFields+5) {
		t.Errorf("got %d bytes, %d fields in all", size, all)
	}
}

func TestLocate(t *testing.T) {
	obj := lived(t, "", "", `{}`, web).Object
	for path, want := range map[string]string{
		"/spec/replicas": "/spec/replicas = 3",
		"/spec/template/spec/containers/[name=web]/image":                                      "/spec/template/spec/containers/1/image = web:2",
		"/spec/template/spec/containers/0/image":                                               "/spec/template/spec/containers/0/image = side:1",
		"/spec/template/spec/containers/[name=web]/ports/[containerPort=80,protocol=TCP]/name": "/spec/template/spec/containers/1/ports/0/name = http",
		"/spec/template/spec/containers/[name=web]/ports/[containerPort=81,protocol=TCP]/name": "",
		"/spec/template/spec/containers/[name=web]/args/[=b]":                                  "/spec/template/spec/containers/1/args/1 = b",
		"/spec/template/spec/containers/[name=other]/image":                                    "",
		"/metadata/annotations/deployment.kubernetes.io~1revision":                             "/metadata/annotations/deployment.kubernetes.io~1revision = 3",
		"/spec/template/spec/containers/[":                                                     "", "/spec/template/spec/containers/[]": "",
		"/spec/nothing": "", "spec": "", "": "",
	} {
		got := ""
		if at, v, found := Locate(obj, path); found {
			got = fmt.Sprintf("%s = %v", at, v)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
