package engine

import (
	"context"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// shelved is a world of a few objects that can be read.
type shelved struct {
	world.World
	objects map[string]*unstructured.Unstructured
}

func (s shelved) Get(_ context.Context, ref object.Ref) (*unstructured.Unstructured, error) {
	if obj := s.objects[ref.Name]; obj != nil {
		return obj, nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "gitrepositories"}, ref.Name)
}

// Repositories that include each other would grow with each run, and each run of one
// brings the next of the other.
func TestIncludesInACircle(t *testing.T) {
	all := map[string]*unstructured.Unstructured{}
	for name, includes := range map[string][]string{
		"a": {"b"}, "b": {"c", "gone"}, "c": {"a"}, "self": {"self"}, "top": {"leaf", "mid"}, "mid": {"leaf"}, "leaf": nil, "beside": {"a"},
	} {
		var list []any
		for _, other := range includes {
			list = append(list, map[string]any{"repository": map[string]any{"name": other}})
		}
		all[name] = &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": map[string]any{"namespace": "apps", "name": name},
			"spec": map[string]any{"url": "https://git.example/a", "interval": "1h", "include": list},
		}}
	}
	for name, want := range map[string][]string{
		"a":      {"GitRepository/apps/a", "GitRepository/apps/b", "GitRepository/apps/c", "GitRepository/apps/a"},
		"self":   {"GitRepository/apps/self", "GitRepository/apps/self"},
		"top":    nil,
		"beside": nil,
	} {
		g, err := unit.DecodeGitRepository(all[name])
		if err != nil {
			t.Fatal(err)
		}
		f := &fetching{g: g, view: view{world: shelved{objects: all}, rec: &record.Recorder{}}}
		if got := f.circle(t.Context()); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
