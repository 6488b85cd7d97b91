package controller

import (
	"context"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// openWithin bounds how long a new artifact may take to be opened before it
// counts as one that touches everything: its file may have to be fetched from
// another process, and the units that build from it wait for this.
const openWithin = 5 * time.Second

// impacts finds out what a new artifact changes, beside the watch that told of
// it: one artifact of a source at a time, in order, and of those that come
// meanwhile only the newest.
type impacts struct {
	open func(context.Context, *meta.Artifact) (tree.Tree, error)
	// found is told of the artifact; the tree is nil where it is not known.
	found func(ctx context.Context, source object.Key, a artifact, t *tree.Tree)
	// ended is told when nothing of a source is left to do.
	ended func()

	mu      sync.Mutex
	ctx     context.Context
	working map[object.Key]bool
	next    map[object.Key]artifact
	stopped bool
	wait    sync.WaitGroup
}

// artifact is one that a source went to, and whether to look into it.
type artifact struct {
	is   *meta.Artifact
	look bool
}

// start gives the context that ends all work.
func (i *impacts) start(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ctx, i.working, i.next = ctx, map[object.Key]bool{}, map[object.Key]artifact{}
}

// push takes the new artifact of a source. It returns at once.
func (i *impacts) push(source object.Key, a artifact) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ctx == nil || i.stopped {
		return
	}
	ctx := i.ctx
	i.next[source] = a
	if i.working[source] {
		return
	}
	i.working[source] = true
	i.wait.Go(func() {
		for i.one(ctx, source) {
		}
		i.ended()
	})
}

// one looks into the newest artifact of a source, if there is one.
func (i *impacts) one(ctx context.Context, source object.Key) bool {
	i.mu.Lock()
	a, more := i.next[source]
	delete(i.next, source)
	if !more {
		delete(i.working, source)
	}
	i.mu.Unlock()
	if !more || ctx.Err() != nil {
		return more
	}
	i.found(ctx, source, a, i.look(ctx, a))
	return true
}

// look opens an artifact; nil touches everything.
func (i *impacts) look(ctx context.Context, a artifact) *tree.Tree {
	if !a.look {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	t, err := i.open(ctx, a.is)
	if err != nil {
		return nil
	}
	return &t
}

// len is the number of sources that are looked into.
func (i *impacts) len() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.working)
}

// stop takes nothing more and returns when all has ended; the context of start has
// ended before.
func (i *impacts) stop() {
	i.mu.Lock()
	i.stopped = true
	i.mu.Unlock()
	i.wait.Wait()
}
