package plan

import (
	"slices"
	"strings"
	"testing"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

func parse(t fataler, text string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return obj
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps, labels: {app: web}, resourceVersion: "1", generation: 1}
spec:
  replicas: 2
  template:
    spec:
      containers: [{name: web, image: "web:1"}, {name: log, image: "log:1"}]
status: {replicas: 2}
`

func TestDrift(t *testing.T) {
	for _, tc := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"status", "status: {replicas: 2}", "status: {replicas: 3}", nil},
		{"other metadata", `generation: 1`, `generation: 2, finalizers: [a]`, nil},
		{"label", "labels: {app: web}", "labels: {app: api, tier: x}",
			[]string{`/metadata/labels/app: "web" → "api"`, `/metadata/labels/tier: ∅ → "x"`}},
		{"annotation", "labels: {app: web}", "labels: {app: web}, annotations: {a/b: c}",
			[]string{`/metadata/annotations/a~1b: ∅ → "c"`}},
		{"number", "replicas: 2\n", "replicas: 3\n", []string{`/spec/replicas: 2 → 3`}},
		{"field goes", "  replicas: 2\n", "", []string{`/spec/replicas: 2 → ∅`}},
		{"list item", "log:1", "log:2", []string{`/spec/template/spec/containers/1/image: "log:1" → "log:2"`}},
		{"list grows", `image: "log:1"}`, `image: "log:1"}, {name: new}`,
			[]string{`/spec/template/spec/containers/2: ∅ → {"name":"new"}`}},
		{"no HTML escapes", "web:1", "<web>", []string{`/spec/template/spec/containers/0/image: "web:1" → "<web>"`}},
		{"type", "replicas: 2\n", "replicas: '2'\n", []string{`/spec/replicas: 2 → "2"`}},
	} {
		live := parse(t, deployment)
		predicted := parse(t, strings.Replace(deployment, tc.old, tc.new, 1))
		var got []string
		for _, change := range Drift(live, predicted, Ignore{}, Mask{}) {
			got = append(got, change.String())
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tc.name, got, tc.want)
		}
	}
	if got := Drift(nil, parse(t, deployment), Ignore{}, Mask{}); got != nil {
		t.Errorf("nothing live: got %v", got)
	}
}

func TestDriftCutsLongValues(t *testing.T) {
	live, predicted := newObject("v1", "ConfigMap", "a", "x"), newObject("v1", "ConfigMap", "a", "x")
	live.Object["data"] = map[string]any{"k": strings.Repeat("a", 100_000)}
	predicted.Object["data"] = map[string]any{"k": strings.Repeat("a", 99_999) + "b"}
	got := Drift(live, predicted, Ignore{}, Mask{})
	if len(got) != 1 || len(got[0].Before) > maxValueText+200 || got[0].Before == got[0].After {
		t.Errorf("got %d changes, %d bytes", len(got), len(got[0].Before))
	}
	if _, err := got[0].Before.MarshalJSON(); err != nil || !strings.Contains(string(got[0].Before), "100002 bytes, sha256:") {
		t.Errorf("got …%s, %v", got[0].Before[maxValueText:], err)
	}
}

// drawValue draws a value as JSON decodes it into unstructured objects.
func drawValue(depth int) *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any](int64(1)), rapid.Just[any](1.5),
		rapid.Just[any]("x"), rapid.Just[any]("y"), rapid.Just[any](map[string]any{}), rapid.Just[any]([]any{}),
	)
	if depth == 0 {
		return scalar
	}
	return rapid.OneOf(scalar,
		rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c/d"}), drawValue(depth-1), 0, 3), func(m map[string]any) any { return m }),
		rapid.Map(rapid.SliceOfN(drawValue(depth-1), 0, 3), func(l []any) any { return l }),
	)
}

func drawContent(t *rapid.T, label string) *unstructured.Unstructured {
	obj := newObject("v1", "Thing", "a", "x")
	obj.Object["spec"] = drawValue(3).Draw(t, label+" spec")
	obj.Object["status"] = drawValue(1).Draw(t, label+" status")
	obj.SetLabels(rapid.MapOf(rapid.SampledFrom([]string{"k", "l"}), rapid.SampledFrom([]string{"v", ""})).Draw(t, label+" labels"))
	return obj
}

// TestDriftProperties: there are changes exactly when upstream's comparison
// (everything but metadata and status, plus labels and annotations) finds a
// difference, they name what they say, and nothing is changed by looking.
func TestDriftProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live, predicted := drawContent(t, "live"), drawContent(t, "predicted")
		before := live.DeepCopy()
		got := Drift(live, predicted, Ignore{}, Mask{})
		if !apiequality.Semantic.DeepEqual(before, live) {
			t.Fatal("looking changed the object")
		}
		same := apiequality.Semantic.DeepEqual(content(live), content(predicted)) &&
			apiequality.Semantic.DeepEqual(live.GetLabels(), predicted.GetLabels())
		if same != (len(got) == 0) {
			t.Fatalf("got %v, want a difference: %v", got, !same)
		}
		for _, change := range got {
			path, err := ParsePointer(change.Path)
			if err != nil || Pointer(path...) != change.Path {
				t.Fatalf("path %q: %v", change.Path, err)
			}
			if valueAt(live.Object, path) != change.Before || valueAt(predicted.Object, path) != change.After {
				t.Fatalf("%s is not what the objects say", change)
			}
		}
		if again := Drift(predicted, predicted, Ignore{}, Mask{}); len(again) != 0 {
			t.Fatalf("an object differs from itself: %v", again)
		}
	})
}

func content(obj *unstructured.Unstructured) map[string]any {
	c := obj.DeepCopy().Object
	delete(c, "metadata")
	delete(c, "status")
	return c
}
