package provenance

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/object"
)

func TestHeads(t *testing.T) {
	const text = `# a comment
---
kind: Deployment
metadata:
  labels:
    name: not-this
  name: "web" # quoted
  namespace: shop
spec: {}
--- # next

apiVersion: v1
kind: List
items:
- kind: ConfigMap
  metadata: {name: a}
- kind: Secret
  metadata:
    name: b
---
{"kind": "Role", "metadata": {"name": "r"}}
---
metadata:
  name: ${APP}-x
kind: Service
`
	var got []string
	for _, h := range heads([]byte(text)) {
		got = append(got, strings.Join([]string{h.kind, h.namespace, h.name, index(h.line)}, " "))
	}
	want := []string{"Deployment shop web 3", "ConfigMap  a 15", "Secret  b 17", "Role  r 21", "Service  ${APP}-x 23"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestPlaces(t *testing.T) {
	tr := treeOf(t, filepath.Join("testdata", "places"))
	s := render(t, tr, "entry")
	places := Read(s.fleet())
	entry := object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: "entry"}
	apps := entry
	apps.Name = "apps"
	web := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "pre-web"}
	for _, c := range []struct {
		name         string
		unit, object object.Key
		field, want  string
	}{
		{"a unit", apps, object.Key{}, "", "entry/apps.yaml:3"},
		{"a field of a unit", apps, object.Key{}, "/spec/prune", "entry/apps.yaml:10"},
		{"a field that a unit does not have", apps, object.Key{}, "/spec/wait", "entry/apps.yaml:7"},
		{"an object with a prefix", apps, web, "", "apps/web.yaml:1"},
		{"an item of a list, by its name", apps, web, "/spec/template/spec/containers/1/image", "apps/web.yaml:10"},
		{"an item that a patch adds", apps, web, "/spec/template/spec/containers/0/image", "apps/web.yaml:9"},
		{"what a patch says otherwise", apps, web, "/spec/replicas", "apps/web.yaml:5"},
		{"a generated object", apps, object.Key{Kind: "ConfigMap", Namespace: "shop", Name: "pre-settings"}, "/data/a", "apps/kustomization.yaml:10"},
		{"what is nowhere stands where its unit does", apps, object.Key{Kind: "Pod", Name: "x"}, "/spec", "entry/apps.yaml:3"},
		{"the entry, that no file has", entry, object.Key{}, "", ""},
	} {
		for _, k := range s.rendered.Unit(apps).Objects {
			if c.object.Kind == "ConfigMap" && k.Ref.Kind == "ConfigMap" {
				c.object = k.Ref.Key
			}
		}
		if got := places.Of(Target{c.unit, c.object, c.field}).At(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Where a field is proven to stand in the object's own document, reading finds
// the same line: in real fleets as well.
func TestPlacesAreThoseThatAreProven(t *testing.T) {
	tr := treeOf(t, filepath.Join(fleets, "flux2-kustomize-helm-example"))
	s := render(t, tr, "clusters/production")
	finder, places := newFinder(s.fleet(), nil, &work{builds: 1000}), Read(s.fleet())
	same, all := 0, 0
	for _, u := range s.rendered.Units {
		for _, o := range u.Objects {
			eachScalar(o.Value.Object["spec"], []string{"spec"}, func(path []string) {
				if all >= 60 {
					return
				}
				target := Target{u.Key, o.Ref.Key, "/" + strings.Join(path, "/")}
				proven, err := finder.field(context.Background(), u.Key, question{target.Object, target.Pointer}, 0)
				if err != nil {
					t.Fatal(err)
				}
				if len(proven.origin.Chain) == 0 || proven.origin.Chain[0].Kind != "base" || proven.leaf.value == "" {
					return
				}
				if all++; places.Of(target).At() == proven.origin.At() {
					same++
				} else {
					t.Logf("%s %s: read at %s, proven at %s", o.Ref.Key, target.Pointer, places.Of(target).At(), proven.origin.At())
				}
			})
		}
	}
	t.Logf("%d of %d fields", same, all)
	if same*100 < 95*all || all == 0 {
		t.Errorf("of %d fields %d are read where they are proven to stand", all, same)
	}
}

func FuzzHeads(f *testing.F) {
	f.Add([]byte("kind: A\nmetadata:\n  name: b\n---\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, h := range heads(data) {
			if h.line > strings.Count(string(data), "\n")+1 {
				t.Errorf("line %d of %q", h.line, data)
			}
			h.field([]string{"spec", "0"}, nil)
		}
	})
}
