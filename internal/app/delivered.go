package app

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/repo"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// WatchConfig says which environments must come to run a commit.
type WatchConfig struct {
	Running carry.Running
	Commit  repo.Hash
	// Connect opens the cluster of an environment.
	Connect func(flow.Environment) (world.Reader, error)
	// Every is how often clusters are asked, Within how long it may take. Each is asked
	// once in any case.
	Every, Within time.Duration
	// Clock is nil for this machine's.
	Clock Clock
	// Tell is called when something has moved.
	Tell func(Watched)
}

// Clock is what a watch goes by.
type Clock interface {
	Now() time.Time
	After(time.Duration) <-chan time.Time
}

type machineClock struct{}

func (machineClock) Now() time.Time                         { return time.Now() }
func (machineClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Watched is an environment on its way.
type Watched struct {
	Environment string `json:"environment"`
	carry.Delivery
	// Took is how long it was watched.
	Took time.Duration `json:"took"`
	Err  string        `json:"error,omitempty"` // the cluster cannot be asked
}

// Done tells whether it has arrived.
func (w Watched) Done() bool { return w.Err == "" && w.Stage == carry.Healthy }

// WatchDelivery asks the clusters of all environments that follow a branch until each
// runs the commit and is healthy, the time is over, or ctx ends. It returns how each
// stands then.
func WatchDelivery(ctx context.Context, cfg WatchConfig) []Watched {
	if cfg.Clock == nil {
		cfg.Clock = machineClock{}
	}
	began := cfg.Clock.Now()
	out, worlds := cfg.open()
	for {
		took := cfg.Clock.Now().Sub(began)
		waiting := false
		for i, w := range worlds {
			if w == nil || out[i].Done() {
				continue
			}
			was := out[i]
			out[i] = cfg.look(ctx, w, was, took)
			if moved := was.Stage != out[i].Stage || was.Why != out[i].Why || was.Err != out[i].Err; moved && cfg.Tell != nil && ctx.Err() == nil {
				cfg.Tell(out[i])
			}
			waiting = waiting || !out[i].Done()
		}
		if !waiting || took >= cfg.Within {
			return out
		}
		select {
		case <-ctx.Done():
			return out
		case <-cfg.Clock.After(min(cfg.Every, cfg.Within-took)):
		}
	}
}

// open connects with the clusters; nil stands for one that cannot be asked.
func (cfg WatchConfig) open() ([]Watched, []world.Reader) {
	out := make([]Watched, len(cfg.Running.Followers))
	worlds := make([]world.Reader, len(out))
	for i, e := range cfg.Running.Followers {
		out[i].Environment = e.Name
		var err error
		if worlds[i], err = cfg.Connect(e); err != nil {
			worlds[i], out[i].Err = nil, err.Error()
		}
	}
	return out, worlds
}

// look asks one cluster once. What it cannot say now it may say later.
func (cfg WatchConfig) look(ctx context.Context, w world.Reader, was Watched, took time.Duration) Watched {
	units, err := unitsOf(ctx, w)
	if err != nil {
		if ctx.Err() == nil {
			was.Err, was.Took = err.Error(), took
		}
		return was
	}
	of := carry.Of{Repository: cfg.Running.Repo.URL(), Branch: cfg.Running.Branch, Has: carry.RevisionHas(cfg.holds)}
	return Watched{Environment: was.Environment, Delivery: carry.Delivered(units, of), Took: took}
}

// holds tells whether a commit holds the one that is watched.
func (cfg WatchConfig) holds(commit string) bool {
	if commit == cfg.Commit.String() {
		return true
	}
	id, err := cfg.Running.Repo.Resolve(commit)
	if err != nil {
		return false // newer than what was fetched: the next fetch knows it
	}
	has, err := cfg.Running.Repo.Contains(id, cfg.Commit)
	return err == nil && has
}

// unitsOf are the units of a cluster, and the workloads that units made.
func unitsOf(ctx context.Context, w world.Reader) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, kind := range []schema.GroupKind{
		{Group: object.GroupSource, Kind: unit.GitRepositoryKind}, {Group: object.GroupKustomize, Kind: unit.KustomizationKind},
		{Group: object.GroupHelm, Kind: unit.HelmReleaseKind}, {Group: object.GroupSource, Kind: unit.HelmRepositoryKind},
	} {
		list, err := listOf(ctx, w, kind, nil)
		if err != nil {
			return nil, fmt.Errorf("list units: %w", err)
		}
		out = append(out, list...)
	}
	for _, kind := range carry.Workloads {
		for _, owned := range []string{object.OwnerName, object.HelmOwnerName} {
			made, err := labels.Parse(owned)
			if err != nil {
				return nil, err
			}
			list, err := listOf(ctx, w, kind, made)
			if err != nil {
				return nil, fmt.Errorf("list workloads: %w", err)
			}
			out = append(out, list...)
		}
	}
	return out, nil
}

// listOf lists a kind; one that the cluster does not serve is empty.
func listOf(ctx context.Context, w world.Reader, kind schema.GroupKind, in labels.Selector) ([]*unstructured.Unstructured, error) {
	served, err := w.Kind(ctx, kind.WithVersion(""))
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return w.List(ctx, served.GVK, world.Selection{Labels: in})
}
