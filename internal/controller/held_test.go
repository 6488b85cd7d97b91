package controller

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/world"
)

// mute is a world that is asked for kinds only, and knows none.
type mute struct{ World }

func (mute) Kind(context.Context, schema.GroupVersionKind) (world.Mapping, error) {
	return world.Mapping{}, errors.New("not known")
}

func secretNamed(name string) object.Key {
	return object.Key{Kind: "Secret", Namespace: "apps", Name: name}
}

// A unit is removed at the moment in which another one's run has read a Secret and does
// not wait on it yet: the watch stays. Those that nobody needs any more go once there
// are many, also where no unit is removed.
func TestWatchesOfWhatRunsRead(t *testing.T) {
	read, web := secretNamed("read"), object.Key{Kind: "Kustomization", Namespace: "apps", Name: "web"}
	c := &Controller{cfg: Config{World: mute{}}}
	c.named, c.remotes = newNamed(nil, nil, nil), newRemotes(c, nil)
	begin := func(key object.Key) { c.named.watches[key] = &namedWatch{cancel: func() {}} }
	watched := func() bool { return c.named.watches[read] != nil }
	begin(read)
	c.loop = sched.NewLoop(nil, func(ctx context.Context, r sched.Run) sched.Finished {
		subjects, taken := c.follow(ctx, report.Report{Unit: web, Reads: record.Set{{Space: record.Object, Key: engine.Subject(read)}}})
		c.named.prune(c.awaited)
		if !watched() {
			t.Error("the watch of what a run has just read was ended")
		}
		for i := range 2*roomy + 1 {
			begin(secretNamed(fmt.Sprint("old", i)))
		}
		return sched.Finished{Unit: r.Unit, Subjects: subjects, Taken: taken}
	})
	ctx, cancel := context.WithCancel(t.Context())
	c.loop.Start(ctx)
	c.loop.Send(sched.Wake{Unit: web})
	for snap, changed := c.loop.Look(); !snap.Idle; snap, changed = c.loop.Look() {
		<-changed
	}
	cancel()
	c.loop.Wait()
	if len(c.named.watches) != 1 || !watched() {
		t.Errorf("%d watches are left, that of the Secret: %v; want that one alone", len(c.named.watches), watched())
	}
	if len(c.held.by) != 0 {
		t.Errorf("held after the run: %v", c.held.by)
	}
}
