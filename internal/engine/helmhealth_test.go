package engine

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/live"
)

// slow is a table in which one object is not ready.
type slow struct{ not object.Key }

func (slow) Follow(context.Context, schema.GroupVersionKind) error { return nil }

func (slow) Note(*unstructured.Unstructured) {}

func (s slow) Seen(key object.Key) (live.Seen, bool, bool) {
	status := health.Current
	if key == s.not {
		status = health.InProgress
	}
	return live.Seen{Health: health.Result{Status: status}}, true, true
}

// However often an operation asks, and however it ends: what never moves keeps nothing
// of it.
func TestWaitingForObjectsThatNeverMoveKeepsNothing(t *testing.T) {
	ref := func(kind string) object.Ref {
		return object.Ref{Key: object.Key{Kind: kind, Namespace: "apps", Name: "web"}, Version: "v1"}
	}
	feed := NewFeed(slow{ref("Pod").Key})
	waits := &awaiting{feed: feed, op: &operation{}, idle: func() {}}
	ask := helm.Ask{Objects: []object.Ref{ref("Pod"), ref("ConfigMap"), ref("Service")}}
	for range 10 {
		verdict, changed, err := waits.Health(t.Context(), ask)
		if err != nil || verdict.Ready || verdict.Failed {
			t.Fatalf("got %+v, %v; want to wait", verdict, err)
		}
		feed.Moved(ref("Pod").Key)
		<-changed
	}
	for key, waiting := range feed.subs {
		if len(waiting) != 1 {
			t.Errorf("%d wait for %s, want the last question alone", len(waiting), key)
		}
	}
	waits.forget()
	if len(feed.subs) != 0 {
		t.Errorf("after the operation: %v", feed.subs)
	}
}

// behind is a table whose watch has told nothing since an object was healthy.
type behind struct{ stands map[object.Key]health.Result }

func (behind) Follow(context.Context, schema.GroupVersionKind) error { return nil }

func (b behind) Note(obj *unstructured.Unstructured) {
	b.stands[object.KeyOf(obj)] = health.Of(obj, health.Rules{})
}

func (b behind) Seen(key object.Key) (live.Seen, bool, bool) {
	return live.Seen{Health: b.stands[key]}, true, true
}

// What was healthy before an upgrade does not count as healthy after it: what was applied
// does. Later questions are answered by the watch alone.
func TestWaitingIsForWhatWasApplied(t *testing.T) {
	deployment := func(labels map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": "web", "namespace": "apps", "resourceVersion": "11", "generation": int64(2), "labels": labels},
			"spec":     map[string]any{"replicas": int64(1)},
			"status": map[string]any{
				"observedGeneration": int64(1), "replicas": int64(1), "updatedReplicas": int64(1), "readyReplicas": int64(1), "availableReplicas": int64(1),
				"conditions": []any{map[string]any{"type": "Available", "status": "True"}},
			},
		}}
	}
	ours := map[string]any{object.HelmOwnerName: "web", object.HelmOwnerNamespace: "apps"}
	for name, c := range map[string]struct {
		applied []*unstructured.Unstructured
		ready   bool
	}{
		"nothing was applied": {nil, true},
		"an upgrade":          {[]*unstructured.Unstructured{deployment(ours)}, false},
		"what nobody follows": {[]*unstructured.Unstructured{deployment(map[string]any{})}, true},
	} {
		key := object.KeyOf(deployment(ours))
		table := behind{map[object.Key]health.Result{key: {Status: health.Current}}}
		waits := &awaiting{feed: NewFeed(table), op: &operation{}, idle: func() {}}
		ask := helm.Ask{Objects: []object.Ref{{Key: key, Version: "v1"}}, Applied: c.applied}
		if got, _, err := waits.Health(t.Context(), ask); err != nil || got.Ready != c.ready {
			t.Errorf("%s: got %+v, %v; want ready %v", name, got, err, c.ready)
		}
		table.stands[key] = health.Result{Status: health.Current}
		if got, _, err := waits.Health(t.Context(), ask); err != nil || !got.Ready {
			t.Errorf("%s, and the watch has told: got %+v, %v", name, got, err)
		}
	}
}
