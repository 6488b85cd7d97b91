package writeback

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

func TestBecomes(t *testing.T) {
	for _, c := range []struct{ text, git, live, want string }{
		{"2", "2", "3", "3"},
		{"1.25", "nginx:1.25", "nginx:1.27", "1.27"},
		{"nginx", "nginx:1.25", "nginx:1.27", ""},
		{"nginx", "nginx:1.25", "httpd:1.25", "httpd"},
		{"b", "a-b-c", "a-long-c", "long"},
		{"b", "a-b-c", "a-c", ""},
		{"b", "a-b-c", "a--c", ""}, // nothing is no value
		{"1", "1.1", "1.2", ""},    // which of them?
		{"", "a", "b", ""},
		{"c", "ab", "ac", ""},
	} {
		if got, ok := becomes(c.text, c.git, c.live); got != c.want && ok || ok != (c.want != "") {
			t.Errorf("%q of %q → %q: got %q %t, want %q", c.text, c.git, c.live, got, ok, c.want)
		}
	}
}

func TestTagsOf(t *testing.T) {
	const kustomization = `images:
  - name: web
    newTag: "1"
  - {newTag: "2", name: web, newName: mirror/web}
  - {name: side, digest: "sha256:aa"}
  - {name: other, newTag: "1"}
commonLabels: {newTag: "1"}
`
	for image, want := range map[string][]int{
		"web:1": {3}, "mirror/web:2": {4}, "side@sha256:aa": {5}, "other:1": {6}, "web:2": nil, "side": nil,
	} {
		if got := tagsOf([]byte(kustomization), image); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", image, got, want)
		}
	}
	if got := tagsOf([]byte("{{ x }}"), "web:1"); got != nil {
		t.Errorf("a template: got %v", got)
	}
}

// What a mask hides in Git or live is neither held nor proposed, and a Secret never is.
func TestGatherHoldsNoSecret(t *testing.T) {
	unit := object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}
	var objects []fleet.Object
	var writes []access.Write
	for _, c := range []struct{ kind, name, git, live string }{
		{"ConfigMap", "git-has-it", "hunter2hunter2", "plain"}, {"ConfigMap", "live-has-it", "plain", "to hunter2hunter2"}, {"Secret", "keys", "YQ==", "Yg=="},
	} {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": c.kind, "metadata": map[string]any{"name": c.name, "namespace": "shop"}, "data": map[string]any{"a": c.git}}}
		objects = append(objects, fleet.Object{Ref: object.RefOf(u), Value: u})
		writes = append(writes, access.Write{Kind: c.kind, Namespace: "shop", Name: c.name, Unit: unit.String(), Fields: []access.Field{{Path: "/data/a", Value: `"` + c.live + `"`}}})
	}
	r := fleet.Rendered{Units: []fleet.Unit{{Key: unit, State: fleet.Ready, Objects: objects}}}
	items := Gather(r, writes, func(object.Key) plan.Mask { return plan.Mask{}.Knowing("hunter2hunter2") })
	if len(items) != len(writes) {
		t.Fatalf("got %d items, want %d", len(items), len(writes))
	}
	for _, it := range items {
		if it.Proposed() || it.Git != "" || it.Live != "" || it.live != nil || it.git != nil || !strings.Contains(it.Left, "secret") {
			t.Errorf("got %+v", it)
		}
	}
}

// What could not be rendered may be another time: it is no answer that nothing differs.
func TestWhatIsNotRenderedIsNotSettled(t *testing.T) {
	key := func(name string) object.Key {
		return object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: name}
	}
	write := access.Write{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web", Unit: key("apps").String(), Fields: []access.Field{{Path: "/spec/replicas", Value: "3"}}}
	for _, c := range []struct {
		unit  string
		state fleet.State
		want  string
	}{
		{"apps", fleet.Ready, ""},
		{"apps", fleet.Suspended, ""},
		{"apps", fleet.NotRendered, "Kustomization/flux-system/apps could not be rendered to its end: the registry is down"},
		{"apps", fleet.Waiting, "Kustomization/flux-system/apps could not be rendered to its end: the registry is down"},
		{"parent", fleet.NotRendered, "Kustomization/flux-system/parent, which may make Kustomization/flux-system/apps, could not be rendered to its end: the registry is down"},
		{"parent", fleet.Ready, ""},
	} {
		r := fleet.Rendered{Units: []fleet.Unit{{Key: key(c.unit), State: c.state, Message: "the registry is down"}}}
		items := Gather(r, []access.Write{write}, func(object.Key) plan.Mask { return plan.Mask{} })
		if len(items) != 1 || items[0].Proposed() {
			t.Fatalf("%s %s: got %+v", c.unit, c.state, items)
		}
		if got := Unsettled(items); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.unit, c.state, got, c.want)
		}
	}
}
