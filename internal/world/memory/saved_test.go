package memory

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/testkit"
	"github.com/leat-dev/leat/internal/world"
)

// A field that is new must be saved, or said here to need no saving.
func TestEveryFieldOfWorldIsSavedOrNot(t *testing.T) {
	testkit.Fields(t, reflect.TypeFor[state](), map[string]string{
		"store": "", "version": "", "made": "", "draining": "", "names": "", "options": "the other world has the same",
		"mu": "a lock", "naming": "a lock", "subscribers": "nobody listens to a world that is restored", "nextID": "of subscribers", "sets": "saves memory; what is restored shares none",
	})
	testkit.Fields(t, reflect.TypeFor[Map](), map[string]string{"mu": "a lock", "kinds": "", "objects": "", "owned": ""})
	testkit.Fields(t, reflect.TypeFor[Entry](), map[string]string{"Object": "", "Below": "a Map has nothing below"})
}

// A world that was restored goes on as the one that was saved: the same names, uids,
// versions and owners.
func TestRestoredWorldGoesOnAsTheSavedOne(t *testing.T) {
	empty := New(Options{})
	if _, err := empty.Create(t.Context(), settings("gone", ""), "m"); err != nil {
		t.Fatal(err)
	}
	first := copied(t, empty)
	history(t, first, "1")
	if err := first.Delete(t.Context(), world.Delete{Ref: object.RefOf(settings("gone", ""))}); err != nil {
		t.Fatal(err)
	}
	again := copied(t, empty)
	if err := again.Restore(savedOf(t, first, empty)); err != nil {
		t.Fatal(err)
	}
	history(t, first, "2")
	history(t, again, "2")
	if got, want := savedOf(t, again, empty), savedOf(t, first, empty); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// history writes, names, and deletes.
func history(t *testing.T, w *World, value string) {
	t.Helper()
	for _, name := range []string{"one", "two"} {
		if _, err := w.Apply(t.Context(), world.Apply{Object: settings(name, value), Manager: "m", Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	named := settings("", value)
	named.SetGenerateName("made-")
	if _, err := w.Create(t.Context(), named, "m"); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), world.Delete{Ref: object.RefOf(settings("two", ""))}); err != nil {
		t.Fatal(err)
	}
}

func settings(name, value string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": value}}}
	u.SetNamespace("default")
	if name != "" {
		u.SetName(name)
	}
	return u
}

func copied(t *testing.T, w *World) *World {
	t.Helper()
	out, err := w.Copy()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func savedOf(t *testing.T, w, from *World) Saved {
	t.Helper()
	s, err := w.Saved(from)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
