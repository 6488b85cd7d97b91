package drift

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/secret"
)

const live = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: apps
  managedFields:
  - {manager: kubectl-edit, operation: Update, time: "2025-01-01T10:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}
spec: {replicas: 5}
`

func deployment(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(live), &u.Object); err != nil {
		t.Fatal(err)
	}
	return &u
}

func ref(kind, name string) object.Ref {
	return object.Ref{Key: object.Key{Kind: kind, Namespace: "apps", Name: name}, Version: "v1"}
}

func sample(t *testing.T) Report {
	t.Helper()
	changed, _ := Of(plan.Step{Op: plan.Update, Ref: ref("Deployment", "web"), Fields: []plan.FieldChange{
		{Path: "/spec/replicas", Before: "5", After: "3"}, {Path: "/spec/paused", After: "true"},
	}}, deployment(t))
	missing, _ := Of(plan.Step{Op: plan.Create, Ref: ref("ConfigMap", "gone")}, nil)
	if _, differs := Of(plan.Step{Op: plan.TakeOver, Ref: ref("ConfigMap", "same")}, nil); differs {
		t.Error("who owns a field is no drift")
	}
	kind := func(name string) object.Key {
		return object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: name}
	}
	return Make([]Unit{
		{Key: kind("infra"), Compared: 7},
		{Key: kind("broken"), Error: "kustomize build failed"},
		{Key: kind("apps"), Revision: "main@sha1:0123456789abcdef", Compared: 9, Suspended: true, Objects: []Object{changed, missing, {Ref: ref("Service", "old"), State: Extra}}},
	})
}

func TestText(t *testing.T) {
	now := time.Date(2025, 1, 1, 13, 0, 0, 0, time.UTC)
	want := `Kustomization/flux-system/apps  main@sha1:01234567  3 of 9 objects differ  suspended: nothing puts them right
  ~ Deployment/apps/web
      /spec/replicas: 5, Git wants 3  by kubectl-edit, 3h ago
      /spec/paused: nothing, Git wants true
  - ConfigMap/apps/gone  is wanted and does not exist
  + Service/apps/old  is not wanted any more, and still there
Kustomization/flux-system/broken  could not be compared: kustomize build failed

3 of 16 objects differ from Git, in 1 of 3 units
1 units could not be compared
`
	if got := sample(t).Text(now); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := Make([]Unit{{Compared: 7}}).Text(now); got != "7 objects of 1 units are as Git wants them\n" {
		t.Errorf("without drift: got %q", got)
	}
}

func TestJSON(t *testing.T) {
	data, err := sample(t).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"version": "leat.dev/drift/v1"`, `"drift": true`, `"live": 5`, `"git": 3`, `"live": null`, `"manager": "kubectl-edit"`,
		`"since": "2025-01-01T10:00:00Z"`, `"state": "missing"`, `"error": "kustomize build failed"`, `"objects": []`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
}

func TestHide(t *testing.T) {
	mask := plan.NewMask(secret.Key("0123456789abcdef0123456789abcdef"))
	o := Object{Why: "it says correct-horse", Fields: []Field{
		{Path: "/a", Live: `"http://x?t=correct-horse"`, Git: `"http://x?t=other-horse"`}, {Path: "/b", Live: "1", Git: "2"},
	}}
	o.Hide(mask, []string{"correct-horse"})
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); strings.Contains(text, "horse") || o.Fields[0].Live == o.Fields[0].Git || o.Fields[1].Live != "1" {
		t.Errorf("got %s, want no secret, two fingerprints, and the other field as it is", text)
	}
}
