package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/leat-dev/leat/bench/kube"
)

// sighting waits for one object to pass tests, one after the other.
type sighting struct {
	seen []chan time.Time // closed after the one value
	stop context.CancelFunc
	err  error
	done chan struct{}
}

// watchOne watches an object and returns once the watch stands. Each test is
// asked of each event until it passes, then the next one is; a deleted object is
// shown as nil.
func (l *lab) watchOne(ctx context.Context, t kube.Target, tests ...func(live map[string]any) bool) *sighting {
	ctx, stop := context.WithCancel(ctx)
	s := &sighting{stop: stop, done: make(chan struct{})}
	for range tests {
		s.seen = append(s.seen, make(chan time.Time, 1))
	}
	started := make(chan struct{})
	once := sync.OnceFunc(func() { close(started) })
	go func() {
		defer close(s.done)
		defer once()
		next := 0
		w := kube.Watch{Kind: t.Kind, Namespace: t.Namespace, Name: t.Name}
		s.err = l.follow(ctx, w, once, func(e kube.Event) {
			var live map[string]any
			if e.Type != "DELETED" && json.Unmarshal(e.Object, &live) != nil {
				return
			}
			if next < len(tests) && tests[next](live) {
				s.seen[next] <- e.At
				next++
			}
		})
	}()
	<-started
	return s
}

// wait returns when test i passed.
func (s *sighting) wait(ctx context.Context, i int) (time.Time, error) {
	select {
	case at := <-s.seen[i]:
		return at, nil
	case <-s.done:
		return time.Time{}, fmt.Errorf("watch one object: %w", s.err)
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

func (s *sighting) close() {
	s.stop()
	<-s.done
}
