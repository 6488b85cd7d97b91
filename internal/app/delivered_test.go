package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/world"
)

// stepped is a clock on which every wait is over at once.
type stepped struct {
	now   time.Time
	waits []time.Duration
}

func (c *stepped) Now() time.Time { return c.now }

func (c *stepped) After(d time.Duration) <-chan time.Time {
	c.now, c.waits = c.now.Add(d), append(c.waits, d)
	done := make(chan time.Time, 1)
	done <- c.now
	return done
}

// unserved is a cluster that answers nothing.
type unserved struct {
	world.Reader
	asked int
}

func (u *unserved) Kind(context.Context, schema.GroupVersionKind) (world.Mapping, error) {
	u.asked++
	return world.Mapping{}, errors.New("connection refused")
}

// A watch asks until its time is over, and not a moment longer; it asks once in any
// case, and says what it could not ask.
func TestWatchEndsWithThePromise(t *testing.T) {
	for name, c := range map[string]struct {
		within time.Duration
		asked  int
		last   time.Duration // wait
	}{"ten minutes": {10 * time.Minute, 5, time.Minute}, "no time": {0, 1, 0}} {
		clock, cluster := &stepped{now: time.Unix(0, 0)}, &unserved{}
		told := 0
		out := WatchDelivery(t.Context(), WatchConfig{
			Running: carry.Running{Followers: []flow.Environment{{Name: "dev", Context: "dev"}, {Name: "prod"}}},
			Every:   3 * time.Minute, Within: c.within, Clock: clock, Tell: func(Watched) { told++ },
			Connect: func(e flow.Environment) (world.Reader, error) {
				if e.Context == "" {
					return nil, errors.New("no context")
				}
				return cluster, nil
			},
		})
		if cluster.asked != c.asked || told != 1 {
			t.Errorf("%s: asked %d times and told %d, want %d and once", name, cluster.asked, told, c.asked)
		}
		if n := len(clock.waits); n > 0 && clock.waits[n-1] != c.last || n != c.asked-1 {
			t.Errorf("%s: waited %v", name, clock.waits)
		}
		if out[0].Done() || out[0].Err != "list units: connection refused" || out[1].Done() || out[1].Err != "no context" {
			t.Errorf("%s: got %+v", name, out)
		}
	}
}
