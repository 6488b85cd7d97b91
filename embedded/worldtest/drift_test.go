package worldtest_test

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

var (
	//go:embed testdata/written.yaml
	writtenFile []byte
	//go:embed testdata/thing.yaml
	thingFile []byte

	scripts = flag.Int("scripts", 400, "how many scripts of writers to try; a quarter under -short")
)

// What the watch keeps of an object says exactly whether the engine has work to
// do: the hash of our apply entry is what it was and no manager is there that
// takeover removes, if and only if a dry run of our apply changes nothing. This
// holds under whatever others write, but for what TestDriftTheWatchDoesNotSee
// lists; the shortest script of writers for which it does not hold is printed.
func TestDriftIsWhatTheWatchSees(t *testing.T) {
	w := newWatched(t)
	n := *scripts
	if testing.Short() {
		n /= 4
	}
	rng := rand.New(rand.NewPCG(*seed, 1))
	for i := range n {
		s := script{template: i % len(w.templates)}
		for range 1 + rng.IntN(4) {
			s.writes = append(s.writes, written{slices.Sorted(maps.Keys(writers))[rng.IntN(len(writers))], rng.Uint64()})
		}
		if why := w.play(s); why != "" {
			w.counterexample(s, why)
		}
	}
	w.tell(n)
}

// written is one write of one writer; the seed is all that it chooses by.
type written struct {
	writer string
	seed   uint64
}

type script struct {
	template int
	writes   []written
}

// watched plays scripts on a server and holds the property to each state.
type watched struct {
	*testing.T
	real      world.World
	dyn       dynamic.Interface
	templates []*unstructured.Unstructured
	managers  plan.Managers
	plays     int
	states    map[string]int    // how often which verdict was reached
	done      map[string]int    // writes by writer that changed something
	shortest  map[string]script // by what went wrong
	why       map[string]string
}

func newWatched(t *testing.T) *watched {
	c := kubetest.Start(t, kubetest.APIOnly)
	real, err := cluster.New(c.Config, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := dynamic.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{T: t, real: real, dyn: dyn, templates: documents(t, writtenFile), managers: plan.Managers{Own: object.ManagerKustomize},
		states: map[string]int{}, done: map[string]int{}, shortest: map[string]script{}, why: map[string]string{}}
	for _, u := range append(documents(t, thingFile), documents(t, []byte("{apiVersion: v1, kind: Namespace, metadata: {name: drift}}"))...) {
		if _, err := real.Apply(t.Context(), world.Apply{Object: u, Manager: "setup", Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "things are served", func() bool {
		_, err := real.Get(t.Context(), object.Ref{Key: object.Key{Group: "example.com", Kind: "Thing", Namespace: "drift", Name: "x"}, Version: "v1"})
		return apierrors.IsNotFound(err)
	})
	return w
}

func documents(t *testing.T, file []byte) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, doc := range bytes.Split(file, []byte("\n---\n")) {
		data, err := yaml.YAMLToJSON(doc)
		u := &unstructured.Unstructured{}
		if err == nil {
			err = u.UnmarshalJSON(data)
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		all = append(all, u)
	}
	return all
}

// play applies the object, lets the writers write, and returns how the property
// was broken, or "".
func (w *watched) play(s script) string {
	at, ours, mark := w.applied(w.templates[s.template])
	for i := range len(s.writes) + 1 {
		if i > 0 {
			at.rng = rand.New(rand.NewPCG(s.writes[i-1].seed, 2))
			err := writers[s.writes[i-1].writer](at)
			if err == nil {
				w.done[s.writes[i-1].writer]++
			}
		}
		if why := w.holds(ours, mark); why != "" {
			return why
		}
	}
	_ = at.client.Delete(w.Context(), at.desired.GetName(), metav1.DeleteOptions{})
	return ""
}

// applied applies a template under a new name as we do, and returns what writers
// write to, what we apply, and what the watch remembers of it.
func (w *watched) applied(template *unstructured.Unstructured) (*target, world.Apply, hash.ID) {
	w.plays++
	desired := template.DeepCopy()
	desired.SetName(fmt.Sprintf("o%d", w.plays))
	desired.SetNamespace("drift")
	desired.SetLabels(map[string]string{"app": "web", object.OwnerName: "apps", object.OwnerNamespace: "drift"})
	desired.SetAnnotations(map[string]string{"note": "ours"})
	ours := world.Apply{Object: desired, Manager: w.managers.Own, Force: true}
	live, err := w.real.Apply(w.Context(), ours)
	if err != nil {
		w.Fatalf("%s: %v", desired.GetKind(), err)
	}
	m, err := w.real.Kind(w.Context(), desired.GroupVersionKind())
	if err != nil {
		w.Fatal(err)
	}
	at := &target{watched: w, client: w.dyn.Resource(m.GVK.GroupVersion().WithResource(m.Resource)).Namespace("drift"), desired: desired}
	return at, ours, plan.EntryID(live.GetManagedFields(), w.managers.Own)
}

// holds compares what the watch would know with what a dry run says.
func (w *watched) holds(ours world.Apply, mark hash.ID) string {
	live, err := w.real.Get(w.Context(), object.RefOf(ours.Object))
	if apierrors.IsNotFound(err) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	_, intruded := plan.Intruder(live.GetManagedFields(), w.managers)
	settled := plan.EntryID(live.GetManagedFields(), w.managers.Own) == mark && !intruded
	empty, why := w.empty(live, ours)
	if settled && why == onlyOrder {
		w.states["settled, but for the order of items"]++
		return ""
	}
	w.states[fmt.Sprintf("settled %t, dry run empty %t", settled, empty)]++
	switch {
	case settled && !empty:
		return "the watch sees nothing, a dry run changes " + why
	case !settled && empty:
		return "the watch sees drift, a dry run changes nothing"
	}
	return ""
}

// empty tells whether applying ours would leave everything as it is: values,
// owners, and the marks of those that we take over from.
func (w *watched) empty(live *unstructured.Unstructured, ours world.Apply) (bool, string) {
	predicted, err := w.real.Predict(w.Context(), ours)
	if err != nil {
		return false, "nothing: " + err.Error()
	}
	if changes := plan.Drift(live, predicted, plan.Ignore{}, plan.Mask{}); len(changes) > 0 {
		if changes = plan.Drift(unordered(live), unordered(predicted), plan.Ignore{}, plan.Mask{}); len(changes) == 0 {
			return false, onlyOrder
		}
		return false, changes[0].String()
	}
	takeover, err := plan.TakeoverOf(live, w.managers)
	if err != nil || !takeover.IsZero() {
		return false, fmt.Sprintf("what takeover removes: %v %v %v", takeover.From, takeover.Removed, err)
	}
	before, _ := plan.Entry(live.GetManagedFields(), w.managers.Own)
	after, _ := plan.Entry(predicted.GetManagedFields(), w.managers.Own)
	if plan.EntryID(live.GetManagedFields(), w.managers.Own) != plan.EntryID(predicted.GetManagedFields(), w.managers.Own) {
		return false, fmt.Sprintf("owners: %s → %s", before, after)
	}
	return true, ""
}

// onlyOrder is the one difference that managed fields do not hold.
const onlyOrder = "the order of items"

// unordered returns u with the items of every list sorted.
func unordered(u *unstructured.Unstructured) *unstructured.Unstructured {
	u = u.DeepCopy()
	var sort func(v any)
	sort = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, item := range v {
				sort(item)
			}
		case []any:
			for _, item := range v {
				sort(item)
			}
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(toJSON(a), toJSON(b)) })
		}
	}
	sort(u.Object)
	return u
}

// What the watch does not see: it is put right with the next change of the object
// or of what we want, and when somebody asks for a run. docs/behaviour.md says so.
func TestDriftTheWatchDoesNotSee(t *testing.T) {
	w := newWatched(t)
	for name, c := range map[string]struct {
		kind, manager string
		write         func(*unstructured.Unstructured)
		apply         bool
		want          string // what a dry run says
	}{
		"the order of items that have a key": {"Service", "client", func(u *unstructured.Unstructured) {
			ports, _, _ := unstructured.NestedSlice(u.Object, "spec", "ports")
			slices.Reverse(ports)
			_ = unstructured.SetNestedSlice(u.Object, ports, "spec", "ports")
		}, false, onlyOrder},
		"other values applied under our own name": {"ConfigMap", w.managers.Own, func(u *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(u.Object, "9", "data", "a")
		}, true, `/data/a: "9" → "1"`},
		"the mark of a kubectl that wrote under another name": {"ConfigMap", "client", func(u *unstructured.Unstructured) {
			u.SetAnnotations(map[string]string{"note": "ours", lastApplied: "{}"})
		}, false, "what takeover removes"},
	} {
		t.Run(name, func(t *testing.T) {
			i := slices.IndexFunc(w.templates, func(u *unstructured.Unstructured) bool { return u.GetKind() == c.kind })
			at, ours, mark := w.applied(w.templates[i])
			u := at.live()
			if c.apply {
				u = at.desired.DeepCopy()
			}
			c.write(u)
			var err error
			if c.apply {
				_, err = at.client.Apply(t.Context(), u.GetName(), u, metav1.ApplyOptions{FieldManager: c.manager})
			} else {
				_, err = at.client.Update(t.Context(), u, metav1.UpdateOptions{FieldManager: c.manager})
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.EntryID(at.live().GetManagedFields(), w.managers.Own); got != mark {
				t.Error("the entry changed: the watch sees it after all; take it from the exceptions")
			}
			if empty, why := w.empty(at.live(), ours); empty || !strings.Contains(why, c.want) {
				t.Errorf("dry run: got %t, %q; want %q", empty, why, c.want)
			}
		})
	}
}

// counterexample keeps the shortest script that goes wrong in a way: it drops
// writes as long as it still does.
func (w *watched) counterexample(s script, why string) {
	for i := 0; i < len(s.writes); i++ {
		shorter := script{s.template, slices.Delete(slices.Clone(s.writes), i, i+1)}
		if again := w.play(shorter); again != "" {
			s, why, i = shorter, again, -1
		}
	}
	class := w.templates[s.template].GetKind() + " " + s.writers() + ": " + why[:min(60, len(why))]
	if known, found := w.shortest[class]; !found || len(s.writes) < len(known.writes) {
		w.shortest[class], w.why[class] = s, why
	}
}

func (s script) writers() string {
	var names []string
	for _, x := range s.writes {
		names = append(names, fmt.Sprintf("%s(%d)", x.writer, x.seed))
	}
	return strings.Join(names, ", ")
}

func (w *watched) tell(n int) {
	w.Logf("%d scripts: %v; writes that were accepted: %v", n, w.states, w.done)
	for _, writer := range slices.Sorted(maps.Keys(writers)) {
		if w.done[writer] == 0 {
			w.Errorf("no write of %q was accepted", writer)
		}
	}
	classes := slices.SortedFunc(maps.Keys(w.shortest), func(a, b string) int {
		return len(w.shortest[a].writes) - len(w.shortest[b].writes)
	})
	for i, class := range classes {
		w.Errorf("%d of %d: %s %s: %s", i+1, len(classes), w.templates[w.shortest[class].template].GetKind(), w.shortest[class].writers(), w.why[class])
	}
}
