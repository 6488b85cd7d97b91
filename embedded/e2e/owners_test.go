package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/internal/object"
)

func TestFirstOfTwoOwnersKeepsTheObject(t *testing.T) {
	s := up(t)
	s.commit(files{"one/a.yaml": configMap("a", "one"), "two/a.yaml": configMap("a", "two"), "two/b.yaml": configMap("b", "two")})
	s.apply(source, kustomization("one", "path: ./one"))
	s.ready("one")
	uid := s.get("ConfigMap/a").GetUID()
	s.apply(kustomization("two", "path: ./two", "wait: true"))
	s.leaves("two", "b")
	s.data("ConfigMap/a", "one")
	s.data("ConfigMap/b", "two")
	for _, unit := range []string{"one", "two"} {
		s.warns(unit, "ContestedObject", "ConfigMap/$ns/a is wanted by two units: Kustomization/$ns/one keeps it, Kustomization/$ns/two leaves it alone")
	}

	t.Run("also after a restart, whoever runs first", func(t *testing.T) {
		s.stop()
		s.save(files{"two/a.yaml": configMap("a", "two, later")})
		s.start()
		s.leaves("two", "b")
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
		s.leaves("two", "b")
	})
	t.Run("until the first lets go, which deletes nothing", func(t *testing.T) {
		s.commit(files{"one/a.yaml": "", "one/c.yaml": configMap("c", "one")})
		s.ready("one")
		s.ready("two")
		if got := s.data("ConfigMap/a", "two, later").GetUID(); got != uid {
			t.Errorf("ConfigMap/a was made anew")
		}
	})
	t.Run("and then the first comes again, and leaves it", func(t *testing.T) {
		s.commit(files{"one/a.yaml": configMap("a", "one")})
		s.leaves("one", "c")
		s.idle()
		s.data("ConfigMap/a", "two, later")
	})
	t.Run("until the second is deleted, which deletes nothing", func(t *testing.T) {
		s.delete("Kustomization/two")
		s.gone("Kustomization/two")
		if got := s.data("ConfigMap/a", "one").GetUID(); got != uid {
			t.Errorf("ConfigMap/a was made anew")
		}
	})
}

// leaves waits until a unit is Ready with nothing but one ConfigMap in its
// inventory.
func (s *stand) leaves(name, only string) {
	s.Helper()
	s.ready(name)
	want := []string{s.ns + "_" + only + "__ConfigMap"}
	s.unit(name, func(k *kustomizev1.Kustomization) bool { return slices.Equal(inventory(k), want) })
}

// warns waits until a unit told something in an event of type Warning.
func (s *stand) warns(name, reason, text string) {
	s.Helper()
	client, err := kubernetes.NewForConfig(s.cfg.REST)
	s.must(err)
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	w, err := client.CoreV1().Events(s.ns).Watch(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + name + ",reason=" + reason})
	s.must(err)
	defer w.Stop()
	for e := range w.ResultChan() {
		if got, ok := e.Object.(*corev1.Event); ok && got.Type == corev1.EventTypeWarning && strings.Contains(got.Message, s.expand(text)) {
			return
		}
	}
	s.Errorf("%s told nothing of %s: %s", name, reason, text)
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
