package live

import (
	"context"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/leat-dev/leat/internal/world"
)

// A kind goes with its definition while somebody begins to watch it: nobody waits for a
// first list that does not come, and it can be watched once it is back.
func TestFollowOfAKindThatGoes(t *testing.T) {
	widgets := schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
	kind := widgets.GroupVersion().WithKind("Widget")
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{widgets: "WidgetList"})
	var served, known atomic.Bool
	known.Store(true)
	asked := make(chan struct{}, 100)
	client.PrependReactor("list", "widgets", func(clienttesting.Action) (bool, runtime.Object, error) {
		asked <- struct{}{}
		return !served.Load(), nil, apierrors.NewNotFound(widgets.GroupResource(), "")
	})
	client.PrependWatchReactor("widgets", func(clienttesting.Action) (bool, watch.Interface, error) { // lists are asked for by a watch first
		return true, nil, apierrors.NewNotFound(widgets.GroupResource(), "")
	})
	ctx, cancel := context.WithCancel(t.Context())
	table := New(ctx, Config{Dynamic: client, Metadata: metadatafake.NewSimpleMetadataClient(runtime.NewScheme()), Moved: func(Move) {}, Kind: func(context.Context, schema.GroupVersionKind) (world.Mapping, error) {
		if !known.Load() {
			return world.Mapping{}, &meta.NoKindMatchError{GroupKind: kind.GroupKind()}
		}
		return world.Mapping{GVK: kind, Resource: "widgets", Namespaced: true}, nil
	}})
	t.Cleanup(func() {
		cancel()
		table.Wait()
	})
	follow := func() <-chan error {
		done := make(chan error, 1)
		go func() { done <- table.Follow(t.Context(), kind) }()
		<-asked
		return done
	}
	gone := follow()
	known.Store(false)
	if err := <-gone; !meta.IsNoMatchError(err) {
		t.Errorf("a kind that nobody serves any more: got %v, want that there is none", err)
	}
	known.Store(true)
	back := follow()
	served.Store(true)
	table.Unfollow(widgets.GroupResource())
	if err := <-back; err != nil {
		t.Errorf("a kind that came back: %v", err)
	}
}
