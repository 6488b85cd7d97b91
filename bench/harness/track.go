package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/leat-dev/leat/bench/kube"
)

// tracker follows objects through one watch, and tells when goals are reached.
type tracker struct {
	done chan struct{} // closed when the watch has ended

	mu    sync.Mutex
	known map[string]state
	goals map[*goal]bool
}

// track watches until ctx ends. A watch that fails before fails the lab: a figure
// with a hole in it is none.
func track(ctx context.Context, l *lab, w kube.Watch) *tracker {
	t := &tracker{done: make(chan struct{}), known: map[string]state{}, goals: map[*goal]bool{}}
	started := make(chan struct{})
	go func() {
		defer close(t.done)
		once := sync.OnceFunc(func() { close(started) })
		defer once()
		if err := l.follow(ctx, w, once, t.see); err != nil && ctx.Err() == nil {
			l.fail(err)
		}
	}()
	<-started
	return t
}

func (t *tracker) see(e kube.Event) {
	s, err := decodeState(e.Object)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Type == "DELETED" {
		delete(t.known, s.key())
	} else {
		t.known[s.key()] = s
	}
	for g := range t.goals {
		g.note(s, e.Type != "DELETED" && g.ok(s), e.At)
	}
}

// goal is a number of objects that pass a test, all at the same time.
type goal struct {
	tracker *tracker
	want    int
	ok      func(state) bool
	passed  map[string]time.Time // since when, by key
	reached chan struct{}
}

// expect sets a goal. Objects that pass already count as passed now.
func (t *tracker) expect(want int, ok func(state) bool) *goal {
	g := &goal{tracker: t, want: want, ok: ok, passed: map[string]time.Time{}, reached: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.goals[g] = true
	now := time.Now()
	for _, s := range t.known {
		g.note(s, ok(s), now)
	}
	return g
}

// note records one object. The tracker is locked.
func (g *goal) note(s state, passes bool, at time.Time) {
	_, before := g.passed[s.key()]
	switch {
	case g.isReached():
		return
	case !passes:
		delete(g.passed, s.key())
	case !before:
		g.passed[s.key()] = at
	}
	if len(g.passed) == g.want {
		close(g.reached)
		delete(g.tracker.goals, g)
	}
}

func (g *goal) isReached() bool {
	select {
	case <-g.reached:
		return true
	default:
		return false
	}
}

// wait returns when each object passed, sorted, as time since start.
func (g *goal) wait(ctx context.Context, start time.Time) ([]time.Duration, error) {
	select {
	case <-g.reached:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w\n%s", context.Cause(ctx), g.missing())
	}
	g.tracker.mu.Lock()
	defer g.tracker.mu.Unlock()
	var took []time.Duration
	for _, at := range g.passed {
		took = append(took, max(at.Sub(start), 0))
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	return took, nil
}

// maxShown is how many objects or differences an error lists.
const maxShown = 5

func (g *goal) missing() string {
	g.tracker.mu.Lock()
	defer g.tracker.mu.Unlock()
	lines := []string{fmt.Sprintf("%d of %d are there; of the others:", len(g.passed), g.want)}
	var others []string
	for key, s := range g.tracker.known {
		if _, ok := g.passed[key]; !ok {
			others = append(others, "  "+s.why())
		}
	}
	sort.Strings(others)
	return strings.Join(append(lines, others[:min(len(others), maxShown)]...), "\n")
}

// of returns what is known of an object, by namespace and name.
func (t *tracker) of(key string) (state, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.known[key]
	return s, ok
}

// quantile returns the value below which a part p of the sorted list lies.
func quantile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}
