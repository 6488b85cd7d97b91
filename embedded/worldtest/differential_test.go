package worldtest_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/crd"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/schema"
)

//go:embed testdata/objects.yaml
var objectsFile []byte

//go:embed testdata/serverset.txt
var serverSetFile string

var (
	seed    = flag.Uint64("seed", 1, "of the generated objects")
	objects = flag.Int("objects", 1000, "how many objects to generate; a fifth under -short")
)

// The memory world must answer like a real API server: two managers apply and
// patch generated objects in both, and what they return is compared, owners
// included, but for the fields of serverset.txt.
func TestMemoryEqualsServer(t *testing.T) {
	d := newDifference(t)
	templates := d.templates()
	n := *objects
	if testing.Short() {
		n /= 20
	}
	for i := range n {
		d.live(i, templates[i%len(templates)])
	}
	d.report(n)
}

// difference drives two worlds alike and counts where they differ.
type difference struct {
	*testing.T
	real, memory world.World
	rng          *rand.Rand
	namespace    string
	serverSet    map[string]bool // "Kind path"
	found        map[string]int
	example      map[string]string
	unvalidated  map[string]int // by kind: what only the server refused
	steps        int
}

func newDifference(t *testing.T) *difference {
	c := kubetest.Start(t, kubetest.APIOnly) // no controller writes beside us
	w, err := cluster.New(c.Config, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &difference{
		T: t, real: w, memory: memory.New(memory.Options{}), rng: rand.New(rand.NewPCG(*seed, 0)), namespace: "diff",
		serverSet: map[string]bool{}, found: map[string]int{}, example: map[string]string{}, unvalidated: map[string]int{},
	}
	for line := range strings.Lines(serverSetFile) {
		if line, _, _ := strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
			d.serverSet[strings.Join(strings.Fields(line), " ")] = true
		}
	}
	d.setUp()
	return d
}

func (d *difference) setUp() {
	var all []*unstructured.Unstructured
	for _, c := range crd.All() {
		o, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c)
		if err != nil {
			d.Fatal(err)
		}
		all = append(all, &unstructured.Unstructured{Object: o})
	}
	all = append(all, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": d.namespace},
	}}, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "default", "namespace": d.namespace},
	}})
	for _, u := range all {
		u.SetManagedFields(nil)
		delete(u.Object, "status")
		for _, w := range []world.World{d.real, d.memory} {
			if _, err := w.Apply(d.Context(), world.Apply{Object: u, Manager: "setup", Force: true}); err != nil {
				d.Fatalf("%s: %v", object.KeyOf(u), err)
			}
		}
	}
	for _, c := range crd.All() {
		for _, v := range c.Spec.Versions {
			probe := object.Ref{Key: object.Key{Group: c.Spec.Group, Kind: c.Spec.Names.Kind, Namespace: d.namespace, Name: "probe"}, Version: v.Name}
			await(d.T, c.Name+" is served", func() bool {
				_, err := d.real.Get(d.Context(), probe)
				return apierrors.IsNotFound(err)
			})
		}
	}
}

// templates returns one object of every kind.
func (d *difference) templates() []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, doc := range bytes.Split(bytes.ReplaceAll(objectsFile, []byte("NS"), []byte(d.namespace)), []byte("\n---\n")) {
		data, err := yaml.YAMLToJSON(doc)
		u := &unstructured.Unstructured{}
		if err == nil {
			err = u.UnmarshalJSON(data)
		}
		if err != nil {
			d.Fatalf("%v in\n%s", err, doc)
		}
		all = append(all, u)
	}
	return all
}

// live carries one object through its life in both worlds.
func (d *difference) live(i int, template *unstructured.Unstructured) {
	u := template.DeepCopy()
	if u.GetName() == "" {
		u.SetName(fmt.Sprintf("o%d", i))
	}
	m, err := d.real.Kind(d.Context(), u.GroupVersionKind())
	if err != nil {
		d.Errorf("%s: %v", u.GetKind(), err)
		return
	}
	if m.Namespaced {
		u.SetNamespace(d.namespace)
	}
	if i >= 60 { // the first round takes the templates as they are
		u = d.mutated(u)
	}
	if !d.step(u, "apply a", apply(u, "a", false)) {
		return
	}
	d.step(u, "apply a again", apply(u, "a", false))
	d.step(u, "apply b", apply(d.mutated(u), "b", d.rng.IntN(2) == 0))
	data := fmt.Sprintf(`{"metadata":{"labels":{"patched":"%d"},"annotations":{"app":null,"x":"y"}}}`, i)
	d.step(u, "merge patch", patch(u, types.MergePatchType, data, ""))
	d.step(u, "json patch", patch(u, types.JSONPatchType, `[{"op":"replace","path":"/metadata/labels","value":{"app":"other"}}]`, ""))
	d.step(u, "apply a changed", apply(d.mutated(d.mutated(u)), "a", true))
	if _, custom := crd.ByKind(m.GVK.Group, m.GVK.Kind); custom {
		d.step(u, "status patch", patch(u, types.MergePatchType, `{"status":{"observedGeneration":1,"conditions":[{"type":"Ready","status":"True","reason":"A","message":"","lastTransitionTime":"2025-01-01T00:00:00Z"}],"bogus":1}}`, "status"))
		d.step(u, "apply a without status", apply(u, "a", true))
	}
	d.step(u, "delete", func(w world.World) (*unstructured.Unstructured, error) {
		return nil, w.Delete(d.Context(), world.Delete{Ref: object.RefOf(u)})
	})
}

type operation func(world.World) (*unstructured.Unstructured, error)

func apply(u *unstructured.Unstructured, manager string, force bool) operation {
	return func(w world.World) (*unstructured.Unstructured, error) {
		return w.Apply(nonNil, world.Apply{Object: u, Manager: manager, Force: force})
	}
}

func patch(u *unstructured.Unstructured, t types.PatchType, data, subresource string) operation {
	return func(w world.World) (*unstructured.Unstructured, error) {
		return w.Patch(nonNil, world.Patch{Ref: object.RefOf(u), Type: t, Data: []byte(data), Manager: "patcher", Subresource: subresource})
	}
}

// step does the same in both worlds. What the server alone refuses of a built-in
// kind is counted, and then not done in memory. It returns whether it was done.
func (d *difference) step(u *unstructured.Unstructured, name string, do operation) bool {
	d.steps++
	real, err := do(d.real)
	builtin := schema.Builtin().Has(u.GroupVersionKind().GroupKind())
	if builtin && (apierrors.IsInvalid(err) || apierrors.IsForbidden(err)) {
		if _, refused := do(&predicting{d.memory}); refused == nil {
			d.unvalidated[u.GetKind()]++
			return false
		}
		return false
	}
	fake, fakeErr := do(d.memory)
	if got, want := class(fakeErr), class(err); got != want {
		d.differ(u.GetKind()+" error after "+name, fmt.Sprintf("memory: %v\nserver: %v", fakeErr, err))
	}
	if err != nil || fakeErr != nil || real == nil {
		return err == nil
	}
	d.compare(u.GetKind(), name, real, fake)
	return true
}

// predicting only tells whether an apply would be refused.
type predicting struct{ world.World }

func (p *predicting) Apply(ctx contextType, a world.Apply) (*unstructured.Unstructured, error) {
	return p.World.Predict(ctx, a)
}

func (p *predicting) Patch(contextType, world.Patch) (*unstructured.Unstructured, error) {
	return nil, nil
}

func class(err error) string {
	if err == nil {
		return "none"
	}
	var causes []string
	if status, ok := err.(apierrors.APIStatus); ok && apierrors.IsConflict(err) && status.Status().Details != nil {
		for _, c := range status.Status().Details.Causes {
			causes = append(causes, c.Message+c.Field)
		}
		slices.Sort(causes)
	}
	return string(apierrors.ReasonForError(err)) + strings.Join(causes, ",")
}

func (d *difference) differ(what, example string) {
	if d.found[what]++; d.found[what] == 1 {
		d.example[what] = example
	}
}

func (d *difference) report(n int) {
	d.Logf("%d objects, %d steps; refused by the server alone: %v", n, d.steps, d.unvalidated)
	for _, what := range slices.Sorted(maps.Keys(d.found)) {
		d.Errorf("%s (%d times): %s", what, d.found[what], d.example[what])
	}
}

func toJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
