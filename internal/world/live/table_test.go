package live

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// stage is a table with a watched kind, fed by hand.
func stage(t *testing.T) (*Table, *sink, *[]Move) {
	var moves []Move
	table := New(t.Context(), Config{Moved: func(m Move) { moves = append(moves, m) }})
	f := &follower{table: table, gvk: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, synced: make(chan struct{})}
	table.kinds[f.gvk.GroupKind()] = f
	s := (*sink)(f)
	if err := s.Replace(nil, "1"); err != nil {
		t.Fatal(err)
	}
	return table, s, &moves
}

func configMap(version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"namespace": "apps", "name": "a", "uid": "u", "resourceVersion": version},
	}}
}

// What was deleted is not there, in whatever order our own writes and the watch
// tell of it.
func TestDeletedObjectIsNotSeen(t *testing.T) {
	type step = func(*Table, *sink) error
	note := func(v string) step {
		return func(t *Table, _ *sink) error { t.Note(configMap(v)); return nil }
	}
	added := func(v string) step { return func(_ *Table, s *sink) error { return s.Add(configMap(v)) } }
	deleted := func(v string) step { return func(_ *Table, s *sink) error { return s.Delete(configMap(v)) } }
	listed := func(v string, items ...any) step { return func(_ *Table, s *sink) error { return s.Replace(items, v) } }
	for name, c := range map[string]struct {
		steps []step
		seen  bool
	}{
		"written, told, deleted":              {[]step{note("5"), added("5"), deleted("6")}, false},
		"told and deleted before the answer":  {[]step{added("5"), deleted("6"), note("5")}, false},
		"made anew after that":                {[]step{added("5"), deleted("6"), note("5"), note("7")}, true},
		"deleted before our write":            {[]step{added("5"), note("7"), deleted("6")}, true},
		"written, the watch lost, deleted":    {[]step{note("5"), listed("9")}, false},
		"written after an older list":         {[]step{note("9"), listed("5")}, true},
		"in no list, then the answer arrives": {[]step{added("5"), listed("9"), note("6")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			table, s, moves := stage(t)
			for _, do := range c.steps {
				if err := do(table, s); err != nil {
					t.Fatal(err)
				}
			}
			_, got, _ := table.Seen(object.KeyOf(configMap("1")))
			if got != c.seen {
				t.Errorf("seen: got %t, want %t", got, c.seen)
			}
			told := slices.ContainsFunc(*moves, func(m Move) bool { return m.Drift && m.Key.Name == "a" })
			if !c.seen && !told {
				t.Errorf("nobody was told that it went: %v", *moves)
			}
		})
	}
}

// The definition of a kind may be heard to be gone before its objects are: they are told
// of all the same.
func TestWhatGoesWithItsDefinitionIsTold(t *testing.T) {
	table, s, moves := stage(t)
	ended := false
	table.kinds[schema.GroupKind{Kind: "ConfigMap"}].resource = "configmaps"
	table.kinds[schema.GroupKind{Kind: "ConfigMap"}].cancel = func() { ended = true }
	if err := s.Add(configMap("5")); err != nil {
		t.Fatal(err)
	}
	*moves = nil
	table.Unfollow(schema.GroupResource{Resource: "secrets"})
	if len(*moves) > 0 || ended {
		t.Errorf("the definition of another kind: told %v", *moves)
	}
	table.Unfollow(schema.GroupResource{Resource: "configmaps"})
	if _, exists, followed := table.Seen(object.KeyOf(configMap("1"))); exists || followed || !ended {
		t.Errorf("it is still there (%t) or watched (%t)", exists, followed)
	}
	if len(*moves) != 1 || !(*moves)[0].Drift || (*moves)[0].Key.Name != "a" {
		t.Errorf("told %v, want that a went", *moves)
	}
}
