package preview

import (
	"context"
	"runtime"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world/memory"
)

// ahead builds Kustomizations beside the runs, which go one after the other: what a
// run will ask for is there when its turn comes. Results are those of the runs; only
// who waits for a build is another. The zero value builds nothing.
type ahead struct {
	build func(*unstructured.Unstructured)
	ended func() error

	mu      sync.Mutex
	waiting []*unstructured.Unstructured
	working bool
	wait    sync.WaitGroup
}

// maxAhead bounds what waits to be built ahead: beyond it, the runs build.
const maxAhead = 10_000

// lookAhead has the fleet build ahead until ctx ends: where there is a processor for
// it, and where looking at the world costs no request.
func (f *Fleet) lookAhead(ctx context.Context) {
	if _, here := f.cfg.World.(*memory.World); here && runtime.GOMAXPROCS(0) > 1 {
		f.ahead.build = func(obj *unstructured.Unstructured) { f.cfg.Engine.Ahead(ctx, f.cfg.World, obj) }
		f.ahead.ended = ctx.Err
	}
}

// add has a unit built when those before it are; what is no Kustomization is not.
func (a *ahead) add(obj *unstructured.Unstructured) {
	if a.build == nil || obj == nil || obj.GetKind() != unit.KustomizationKind {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) >= maxAhead {
		return
	}
	a.waiting = append(a.waiting, obj)
	if !a.working {
		a.working = true
		a.wait.Go(a.work)
	}
}

// work builds until nothing waits.
func (a *ahead) work() {
	for obj := a.next(); obj != nil; obj = a.next() {
		a.build(obj)
	}
}

// next takes what waits longest; with nil the work is over.
func (a *ahead) next() *unstructured.Unstructured {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 || a.ended() != nil {
		a.waiting, a.working = nil, false
		return nil
	}
	out := a.waiting[0]
	a.waiting = a.waiting[1:]
	return out
}
