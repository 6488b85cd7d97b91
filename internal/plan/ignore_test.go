package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/leat-dev/leat/internal/object"
)

func compileIgnore(t fataler, rules ...IgnoreRule) Ignore {
	t.Helper()
	compiled, err := CompileIgnore(rules)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestIgnoreSelects(t *testing.T) {
	obj := parse(t, deployment)
	obj.SetAnnotations(map[string]string{"team": "a"})
	for _, tc := range []struct {
		name   string
		target *Selector
		want   bool
	}{
		{"no target", nil, true},
		{"empty target", &Selector{}, true},
		{"kind", &Selector{Kind: "Deployment"}, true},
		{"kind is matched whole", &Selector{Kind: "Deploy"}, false},
		{"kind by expression", &Selector{Kind: "Deploy.*|StatefulSet"}, true},
		{"group and version", &Selector{Group: "apps", Version: "v1"}, true},
		{"other version", &Selector{Group: "apps", Version: "v1beta1"}, false},
		{"name and namespace", &Selector{Name: "w.b", Namespace: "apps"}, true},
		{"other namespace", &Selector{Name: "web", Namespace: "app"}, false},
		{"labels", &Selector{LabelSelector: "app in (web,api)"}, true},
		{"other labels", &Selector{LabelSelector: "app!=web"}, false},
		{"annotations", &Selector{AnnotationSelector: "team"}, true},
		{"other annotations", &Selector{AnnotationSelector: "team=b"}, false},
	} {
		rules := compileIgnore(t, IgnoreRule{Paths: []string{"/spec/replicas"}, Target: tc.target})
		if got := rules.Touches(obj); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestIgnoreInvalid(t *testing.T) {
	for _, tc := range []struct {
		rule IgnoreRule
		want string
	}{
		{IgnoreRule{Paths: []string{"spec/replicas"}}, "spec.ignore[0].paths[0]"},
		{IgnoreRule{Target: &Selector{Kind: "("}}, "spec.ignore[0].target: kind"},
		{IgnoreRule{Target: &Selector{Name: "a)|(b"}}, "spec.ignore[0].target: name"},
		{IgnoreRule{Target: &Selector{LabelSelector: "=="}}, "labelSelector"},
		{IgnoreRule{Target: &Selector{AnnotationSelector: "a in"}}, "annotationSelector"},
		{IgnoreRule{Target: &Selector{Name: strings.Repeat("a", maxSelectorText+1)}}, "longer than"},
		{IgnoreRule{Paths: slices.Repeat([]string{"/a"}, maxIgnorePaths+1)}, "more than"},
	} {
		_, err := CompileIgnore([]IgnoreRule{tc.rule})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
}

func TestIgnoreInDrift(t *testing.T) {
	live := parse(t, deployment)
	predicted := parse(t, strings.NewReplacer("replicas: 2\n", "replicas: 5\n", "log:1", "log:2").Replace(deployment))
	rules := compileIgnore(t, IgnoreRule{Paths: []string{"/spec/replicas", "/spec/missing/path"}, Target: &Selector{Kind: "Deployment"}})
	got := Drift(live, predicted, rules, Mask{})
	if len(got) != 1 || got[0].Path != "/spec/template/spec/containers/1/image" {
		t.Errorf("got %v, want the image only", got)
	}
	if n, _, _ := unstructured.NestedInt64(live.Object, "spec", "replicas"); n != 2 {
		t.Error("the live object was changed")
	}
	all := compileIgnore(t, IgnoreRule{Paths: []string{"/spec"}})
	if got := Drift(live, predicted, all, Mask{}); len(got) != 0 {
		t.Errorf("all of spec ignored: got %v", got)
	}
}

// ownedBy is an Apply entry of manager for fields in the notation of FieldsV1.
func ownedBy(manager, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1",
		FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
	}
}

func TestIntent(t *testing.T) {
	const keyed = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"log\"}":{"f:image":{}}}}}}}`
	for _, tc := range []struct {
		name    string
		path    string
		owners  []metav1.ManagedFieldsEntry
		desired string // replaces in the deployment
		with    string
		want    string // the value sent at path, as JSON; "" for none
	}{
		{"the live value, as nobody else applied it", "/spec/replicas", nil, "replicas: 2\n", "replicas: 5\n", "2"},
		{"an update of another does not own", "/spec/replicas",
			[]metav1.ManagedFieldsEntry{{Manager: "hpa", Operation: "Update", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:replicas":{}}}`)}}},
			"replicas: 2\n", "replicas: 5\n", "2"},
		{"our own entry does not count", "/spec/replicas",
			[]metav1.ManagedFieldsEntry{ownedBy(object.ManagerKustomize, `{"f:spec":{"f:replicas":{}}}`)}, "replicas: 2\n", "replicas: 5\n", "2"},
		{"another applied it", "/spec/replicas",
			[]metav1.ManagedFieldsEntry{ownedBy("hpa", `{"f:spec":{"f:replicas":{}}}`)}, "replicas: 2\n", "replicas: 5\n", ""},
		{"another applied something below", "/spec/template",
			[]metav1.ManagedFieldsEntry{ownedBy("x", keyed)}, "log:1", "log:2", ""},
		{"in a list with keys", "/spec/template/spec/containers/1/image",
			[]metav1.ManagedFieldsEntry{ownedBy("x", keyed)}, "log:1", "log:2", ""},
		{"another item of the list", "/spec/template/spec/containers/0/image",
			[]metav1.ManagedFieldsEntry{ownedBy("x", keyed)}, "web:1", "web:2", `"web:1"`},
		{"no difference, so sent as desired", "/spec/replicas",
			[]metav1.ManagedFieldsEntry{ownedBy("hpa", `{"f:spec":{"f:replicas":{}}}`)}, "log:1", "log:2", "2"},
		{"not live: left out", "/spec/paused", nil, "replicas: 2\n", "replicas: 2\n  paused: true\n", ""},
		{"gone from the source: the live value", "/spec/replicas", nil, "  replicas: 2\n", "", "2"},
		{"unreadable entry", "/spec/replicas",
			[]metav1.ManagedFieldsEntry{ownedBy("x", `[]`)}, "replicas: 2\n", "replicas: 5\n", "2"},
	} {
		live := parse(t, deployment)
		live.SetManagedFields(tc.owners)
		desired := parse(t, strings.Replace(deployment, tc.desired, tc.with, 1))
		untouched := desired.DeepCopy()
		rules := compileIgnore(t, IgnoreRule{Paths: []string{tc.path}})
		intent := rules.Intent(desired, live, desired, object.ManagerKustomize)
		path, err := ParsePointer(tc.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := valueAt(intent.Object, path); string(got) != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
		if got := Drift(untouched, desired, Ignore{}, Mask{}); len(got) > 0 {
			t.Errorf("%s: the desired object was changed: %v", tc.name, got)
		}
	}
}

func TestIntentOfNewObject(t *testing.T) {
	desired := parse(t, deployment)
	rules := compileIgnore(t, IgnoreRule{Paths: []string{"/spec/replicas"}})
	if got := rules.Intent(desired, nil, desired, object.ManagerKustomize); got != desired {
		t.Error("a new object is sent as desired")
	}
}

func TestHoldsField(t *testing.T) {
	live := map[string]any{
		"data":  map[string]any{"0": "zero", "a/b": "c"},
		"ports": []any{map[string]any{"port": int64(80), "protocol": "TCP"}, map[string]any{"port": int64(81), "protocol": "TCP"}},
		"set":   []any{"x", "y"}, "atomic": []any{"x"},
	}
	var tree map[string]any
	if err := json.Unmarshal([]byte(`{
		"f:data":{"f:0":{},"f:a/b":{}}, "f:atomic":{},
		"f:ports":{"k:{\"port\":81,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}},
		"f:set":{"v:\"y\"":{}}}`), &tree); err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]bool{
		"/data": true, "/data/0": true, "/data/a~1b": true, "/data/z": false, "": false,
		"/ports": true, "/ports/1": true, "/ports/1/port": true, "/ports/0/port": false, "/ports/1/protocol": false, "/ports/9": false, "/ports/-1/port": true,
		"/set/1": true, "/set/0": false, "/atomic": true, "/atomic/0": false, "/missing": false,
	} {
		path, err := ParsePointer(pointer)
		if err != nil {
			t.Fatal(err)
		}
		if got := holdsField(tree, live, path); got != want {
			t.Errorf("%q: got %v, want %v", pointer, got, want)
		}
	}
}

// TestIntentProperties: sending the intent never changes an ignored field that
// exists, and changes nothing else but the ignored fields.
func TestIntentProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live, desired := drawContent(t, "live"), drawContent(t, "desired")
		segments := rapid.SliceOfN(rapid.SampledFrom([]string{"spec", "a", "b", "c/d", "0", "1", "-1"}), 1, 4).Draw(t, "path")
		rules := compileIgnore(t, IgnoreRule{Paths: []string{Pointer(segments...)}})
		intent := rules.Intent(desired, live, desired, object.ManagerKustomize)
		liveValue, existed := lookup(live.Object, segments)
		sent, isSent := lookup(intent.Object, segments)
		if !existed && strings.ContainsAny(segments[len(segments)-1], "01") {
			return // an item was left out of a list, and the next took its index
		}
		if isSent && !slices.Equal(jsonText(sent), jsonText(liveValue)) {
			t.Fatalf("sent %s, live %s", jsonText(sent), jsonText(liveValue))
		}
		if isSent && !existed {
			t.Fatalf("sent %s, which does not exist", jsonText(sent))
		}
		if len(Drift(rules.strip(desired, desired), rules.strip(desired, intent), Ignore{}, Mask{})) > 0 && existed && !isSent {
			t.Fatalf("changed more than the ignored field: %v", Drift(desired, intent, Ignore{}, Mask{}))
		}
	})
}

func FuzzParsePointer(f *testing.F) {
	for _, seed := range []string{"", "/", "/a~1b/~0", "~", "/~2", "//", "/0/-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pointer string) {
		path, err := ParsePointer(pointer)
		if err != nil {
			return
		}
		again, err := ParsePointer(Pointer(path...))
		if err != nil || !slices.Equal(again, path) {
			t.Errorf("%q: got %q, %v; want %q", pointer, again, err, path)
		}
		obj := parse(t, deployment)
		lookup(obj.Object, path)
		copyAt(obj.Object, parse(t, deployment).Object, path)
		if len(path) > 0 {
			remove(obj.Object, path)
		}
	})
}
