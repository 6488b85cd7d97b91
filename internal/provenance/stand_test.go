package provenance

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	releases "github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/tree"
)

// stand renders the Kustomizations of one tree, the entry first and then those
// that it leads to. Everything of one source, nothing waits, no charts: what
// provenance needs of a fleet and no more.
type stand struct {
	tree     tree.Tree
	builds   *Traced
	rendered fleet.Rendered
	charts   func(object.Key) Chart
	queue    []queued
	objects  map[object.Key]*unstructured.Unstructured
}

type queued struct {
	obj    *unstructured.Unstructured
	parent object.Key
}

var source = object.Key{Group: object.GroupSource, Kind: "GitRepository", Namespace: "flux-system", Name: "flux-system"}

// render renders the fleet of t from a directory.
func render(t testing.TB, tr tree.Tree, entry string) *stand {
	t.Helper()
	return renderWith(t, tr, entry, build.NewCache(build.Limits{}))
}

func renderWith(t testing.TB, tr tree.Tree, entry string, cache Builder) *stand {
	t.Helper()
	s := &stand{tree: tr, builds: Trace(cache), objects: map[object.Key]*unstructured.Unstructured{}}
	first := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": "entry", "namespace": "flux-system"}, "spec": map[string]any{"path": entry},
	}}
	s.queue = []queued{{first, object.Key{}}}
	seen := map[object.Key]bool{}
	// Units whose variables come from objects of later units go to the end.
	for waits := 0; len(s.queue) > 0; {
		q := s.queue[0]
		s.queue = s.queue[1:]
		key := object.KeyOf(q.obj)
		if seen[key] {
			continue
		}
		if !s.ready(q.obj) && waits < len(s.queue)+1 {
			s.queue, waits = append(s.queue, q), waits+1
			continue
		}
		waits = 0
		seen[key] = true
		s.unit(t, q)
	}
	return s
}

// ready tells whether the objects of substituteFrom are there.
func (s *stand) ready(obj *unstructured.Unstructured) bool {
	refs, _, _ := unstructured.NestedSlice(obj.Object, "spec", "postBuild", "substituteFrom")
	for _, ref := range refs {
		m := ref.(map[string]any)
		if s.objects[object.Key{Kind: m["kind"].(string), Namespace: obj.GetNamespace(), Name: m["name"].(string)}] == nil {
			return false
		}
	}
	return true
}

func (s *stand) unit(t testing.TB, q queued) {
	t.Helper()
	var k kustomizev1.Kustomization
	bad := runtime.DefaultUnstructuredConverter.FromUnstructured(q.obj.Object, &k)
	u := fleet.Unit{Key: object.KeyOf(q.obj), Parent: q.parent, Object: q.obj, Source: source, State: fleet.Ready}
	out, err := s.builds.Run(context.Background(), s.tree, s.recipe(&k), build.Options{})
	if err != nil || bad != nil {
		u.State = fleet.Failed
		s.rendered.Units = append(s.rendered.Units, u)
		return
	}
	for _, o := range out.Result.Objects {
		value, err := o.Decode()
		if err != nil {
			t.Fatal(err)
		}
		u.Objects = append(u.Objects, fleet.Object{Ref: o.Ref, Value: value})
		s.objects[o.Ref.Key] = value
		if o.Ref.Group == object.GroupKustomize && o.Ref.Kind == "Kustomization" {
			s.queue = append(s.queue, queued{value, u.Key})
		}
	}
	s.rendered.Units = append(s.rendered.Units, u)
}

func (s *stand) recipe(k *kustomizev1.Kustomization) build.Recipe {
	r := build.Recipe{
		Path: k.Spec.Path, TargetNamespace: k.Spec.TargetNamespace, NamePrefix: k.Spec.NamePrefix, NameSuffix: k.Spec.NameSuffix,
		Patches: k.Spec.Patches, Images: k.Spec.Images, Components: k.Spec.Components,
		IgnoreMissingComponents: k.Spec.IgnoreMissingComponents, OwnerName: k.Name, OwnerNamespace: k.Namespace,
	}
	if m := k.Spec.CommonMetadata; m != nil {
		r.CommonLabels, r.CommonAnnotations = m.Labels, m.Annotations
	}
	if k.Spec.PostBuild == nil {
		return r
	}
	r.Substitute = map[string]string{}
	for _, from := range k.Spec.PostBuild.SubstituteFrom {
		o := s.objects[object.Key{Kind: from.Kind, Namespace: k.Namespace, Name: from.Name}]
		if o == nil {
			continue
		}
		data, _, _ := unstructured.NestedStringMap(o.Object, "data")
		for name, value := range data {
			if from.Kind == "Secret" {
				clear, _ := base64.StdEncoding.DecodeString(value)
				value = string(clear)
			}
			r.Substitute[name] = value
		}
	}
	for name, value := range k.Spec.PostBuild.Substitute {
		r.Substitute[name] = value
	}
	return r
}

func (s *stand) fleet() Fleet { return s.builds.At(s.rendered, s.charts) }

// treeOf reads a directory.
func treeOf(t testing.TB, dir string) tree.Tree {
	t.Helper()
	var b tree.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		return b.Add(filepath.ToSlash(rel), tree.BlobOf(data))
	})
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no fleet at %s: the cases that need it are not run", path.Base(dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// lineAt returns a line of a file, from 1.
func lineAt(t testing.TB, tr tree.Tree, file string, n int) string {
	t.Helper()
	data, err := tr.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	if n < 1 || n > len(lines) {
		t.Fatalf("%s has no line %d", file, n)
	}
	return lines[n-1]
}

// release makes a HelmRelease that was rendered a unit, with its values.
func (s *stand) release(t *testing.T, key object.Key) {
	t.Helper()
	obj := s.objects[key]
	if obj == nil {
		t.Fatalf("nothing made %s", key)
	}
	data := map[string]map[string]string{}
	for k, o := range s.objects {
		if k.Kind == "ConfigMap" && k.Namespace == key.Namespace {
			data[k.Name], _, _ = unstructured.NestedStringMap(o.Object, "data")
		}
	}
	values, err := valuesOf(obj, data)
	if err != nil {
		t.Fatal(err)
	}
	u := fleet.Unit{Key: key, Object: obj, State: fleet.Ready, Release: &fleet.Release{Values: values}}
	for _, parent := range s.rendered.Units {
		for _, o := range parent.Objects {
			if o.Ref.Key == key {
				u.Parent = parent.Key
			}
		}
	}
	s.rendered.Units = append(s.rendered.Units, u)
}

func valuesOf(obj *unstructured.Unstructured, data map[string]map[string]string) (map[string]any, error) {
	var hr helmv2.HelmRelease
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &hr); err != nil {
		return nil, err
	}
	return releases.Compose(hr.GetValues(), hr.Spec.ValuesFrom, func(_, name string) (map[string][]byte, bool) {
		out := map[string][]byte{}
		for key, value := range data[name] {
			out[key] = []byte(value)
		}
		return out, data[name] != nil
	})
}
