package e2e

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

func TestFirstOfTwoOwnersKeepsTheObject(t *testing.T) {
	s := up(t)
	s.commit(files{"one/a.yaml": configMap("a", "one"), "two/a.yaml": configMap("a", "two"), "two/b.yaml": configMap("b", "two")})
	s.apply(source, kustomization("one", "path: ./one"))
	s.ready("one")
	uid := s.get("ConfigMap/a").GetUID()
	s.apply(kustomization("two", "path: ./two"))
	s.fails("two", "ReconciliationFailed", "ConfigMap/$ns/a is managed by Kustomization/$ns/one")
	s.data("ConfigMap/a", "one")

	t.Run("also after a restart, whoever runs first", func(t *testing.T) {
		s.stop()
		s.save(files{"two/a.yaml": configMap("a", "two, later")})
		s.start()
		s.fails("two", "ReconciliationFailed", "ConfigMap/$ns/a is managed by Kustomization/$ns/one")
		s.idle()
		s.data("ConfigMap/a", "one")
	})
	t.Run("deleting the second deletes nothing of the first", func(t *testing.T) {
		s.delete("Kustomization/two")
		s.gone("Kustomization/two")
		s.idle()
		if got := s.get("ConfigMap/a"); got.GetUID() != uid || got.GetDeletionTimestamp() != nil {
			t.Errorf("ConfigMap/a was deleted")
		}
		s.apply(kustomization("two", "path: ./two"))
		s.fails("two", "ReconciliationFailed", "ConfigMap/$ns/a is managed by Kustomization/$ns/one")
	})
	t.Run("until the first lets go, which deletes nothing", func(t *testing.T) {
		s.commit(files{"one/a.yaml": "", "one/c.yaml": configMap("c", "one")})
		s.ready("one")
		s.ready("two")
		if got := s.data("ConfigMap/a", "two, later").GetUID(); got != uid {
			t.Errorf("ConfigMap/a was made anew")
		}
	})
}

// One commit takes an object out of one unit and puts it into another: whichever
// runs first, the object lives on.
func TestObjectMovesBetweenUnits(t *testing.T) {
	for name, c := range map[string]struct{ first, second []string }{
		"without order":                {nil, nil},
		"the old owner comes first":    {nil, []string{"dependsOn: [{name: first}]"}},
		"the new owner comes first":    {[]string{"dependsOn: [{name: second}]"}, nil},
		"the old owner moves all away": {[]string{"path: ./all"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.commit(files{"first/a.yaml": configMap("a", "1"), "first/x.yaml": configMap("x", "1"), "second/y.yaml": configMap("y", "1"), "all/a.yaml": configMap("a", "1")})
			path := "path: ./first"
			if len(c.first) > 0 && c.first[0] == "path: ./all" {
				path = ""
			}
			s.apply(source, kustomization("first", append(c.first, path)...), kustomization("second", append(c.second, "path: ./second")...))
			s.ready("first")
			s.ready("second")
			uid := s.get("ConfigMap/a").GetUID()
			s.commit(files{"first/a.yaml": "", "all/a.yaml": configMap("z", "1"), "second/a.yaml": configMap("a", "2")})
			first, second := s.ready("first"), s.ready("second")
			o := s.data("ConfigMap/a", "2")
			if o.GetUID() != uid || o.GetLabels()[object.OwnerName] != "second" {
				t.Errorf("got uid %s of %s, want %s of second", o.GetUID(), o.GetLabels()[object.OwnerName], uid)
			}
			id := s.ns + "_a__ConfigMap"
			if slices.Contains(inventory(first), id) || !slices.Contains(inventory(second), id) {
				t.Errorf("inventories: got %q and %q, want a in the second", inventory(first), inventory(second))
			}
		})
	}
}

// An inventory that names an object of somebody else deletes nothing.
func TestForeignObjectInAnInventoryStays(t *testing.T) {
	s := up(t)
	s.apply(configMap("theirs", "1"))
	s.commit(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	s.setStatus("Kustomization/app", `{status: {inventory: {entries: [{id: $ns_theirs__ConfigMap, v: v1}, {id: $ns_a__ConfigMap, v: v1}]}}}`)
	s.commit(files{"app/b.yaml": configMap("b", "1")})
	s.ready("app")
	s.await("ConfigMap/theirs", func(o *unstructured.Unstructured) bool { return o != nil && !deleting(o) })
}
