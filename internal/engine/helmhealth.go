package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/live"
)

// Followed tells how the objects of releases are, from one watch per kind.
type Followed interface {
	Follow(ctx context.Context, gvk schema.GroupVersionKind) error
	Seen(key object.Key) (seen live.Seen, exists, followed bool)
	Note(obj *unstructured.Unstructured)
}

// Feed tells those who wait for the objects of releases that they moved.
type Feed struct {
	table Followed

	mu   sync.Mutex
	subs map[object.Key][]chan struct{}
}

// NewFeed returns a feed over a table; Moved must be told of its moves.
func NewFeed(table Followed) *Feed {
	return &Feed{table: table, subs: map[object.Key][]chan struct{}{}}
}

// Moved wakes whoever waits for an object.
func (f *Feed) Moved(key object.Key) {
	f.mu.Lock()
	waiting := f.subs[key]
	delete(f.subs, key)
	f.mu.Unlock()
	for _, ch := range waiting {
		signal(ch)
	}
}

// signal marks a channel of one element, of which one mark is as good as many.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// changed returns a channel that yields once one of the objects moved.
func (f *Feed) changed(refs []object.Ref) <-chan struct{} {
	ch := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ref := range refs {
		f.subs[ref.Key] = append(f.subs[ref.Key], ch)
	}
	return ch
}

// drop forgets a channel of changed.
func (f *Feed) drop(refs []object.Ref, ch <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ref := range refs {
		left := slices.DeleteFunc(f.subs[ref.Key], func(one chan struct{}) bool { return one == ch })
		if f.subs[ref.Key] = left; len(left) == 0 {
			delete(f.subs, ref.Key)
		}
	}
}

// awaiting is helm.Health for one operation. From its first question on the
// operation only waits.
type awaiting struct {
	feed *Feed
	op   *operation
	idle func()

	refs    []object.Ref    // of the last question
	changed <-chan struct{} // nil before the first
}

// forget ends what the last question began: most objects never move.
func (a *awaiting) forget() {
	if a.changed != nil {
		a.feed.drop(a.refs, a.changed)
	}
}

// Health implements helm.Health.
func (a *awaiting) Health(ctx context.Context, ask helm.Ask) (helm.Verdict, <-chan struct{}, error) {
	for _, ref := range ask.Objects {
		if err := a.feed.table.Follow(ctx, ref.GVK()); err != nil {
			return helm.Verdict{}, nil, fmt.Errorf("watch %s: %w", ref.Key, err)
		}
		if _, _, followed := a.feed.table.Seen(ref.Key); !followed { // in another cluster we may not be allowed to
			a.idle()
			return helm.Verdict{}, nil, helm.ErrUnwatched
		}
	}
	if a.changed == nil {
		a.note(ask.Applied)
	}
	a.forget()
	a.refs, a.changed = ask.Objects, a.feed.changed(ask.Objects) // before the look, so that no move is lost
	v, pending := a.feed.verdict(ask)
	if !v.Ready && !v.Failed {
		a.idle()
	}
	a.op.mu.Lock()
	a.op.waits = pending
	a.op.mu.Unlock()
	return v, a.changed, nil
}

// note tells the table what was applied: its watch may be behind, and an object that was
// healthy before would count as healthy since. Others than ours are not followed, and
// what is well because it is there needs no telling.
func (a *awaiting) note(applied []*unstructured.Unstructured) {
	for _, obj := range applied {
		if health.Trivial(obj.GroupVersionKind().GroupKind()) {
			continue
		}
		if obj.GetResourceVersion() != "" && obj.GetLabels()[object.HelmOwnerName] != "" {
			a.feed.table.Note(obj)
		}
	}
}

// Awaits names the objects that an action on a release waits for to become ready; nil
// where none is under way, or it works.
func (e *Engine) Awaits(unit object.Key) []string {
	if op := e.ops.of(unit); op != nil {
		return op.waiting()
	}
	return nil
}

// verdict folds the health of all objects.
func (f *Feed) verdict(ask helm.Ask) (helm.Verdict, []string) {
	var pending, failed, keys []string
	for _, ref := range ask.Objects {
		stands := health.Result{Status: health.NotFound}
		if seen, exists, _ := f.table.Seen(ref.Key); exists {
			stands = seen.Health
		}
		text := stands.Said(ref.String())
		switch stands.Status {
		case health.Current:
		case health.Failed:
			failed = append(failed, text)
		default:
			pending, keys = append(pending, text), append(keys, ref.Key.String())
		}
	}
	if len(failed) > 0 {
		return helm.Verdict{Failed: true, Message: strings.Join(failed, ", ")}, keys
	}
	return helm.Verdict{Ready: len(pending) == 0, Message: strings.Join(pending, ", ")}, keys
}
