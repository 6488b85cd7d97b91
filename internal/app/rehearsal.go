package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/source/worktree"
)

// rehearsal is an engine that delivers a fleet to an API server, as `leat up` does,
// and what is seen of it.
type rehearsal struct {
	*planning
	cfg    RehearsalConfig
	up     *Up
	news   *Following
	source *delivered
	in     Sandbox

	entries [2]entry.Entry
	work    string // directory of the engine
}

// controllers are the managers of what Kubernetes' own controllers write into
// objects that others applied.
var controllers = []string{"kube-controller-manager", "clusterrole-aggregation-controller"}

// rehearsal makes the engine; nothing is in the sandbox yet. The entries are those
// of both sides.
func (p *Previews) rehearsal(cfg RehearsalConfig, entries [2]entry.Entry, in Sandbox) (*rehearsal, error) {
	c, err := p.connect(in.REST)
	if err != nil {
		return nil, err
	}
	r := &rehearsal{planning: c, cfg: cfg, news: NewFollowing(), source: &delivered{}, in: in, entries: entries}
	if r.work, err = os.MkdirTemp("", "leat-rehearsal-"); err != nil {
		c.close()
		return nil, fmt.Errorf("keep artifacts: %w", err)
	}
	options := cfg.Previews.Options
	options.SimulatedPods = true
	c.local = &LocalSources{Own: []string{entries[0].URL(), entries[1].URL()}, Fleet: r.source, Mirrors: cfg.Previews.Mirrors, Pool: p.pool}
	r.up = &Up{local: c.local, mirror: p.pool, cfg: UpConfig{
		DataDir: r.work, Inputs: cfg.Previews.Inputs, Fetch: cfg.Previews.Fetch, CreateNamespaces: true, Options: options,
		Log: cfg.Previews.Log, Say: func(string, ...any) {}, Finished: r.news.Finished, Removed: r.news.Removed, Isolate: cfg.Previews.Isolate,
	}}
	r.news.Follow(r.up)
	return r, nil
}

func (r *rehearsal) close() {
	r.planning.close()
	_ = os.RemoveAll(r.work) // of the system's temporary directory
}

// play brings the first side up and delivers the second to it; equal ones are
// brought up once. A side that does not have the cluster is empty.
func (r *rehearsal) play(ctx context.Context, sides [2]Revision, drafts [2]draft) (seen [2]rendering, err error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	running := false
	defer func() {
		cancel()
		switch {
		case running:
			err = errors.Join(err, <-ended)
		case r.up.App != nil:
			r.up.App.close()
		}
	}()
	for i, side := range sides {
		switch {
		case drafts[i].err != nil:
			seen[i].fleet = fleet.Rendered{Revision: side.Revision()}
			continue
		case i == 1 && running && side.Tree.Hash() == sides[0].Tree.Hash():
			seen[1] = seen[0]
			continue
		}
		began := time.Now()
		r.up.Entry, r.up.tree = r.entries[i], side.Tree
		if err := r.deliver(ctx, side, drafts[i]); err != nil {
			return seen, err
		}
		if !running {
			running = true
			go func() { ended <- r.up.run(ctx) }()
		}
		if err := r.settle(ctx, side); err != nil {
			return seen, err
		}
		if seen[i].fleet, err = r.seen(ctx, side); err != nil {
			return seen, err
		}
		seen[i].took = time.Since(began)
		if i == 0 && holdsPolicies(seen[i].fleet) {
			if err := pause(ctx, policyRefresh); err != nil {
				return seen, err
			}
		}
	}
	return seen, nil
}

// policyRefresh is how long it may take until an API server holds requests to an
// admission policy that was applied: it reads them anew once a second
// (k8s.io/apiserver v0.36 pkg/admission/plugin/policy/generic, policy_source.go), and
// nothing tells when.
const policyRefresh = 2 * time.Second

// holdsPolicies tells whether a fleet brings admission policies: head must not be
// delivered before they are in force.
func holdsPolicies(f fleet.Rendered) bool {
	return slices.ContainsFunc(f.Units, func(u fleet.Unit) bool {
		return slices.ContainsFunc(u.Objects, func(o fleet.Object) bool {
			return o.Ref.Group == "admissionregistration.k8s.io" && strings.Contains(o.Ref.Kind, "AdmissionPolicy")
		})
	})
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// deliver puts what was made up for a side into the cluster, and its revision where
// the engine reads it. The first one comes with the ground and the entry.
func (r *rehearsal) deliver(ctx context.Context, side Revision, d draft) error {
	r.source.deliver(side.Snapshot)
	if r.up.App == nil {
		if _, err := InstallDefinitions(ctx, r.world); err != nil {
			return err
		}
	}
	if err := put(ctx, r.world, d.made); err != nil {
		return fmt.Errorf("make up what was not given: %w", err)
	}
	if r.up.App == nil {
		return r.up.Install(ctx, r.in.REST)
	}
	if _, err := r.up.ground().namespaces(ctx); err != nil {
		return err
	}
	if !reflect.DeepEqual(r.entries[0], r.entries[1]) {
		if err := r.up.ground().enter(ctx); err != nil {
			return err
		}
	}
	r.up.wakeOwn("another revision was delivered")
	return nil
}

// settle waits until all has come to rest, and tells how far it is.
func (r *rehearsal) settle(ctx context.Context, side Revision) error {
	ctx, cancel := context.WithTimeoutCause(ctx, rehearsalLimit, fmt.Errorf("%s did not come to rest within %s", side.Name, rehearsalLimit))
	defer cancel()
	told := make(chan struct{})
	ticking, stop := context.WithCancel(ctx)
	go func() {
		defer close(told)
		r.tell(ticking, side)
	}()
	settled := r.news.Settle(ctx, r.cfg.Grace)
	stop()
	<-told
	if !settled {
		return context.Cause(ctx)
	}
	return nil
}

// telling is how often it is told how far a rehearsal is.
const telling = 200 * time.Millisecond

func (r *rehearsal) tell(ctx context.Context, side Revision) {
	tick := time.NewTicker(telling)
	defer tick.Stop()
	var last Progress
	for {
		now := Progress{Path: r.up.Entry.Path, Doing: "delivering " + screen.ShortRevision(side.Revision())}
		now.Ready, now.All = r.news.Board().Counts()
		if !reflect.DeepEqual(now, last) {
			r.cfg.Told(now)
			last = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// seen is what stands in the cluster.
func (r *rehearsal) seen(ctx context.Context, side Revision) (fleet.Rendered, error) {
	standing, err := preview.Look(ctx, r.world)
	if err != nil {
		return fleet.Rendered{}, fmt.Errorf("read the cluster: %w", err)
	}
	standing = standing.Undriven(controllers...)
	standing.Runs = r.news.Runs()
	f, _, err := r.fleetIn(r.copy())
	if err != nil {
		return fleet.Rendered{}, err
	}
	defer f.Close()
	f.Take(standing)
	out := f.Rendered(ctx, side.Revision())
	return out, newKeeping(r.world, standing.Objects()).explain(ctx, &out)
}

// delivered is the fleet at the revision that was delivered last.
type delivered struct {
	mu   sync.Mutex
	snap worktree.Snapshot
}

// Read implements Snapshots.
func (d *delivered) Read(context.Context) (worktree.Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.snap, nil
}

func (d *delivered) deliver(snap worktree.Snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.snap = snap
}
