package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
)

// While everything drains, an action under way ends and is told of; one that waits
// for its turn, or comes, is left to the next process, and is no failure.
func TestOperationsDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ops operations
		ops.start(t.Context(), 1)
		var told []string
		end := make(chan struct{})
		failed := errors.New("the action failed")
		begin := func(name string) object.Key {
			key := object.Key{Kind: "HelmRelease", Name: name}
			ops.begin(key, &operation{}, func(context.Context, func()) finished {
				<-end
				return finished{done: release.Done{Err: failed}}
			}, func() { told = append(told, name) })
			synctest.Wait()
			return key
		}
		working, waiting := begin("working"), begin("waiting")
		ops.drain()
		ops.drain()
		late := begin("late")
		synctest.Wait()
		if ops.of(waiting) != nil || ops.of(late) != nil || ops.of(working) == nil {
			t.Error("want only the action that works to be under way")
		}
		close(end)
		ops.wait.Wait()
		if want := []string{"working"}; !slices.Equal(told, want) {
			t.Errorf("told: got %q, want %q", told, want)
		}
		if got := ops.ended(working, ""); len(got) != 1 || !errors.Is(got[0].done.Err, failed) {
			t.Errorf("got %v, want the end of the action", got)
		}
		if got := append(ops.ended(waiting, ""), ops.ended(late, "")...); len(got) != 0 {
			t.Errorf("got %v, want no end of what never began", got)
		}
	})
}

// Actions of one namespace that do not end leave slots to others.
func TestNoNamespaceHasAllSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 8
		var ops operations
		ops.start(t.Context(), slots)
		end := make(chan struct{})
		var mu sync.Mutex
		working := map[string]int{}
		begin := func(namespace, name string) {
			ops.begin(object.Key{Kind: "HelmRelease", Namespace: namespace, Name: name}, &operation{}, func(context.Context, func()) finished {
				mu.Lock()
				working[namespace]++
				mu.Unlock()
				<-end
				return finished{}
			}, func() {})
			synctest.Wait()
		}
		for i := range 2 * slots {
			begin("greedy", string(rune('a'+i)))
		}
		begin("modest", "a")
		if want := slots - slots/spared; working["greedy"] != want || working["modest"] != 1 {
			t.Errorf("got %v at work, want %d of the first namespace and one of the other", working, want)
		}
		close(end)
		ops.wait.Wait()
		if working["greedy"] != 2*slots {
			t.Errorf("%d actions worked in the end, want all %d", working["greedy"], 2*slots)
		}
	})
}
