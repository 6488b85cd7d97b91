package schema_test

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/world/schema"
)

func parse(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = json.Unmarshal(data, &u.Object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps, labels: {app: web}, uid: u}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, ports: [{containerPort: 80}], env: [{name: A, value: b}]}
status: {replicas: 1}
`

func TestFieldSetIsWhatAnApplyOwns(t *testing.T) {
	u := parse(t, deployment)
	kind, err := schema.Builtin().Find(u.GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	m, err := kind.Manager("")
	if err != nil {
		t.Fatal(err)
	}
	live := parse(t, "{apiVersion: apps/v1, kind: Deployment, metadata: {}}")
	applied, err := m.Apply(live, u.DeepCopy(), "me", true)
	if err != nil {
		t.Fatal(err)
	}
	want := applied.(*unstructured.Unstructured).GetManagedFields()[0].FieldsV1.Raw
	got, err := kind.FieldsV1(u)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFindKnowsBuiltinKinds(t *testing.T) {
	for gvk, want := range map[gvks.GroupVersionKind]string{
		{Group: "apps", Kind: "Deployment"}:                                      "v1 deployments true",
		{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:                  "v2 horizontalpodautoscalers true",
		{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}:     "v1 apiservices false",
		{Version: "v1", Kind: "Namespace"}:                                       "v1 namespaces false",
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:        "v1 customresourcedefinitions false",
		{Group: "policy", Version: "v1beta1", Kind: "PodDisruptionBudget"}:       "",
		{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "HelmChart"}: "",
	} {
		k, err := schema.Builtin().Find(gvk)
		if want == "" {
			if !meta.IsNoMatchError(err) {
				t.Errorf("%v: got %v, want no match", gvk, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", gvk, err)
			continue
		}
		got := k.GVK.Version + " " + k.Resource + " " + map[bool]string{true: "true", false: "false"}[k.Namespaced]
		if got != want {
			t.Errorf("%v: got %s, want %s", gvk, got, want)
		}
	}
}

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.x.dev}
spec:
  group: x.dev
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - name: v1beta1
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {old: {type: string}, size: {type: integer}}}}}}
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            x-kubernetes-validations: [{rule: self.size < 10, message: too big}]
            properties:
              size: {type: integer, minimum: 1}
              mode: {type: string, default: fast, enum: [fast, slow]}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [port, protocol]
                items: {type: object, required: [port], properties: {port: {type: integer}, protocol: {type: string, default: TCP}, name: {type: string}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

func TestDefinitionDefaultsPrunesAndValidates(t *testing.T) {
	d, err := schema.Compile(parse(t, definition))
	if err != nil {
		t.Fatal(err)
	}
	kind, err := schema.Builtin().With(d).Find(gvks.GroupVersionKind{Group: "x.dev", Kind: "Thing"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"v1", "v1beta1"}; kind.GVK.Version != "v1" || !slices.Equal(kind.Versions, want) {
		t.Errorf("versions: got %s of %v, want v1 of %v", kind.GVK.Version, kind.Versions, want)
	}
	u := parse(t, "{apiVersion: x.dev/v1, kind: Thing, metadata: {name: a, bogus: 1}, spec: {size: 3, bogus: 1, ports: [{port: 1}]}}")
	if err := kind.Decode(u); err != nil {
		t.Fatal(err)
	}
	want := parse(t, "{apiVersion: x.dev/v1, kind: Thing, metadata: {name: a}, spec: {size: 3, mode: fast, ports: [{port: 1, protocol: TCP}]}}")
	got, _ := yaml.Marshal(u)
	if w, _ := yaml.Marshal(want); string(got) != string(w) {
		t.Errorf("got\n%s\nwant\n%s", got, w)
	}
	if errs := kind.Validate(t.Context(), u, nil); len(errs) != 0 {
		t.Errorf("got %v, want none", errs)
	}
	for _, bad := range []string{"{mode: fast}", "{size: 0}", "{size: 12}", "{size: 1, mode: no}", "{size: 1, ports: [{port: 1, protocol: TCP}, {port: 1, protocol: TCP}]}"} {
		u := parse(t, "{apiVersion: x.dev/v1, kind: Thing, metadata: {name: a}, spec: "+bad+"}")
		if errs := kind.Validate(t.Context(), u, nil); len(errs) == 0 {
			t.Errorf("%s: got no errors", bad)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	u := parse(b, definition)
	schema.Builtin()
	for b.Loop() {
		if _, err := schema.Compile(u); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFieldSet(b *testing.B) {
	u := parse(b, deployment)
	kind, _ := schema.Builtin().Find(u.GroupVersionKind())
	for b.Loop() {
		if _, err := kind.FieldsV1(u); err != nil {
			b.Fatal(err)
		}
	}
}

func TestImmutable(t *testing.T) {
	object := func(apiVersion, kind, selector string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "spec": map[string]any{"selector": selector}}}
	}
	got := schema.Immutable(object("apps/v1", "Deployment", "a"), object("apps/v1", "Deployment", "b"))
	if len(got) != 1 || !slices.Equal(got[0], []string{"spec", "selector"}) {
		t.Errorf("got %v", got)
	}
	if got := schema.Immutable(object("apps/v1", "Deployment", "a"), object("apps/v1", "Deployment", "a")); got != nil {
		t.Errorf("nothing differs: got %v", got)
	}
	if got := schema.Immutable(object("example.com/v1", "Deployment", "a"), object("example.com/v1", "Deployment", "b")); got != nil {
		t.Errorf("a custom kind: got %v", got)
	}
}
