package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/isolate"
)

const (
	// maxBuild is how long a build may take in a child.
	maxBuild = 5 * time.Minute
	// heavyAgain is after how long a build that met a bound is tried again, though
	// nothing that it is made of has changed.
	heavyAgain = 30 * time.Minute
	// maxStopped bounds how many such builds are remembered.
	maxStopped = 1000
)

// heavy does builds that are too much for this process in children of it, and remembers
// those that were too much for them. It implements build.Apart.
type heavy struct {
	pool  *isolate.Pool
	now   func() time.Time
	limit time.Duration // of one build

	mu      sync.Mutex
	stopped map[hash.ID]stopped
}

// stopped is a build that met a bound.
type stopped struct {
	err error
	at  time.Time
}

// newHeavy returns a pool beside that of charts, half as many: neither waits for the
// other.
func newHeavy(cfg isolate.Config) *heavy {
	if cfg.Children == 0 {
		cfg.Children = isolate.DefaultChildren
	}
	cfg.Children = max(1, cfg.Children/2)
	return &heavy{pool: isolate.NewPool(cfg), now: time.Now, limit: maxBuild, stopped: map[hash.ID]stopped{}}
}

// apart is h for builds; nil where there is none.
func (h *heavy) apart() build.Apart {
	if h == nil {
		return nil
	}
	return h
}

func (h *heavy) close() {
	if h != nil {
		h.pool.Close()
	}
}

// Build implements build.Apart.
func (h *heavy) Build(ctx context.Context, job build.Heavy) ([]byte, error) {
	if err := h.before(job.ID); err != nil {
		return nil, err
	}
	out, err := h.pool.Do(ctx, isolate.Job{
		Work: build.WorkName, Input: job.Input, Timeout: h.limit, Share: job.Namespace, Questions: job.Questions, Answer: job.Answer,
	})
	var died *isolate.Died
	if !errors.As(err, &died) {
		return out, err
	}
	if died.Bound == isolate.Killed {
		return nil, fmt.Errorf("kustomize build of %s failed: %w; it will be tried again", nameOf(job), died)
	}
	err = fmt.Errorf("kustomize build of %s was stopped, so that others are not disturbed: %w; %s; let patches, replacements and transformers select fewer objects, or split it into several Kustomizations",
		nameOf(job), died, job.Why)
	h.remember(job.ID, err)
	return nil, err
}

func nameOf(job build.Heavy) string {
	if job.Name == "" {
		return "the kustomization"
	}
	return "Kustomization " + job.Namespace + "/" + job.Name
}

// before returns how an equal build was stopped not long ago.
func (h *heavy) before(id hash.ID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, known := h.stopped[id]
	if !known || h.now().Sub(s.at) > heavyAgain {
		return nil
	}
	return s.err
}

func (h *heavy) remember(id hash.ID, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.stopped) >= maxStopped {
		clear(h.stopped)
	}
	h.stopped[id] = stopped{err, h.now()}
}
