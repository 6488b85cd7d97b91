package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/live"
	"github.com/leat-dev/leat/internal/world/memory"
)

// What somebody wrote after they suspended the unit is not put back by a run that
// has not heard of the suspension.
func TestNothingIsPutBackBehindASuspension(t *testing.T) {
	w := memory.New(memory.Options{})
	table := live.NewTold(live.Config{Moved: func(live.Move) {}, Kind: func(context.Context, schema.GroupVersionKind) (world.Mapping, error) { return world.Mapping{}, nil }})
	settings := object.Ref{Key: object.Key{Kind: "ConfigMap", Namespace: "default", Name: "settings"}, Version: "v1"}
	known := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"namespace": "apps", "name": "web", "uid": "1", "generation": int64(1)},
	}}
	present := known.DeepCopy()
	eng := &Engine{Anew: func(context.Context, object.Ref) (*unstructured.Unstructured, error) { return present, nil }}
	m := &memo{}
	level := func() any {
		t.Helper()
		obj, err := w.Get(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		table.Changed(obj)
		level, _, _ := unstructured.NestedString(obj.Object, "data", "level")
		return level
	}
	run := func() error {
		k := &unit.Kustomization{}
		k.Name, k.Namespace = "web", "apps"
		c := &kustomizing{Engine: eng, k: k, raw: known, memo: m, own: w, direct: w, site: &Site{Live: table}, view: view{world: w, rec: &record.Recorder{}}}
		c.that = c.view
		c.built = build.Result{Objects: []build.Object{{Ref: settings, JSON: []byte(
			`{"apiVersion":"v1","data":{"level":"info"},"kind":"ConfigMap","metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":"web","kustomize.toolkit.fluxcd.io/namespace":"apps"},"name":"settings","namespace":"default"}}`)}}}
		return c.apply(t.Context())
	}
	edit := func() {
		_, err := w.Patch(t.Context(), world.Patch{Ref: settings, Type: "application/merge-patch+json", Data: []byte(`{"data": {"level": "debug"}}`), Manager: "kubectl-edit"})
		if err != nil {
			t.Fatal(err)
		}
		level()
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if got := level(); got != "info" {
		t.Fatalf("applied: got %v, want info", got)
	}

	edit()
	present.SetGeneration(2)
	if err := run(); !errors.Is(err, errBehind) {
		t.Errorf("a run behind a suspension: got %v, want %v", err, errBehind)
	}
	if got := level(); got != "debug" {
		t.Errorf("what was written after the suspension: got %v, want debug", got)
	}
	present.SetGeneration(1)
	if err := run(); err != nil || level() != "info" {
		t.Errorf("drift of a unit that is as it was: got %v, %v, want info", level(), err)
	}
	edit()
	eng.Anew = func(context.Context, object.Ref) (*unstructured.Unstructured, error) {
		return nil, errors.New("no answer")
	}
	if err := run(); report.AsProblem(err, "").Class != report.Retrying || level() != "debug" {
		t.Errorf("nobody could be asked: got %v, %v, want another try", level(), err)
	}
}

// An action is recalled before its turn, and never after.
func TestOperationsAreRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ops operations
		ops.start(t.Context(), 1)
		end := make(chan struct{})
		var told []string
		begin := func(name string) object.Key {
			key := object.Key{Kind: "HelmRelease", Name: name}
			ops.begin(key, &operation{}, func(ctx context.Context, _ func()) finished {
				<-end
				return finished{}
			}, func() { told = append(told, name) })
			synctest.Wait()
			return key
		}
		working, waiting := begin("working"), begin("waiting")
		if ops.recall(working) {
			t.Error("an action that works was recalled")
		}
		if !ops.recall(waiting) {
			t.Error("an action that waits for its turn was not recalled")
		}
		synctest.Wait()
		got := ops.ended(waiting, "")
		if len(got) != 1 || !got[0].never || !errors.Is(got[0].done.Err, errObsolete) || len(told) != 1 {
			t.Errorf("got %+v, told %v; want the end of one that never began", got, told)
		}
		if ops.recall(waiting) {
			t.Error("an action that is not there was recalled")
		}
		close(end)
		ops.wait.Wait()
		if got := ops.ended(working, ""); len(got) != 1 || got[0].done.Err != nil || got[0].never {
			t.Errorf("got %+v, want the action to end by itself", got)
		}
	})
}
