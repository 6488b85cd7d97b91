package plan

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// upstream is what fluxcd/pkg/ssa v0.76.2 itself answered: see testdata/oracle.
type upstream struct {
	Takeovers []struct {
		Overrides     []string
		Before, After []metav1.ManagedFieldsEntry
	}
	Orders  []struct{ Objects, Sorted []string }
	Applies []upstreamApply
}

type upstreamApply struct {
	Live, Desired, Predicted, Sent json.RawMessage
	Ignore                         []string
	Action, Error                  string
}

func readUpstream(t *testing.T) upstream {
	t.Helper()
	text, err := os.ReadFile("testdata/upstream.json")
	if err != nil {
		t.Fatal(err)
	}
	var answers upstream
	if err := json.Unmarshal(text, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers.Takeovers) == 0 || len(answers.Orders) == 0 || len(answers.Applies) == 0 {
		t.Fatal("testdata/upstream.json lacks answers")
	}
	return answers
}

// TestTakeoverAsUpstream: the same managedFields, entry by entry, in the same
// order, with the same fields.
func TestTakeoverAsUpstream(t *testing.T) {
	for i, tc := range readUpstream(t).Takeovers {
		got, err := TakeoverOf(liveWith(tc.Before), Managers{Own: object.ManagerKustomize, Overrides: tc.Overrides})
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		var after []metav1.ManagedFieldsEntry
		if !got.IsZero() {
			after, _ = patched(t, got.Patch)
		}
		if want := lastOfEach(tc.After); !slices.EqualFunc(after, want, sameEntry) {
			t.Errorf("%d: overrides %q\nbefore %s\ngot    %s\nwant   %s", i, tc.Overrides, jsonText(tc.Before), jsonText(after), jsonText(want))
		}
	}
}

// lastOfEach drops an entry that a later one of the same manager, operation,
// version and subresource replaces. Upstream leaves our old entry beside the
// merged one if somebody else's stood before it, and the API server, which keeps
// one entry of each, takes the later.
func lastOfEach(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	var kept []metav1.ManagedFieldsEntry
	for i, e := range entries {
		again := slices.ContainsFunc(entries[i+1:], func(later metav1.ManagedFieldsEntry) bool {
			return later.Manager == e.Manager && later.Operation == e.Operation &&
				later.APIVersion == e.APIVersion && later.Subresource == e.Subresource
		})
		if !again {
			kept = append(kept, e)
		}
	}
	return kept
}

func sameEntry(a, b metav1.ManagedFieldsEntry) bool {
	same := string(canonicalFields(rawFields(a))) == string(canonicalFields(rawFields(b)))
	a.FieldsV1, b.FieldsV1 = nil, nil
	return same && apiequality.Semantic.DeepEqual(a, b)
}

func TestOrderAsUpstream(t *testing.T) {
	for i, tc := range readUpstream(t).Orders {
		var objs []*unstructured.Unstructured
		for _, text := range tc.Objects {
			parts := strings.Split(text, "/")
			apiVersion := strings.TrimPrefix(parts[0]+"/v1", "/")
			objs = append(objs, newObject(apiVersion, parts[1], parts[2], parts[3]))
		}
		var got []string
		for _, key := range keysOf(SortObjects(objs)) {
			got = append(got, strings.Join([]string{key.Group, key.Kind, key.Namespace, key.Name}, "/"))
		}
		if !slices.Equal(got, tc.Sorted) {
			t.Errorf("%d:\ngot  %q\nwant %q", i, got, tc.Sorted)
		}
	}
}

// TestApplyAsUpstream: applied in the same cases, and the same object sent. Where
// upstream fails, or sends null for a field that is not live, we do otherwise.
func TestApplyAsUpstream(t *testing.T) {
	applied, differ := 0, 0
	for i, tc := range readUpstream(t).Applies {
		live, desired, predicted := decode(t, tc.Live), decode(t, tc.Desired), decode(t, tc.Predicted)
		var rules []IgnoreRule
		if tc.Ignore != nil {
			rules = []IgnoreRule{{Paths: tc.Ignore}}
		}
		ignore := compileIgnore(t, rules...)
		if tc.Error != "" || len(tc.Sent) > len("null") && strings.Contains(string(tc.Sent), "null") {
			differ++
			continue
		}
		drifted := len(Drift(live, predicted, ignore, Mask{})) > 0
		if drifted != (tc.Action == "configured") {
			t.Errorf("%d: drifted %v, upstream %s\nlive      %s\npredicted %s\nignore %q", i, drifted, tc.Action, tc.Live, tc.Predicted, tc.Ignore)
			continue
		}
		if !drifted {
			continue
		}
		applied++
		want := decode(t, tc.Sent)
		if got := ignore.Intent(desired, live, predicted, object.ManagerKustomize); !apiequality.Semantic.DeepEqual(got.Object, want.Object) {
			t.Errorf("%d: ignore %q\nlive    %s\ndesired %s\ngot     %s\nwant    %s", i, tc.Ignore, tc.Live, tc.Desired, jsonText(got.Object), tc.Sent)
		}
	}
	if applied == 0 || differ == 0 {
		t.Errorf("%d applied, %d differ: the answers test nothing", applied, differ)
	}
	t.Logf("%d applied, %d where upstream fails or sends null", applied, differ)
}

func decode(t *testing.T, text json.RawMessage) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	return obj
}
