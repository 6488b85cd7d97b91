package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/check"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/isolate"
	"github.com/leat-dev/leat/internal/keeper"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/source/git/wire"
	"github.com/leat-dev/leat/internal/source/worktree"
	"github.com/leat-dev/leat/internal/tree"
)

// What a gate renders was written by whoever opened a pull request. It is rendered in a
// child of this program (package isolate): with no environment and so no token, with
// bounds on memory, time, and on the number and size of files, and without a
// network where the system lets us take it. A pull request from a fork is given neither
// the objects from outside of Git (--input, where the keys of secrets are) nor --fetch.

// factsName names the work of a child.
const factsName = "facts"

// factsJob is one rendering, as a child is told of it. It holds names of files, and no
// secret.
type factsJob struct {
	keeper.Rendering
	Repository string // the kept copy
	Dir        string // of the fleet in it
	Cache      string // for the child alone; its parent removes it
	Now        time.Time
	Inputs     []string
	Values     map[string]string
	Mirrors    []mirror.Mirror
	Fetch      bool
	Options    plainOptions
}

// plainOptions are those of engine.Options that a rendering heeds, as plain data.
type plainOptions struct {
	NoCrossNamespaceRefs, NoRemoteBases, Strict, FailFast, AdditiveReadyExpr, DefaultToRetryOnFailure, DisableChartDigestTracking bool

	DefaultServiceAccount string
	OverrideManagers      []string
	CustomStages          []string
	ChartLimits           chart.Limits
	MaxIndex              int64
	HelmGates             helm.Gates
}

func plainly(o engine.Options) plainOptions {
	out := plainOptions{
		NoCrossNamespaceRefs: o.NoCrossNamespaceRefs, NoRemoteBases: o.NoRemoteBases, Strict: o.Strict, FailFast: o.FailFast,
		AdditiveReadyExpr: o.AdditiveReadyExpr, DefaultToRetryOnFailure: o.DefaultToRetryOnFailure,
		DisableChartDigestTracking: o.DisableChartDigestTracking, DefaultServiceAccount: o.DefaultServiceAccount,
		OverrideManagers: o.OverrideManagers, ChartLimits: o.ChartLimits, MaxIndex: o.MaxIndex, HelmGates: o.HelmGates,
	}
	for kind := range o.CustomStages {
		out.CustomStages = append(out.CustomStages, kind.String())
	}
	return out
}

func (p plainOptions) options(log *slog.Logger) engine.Options {
	out := engine.Options{
		NoCrossNamespaceRefs: p.NoCrossNamespaceRefs, NoRemoteBases: p.NoRemoteBases, Strict: p.Strict, FailFast: p.FailFast,
		AdditiveReadyExpr: p.AdditiveReadyExpr, DefaultToRetryOnFailure: p.DefaultToRetryOnFailure,
		DisableChartDigestTracking: p.DisableChartDigestTracking, DefaultServiceAccount: p.DefaultServiceAccount,
		OverrideManagers: p.OverrideManagers, ChartLimits: p.ChartLimits, MaxIndex: p.MaxIndex, HelmGates: p.HelmGates,
		CustomStages: map[schema.GroupKind]bool{}, Log: log,
	}
	for _, kind := range p.CustomStages {
		out.CustomStages[schema.ParseGroupKind(kind)] = true
	}
	return out
}

// factsWork is what the child does: the facts of one environment.
func factsWork(input []byte, _ isolate.Ask) ([]byte, error) {
	var job factsJob
	if err := json.Unmarshal(input, &job); err != nil {
		return nil, err
	}
	facts, err := job.facts(context.Background())
	if err != nil {
		return nil, err
	}
	return json.Marshal(facts)
}

// facts renders, by the rules of the base. That these cannot be read is a fact too: they
// may be those of a commit that somebody reviewed long ago.
func (j factsJob) facts(ctx context.Context) (check.Facts, error) {
	out := check.Facts{Environment: j.Environment}
	cfg := PreviewConfig{
		Inputs: j.Inputs, Values: j.Values, Mirrors: j.Mirrors, Fetch: j.Fetch, CacheDir: j.Cache, Log: slog.New(slog.DiscardHandler),
		Options: j.Options.options(slog.New(slog.DiscardHandler)),
	}
	var sides [2]Revision
	pool, err := git.NewPool(filepath.Join(j.Cache, "copy"), git.Options{})
	if err != nil {
		return out, err
	}
	defer pool.Close()
	for i, id := range []wire.Hash{j.Base, j.Head} {
		if sides[i], err = j.side(ctx, pool, id); err != nil {
			return out, err
		}
	}
	rules, err := check.RulesOf(j.Branch, sides[0].Tree)
	if err != nil {
		out.Error = err.Error()
		return out, nil
	}
	environment, known := rules.Flow.Environment(j.Environment)
	if !known {
		out.Error = fmt.Sprintf("%s has no environment %s", j.Branch, j.Environment)
		return out, nil
	}
	seal := rules.Seal()
	cfg.Options.Approvals.Seal = &seal
	previews, err := NewPreviews(cfg)
	if err != nil {
		return out, err
	}
	defer previews.Close()
	return previews.facts(ctx, environment, changed{sides[0], sides[1], rules, j.Now}), nil
}

// side reads one commit.
func (j factsJob) side(ctx context.Context, pool *git.Pool, id wire.Hash) (Revision, error) {
	checkout, err := pool.At(ctx, j.Repository, id)
	if err != nil {
		return Revision{}, err
	}
	t := checkout.Tree
	switch {
	case j.Dir == "":
	case t.Lookup(j.Dir).Kind != tree.Dir:
		t = tree.Tree{}
	default:
		if t, err = t.Sub(j.Dir); err != nil {
			return Revision{}, err
		}
	}
	return Revision{worktree.Snapshot{Tree: t, Branch: j.Branch, Commit: id.String(), Notes: checkout.Notes}, j.Branch}, nil
}

// FactsConfig is what renderings for a gate need.
type FactsConfig struct {
	Previews PreviewConfig // Isolate says how this program starts itself
	// Memory and Timeout bound one rendering, in bytes; zero stands for the defaults.
	Memory  int64
	Timeout time.Duration
}

// The default bounds of a rendering.
const (
	DefaultFactsMemory  = 2 << 30
	DefaultFactsTimeout = 5 * time.Minute
	// factsFiles is how many files a child may have open: packs of the copy, mirrors.
	factsFiles = 512
)

// renderer renders for a gate.
type renderer struct {
	cfg        FactsConfig
	repository string
	dir        string
	own, forks *isolate.Pool
	log        *slog.Logger
	warn       sync.Once
}

// errUnbounded says that nothing here may render what strangers wrote.
var errUnbounded = errors.New("a gate renders what others wrote in children with bounds, and this system has none: run it on Linux")

func newRenderer(cfg FactsConfig, repository, dir string, log *slog.Logger) (*renderer, error) {
	if cfg.Previews.Isolate == nil || !isolate.Possible {
		return nil, errUnbounded
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultFactsMemory
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultFactsTimeout
	}
	bounds := *cfg.Previews.Isolate
	bounds.Memory, bounds.Files, bounds.Children, bounds.Alone = cfg.Memory, factsFiles, 1, true
	out := &renderer{cfg: cfg, repository: repository, dir: dir, log: log, forks: isolate.NewPool(bounds)}
	bounds.Alone = !cfg.Previews.Fetch && !slices.ContainsFunc(cfg.Previews.Mirrors, func(m mirror.Mirror) bool { return strings.Contains(m.Target, "://") })
	out.own = isolate.NewPool(bounds)
	return out, nil
}

func (r *renderer) close() {
	r.own.Close()
	r.forks.Close()
}

// job says what the child of a rendering may know.
func (r *renderer) job(of keeper.Rendering, now time.Time) factsJob {
	p := r.cfg.Previews
	job := factsJob{Rendering: of, Repository: r.repository, Dir: r.dir, Now: now, Mirrors: p.Mirrors, Options: plainly(p.Options)}
	if of.Fork {
		job.Options.HelmGates.DNS = false
		return job
	}
	job.Inputs, job.Values, job.Fetch = p.Inputs, p.Values, p.Fetch
	return job
}

// render implements keeper.Render. A change that ends its child is at fault itself,
// unless somebody else killed it.
func (r *renderer) render(ctx context.Context, of keeper.Rendering) (check.Facts, error) {
	out := check.Facts{Environment: of.Environment}
	job := r.job(of, time.Now())
	var err error
	if job.Cache, err = os.MkdirTemp("", "leat-gate-"); err != nil {
		return out, err
	}
	defer os.RemoveAll(job.Cache)
	input, err := json.Marshal(job)
	if err != nil {
		return out, err
	}
	pool := r.own
	if of.Fork {
		pool = r.forks
	}
	data, err := pool.Do(ctx, isolate.Job{Work: factsName, Input: input, Timeout: r.cfg.Timeout})
	if of.Fork && !pool.Alone() {
		r.warn.Do(func() {
			r.log.Warn("this system does not let us take the network from a child: that nothing from a fork is fetched rests on this program alone")
		})
	}
	var died *isolate.Died
	switch {
	case errors.As(err, &died) && died.Bound != isolate.Killed:
		out.Error, out.Broken = fmt.Sprintf("to render %s: %s", of.Environment, died), true
		return out, nil
	case err != nil:
		return out, err
	}
	return out, json.Unmarshal(data, &out)
}
