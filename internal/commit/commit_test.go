package commit

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// value draws a JSON object without nulls, as statuses are.
func value() *rapid.Generator[map[string]any] {
	leaf := rapid.OneOf(rapid.Just[any]("x"), rapid.Just[any]("y"), rapid.Just[any](int64(1)), rapid.Just[any]([]any{"x"}))
	keys := rapid.SampledFrom([]string{"a", "b", "c"})
	flat := rapid.MapOfN(keys, leaf, 0, 3)
	nested := rapid.Map(flat, func(m map[string]any) any { return m })
	return rapid.MapOfN(keys, rapid.OneOf(leaf, nested), 0, 3)
}

// Applying the diff to the old value gives the new one, and equal values have
// no diff.
func TestDiffIsAMergePatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, next := value().Draw(t, "old"), value().Draw(t, "next")
		oldJSON, _ := json.Marshal(old)
		nextJSON, _ := json.Marshal(next)
		diff := Diff(old, next)
		if (len(diff) == 0) != reflect.DeepEqual(old, next) {
			t.Fatalf("Diff(%s, %s) = %v", oldJSON, nextJSON, diff)
		}
		patch, _ := json.Marshal(diff)
		got, err := jsonpatch.MergePatch(oldJSON, patch)
		if err != nil {
			t.Fatal(err)
		}
		if !jsonpatch.Equal(got, nextJSON) {
			t.Fatalf("%s + %s = %s, want %s", oldJSON, patch, got, nextJSON)
		}
	})
}
