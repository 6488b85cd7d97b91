package oci

import (
	"context"
	"errors"
	"sync"
	"time"
)

// flights lets all who ask the same share one answer: those who ask at once,
// and those for whom an answer of a moment ago will do.
type flights[T any] struct {
	now func() time.Time
	// keep is how many answers are remembered; 0 shares only among those who
	// ask at once. Errors are never remembered.
	keep int

	mu sync.Mutex
	by map[string]*flight[T]
}

type flight[T any] struct {
	began time.Time
	done  chan struct{}
	out   T
	err   error
}

// question is what is asked, and how old the answer may be.
type question struct {
	key   string
	since time.Time
}

// errLost is what is left of a flight whose leader panicked.
var errLost = errors.New("the request broke off")

// get returns an answer that was asked for at or after q.since; ask makes one.
func (f *flights[T]) get(ctx context.Context, q question, ask func(context.Context) (T, error)) (T, error) {
	for {
		fl, lead := f.join(q)
		if lead {
			return f.lead(ctx, q.key, fl, ask)
		}
		select {
		case <-fl.done:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
		if ctx.Err() == nil && isOver(fl.err) {
			continue // the context that ended was that of another
		}
		return fl.out, fl.err
	}
}

func isOver(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (f *flights[T]) join(q question) (fl *flight[T], lead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.by[q.key]; ok && !fl.began.Before(q.since) {
		return fl, false
	}
	if f.by == nil {
		f.by = map[string]*flight[T]{}
	}
	fl = &flight[T]{began: f.now(), done: make(chan struct{}), err: errLost}
	f.by[q.key] = fl
	return fl, true
}

func (f *flights[T]) lead(ctx context.Context, key string, fl *flight[T], ask func(context.Context) (T, error)) (T, error) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.by[key] == fl && (fl.err != nil || f.keep == 0) {
			delete(f.by, key)
		}
		f.trim()
		close(fl.done)
	}()
	fl.out, fl.err = ask(ctx)
	return fl.out, fl.err
}

// trim forgets the oldest answers beyond what is kept.
func (f *flights[T]) trim() {
	for f.keep > 0 && len(f.by) > f.keep {
		oldest := ""
		for key, fl := range f.by {
			if oldest == "" || fl.began.Before(f.by[oldest].began) {
				oldest = key
			}
		}
		delete(f.by, oldest)
	}
}
