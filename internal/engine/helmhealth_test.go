package engine

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/live"
)

// slow is a table in which one object is not ready.
type slow struct{ not object.Key }

func (slow) Follow(context.Context, schema.GroupVersionKind) error { return nil }

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
