// Package engine holds the stories: how a unit converges. Converge is the only
// place where build, plan, apply and health meet; what it decides is decided in
// the pure packages below, what it does goes through a World.
//
//	rep := eng.Converge(ctx, w, obj, now)
//	rep.Status, rep.Events, rep.Reads, rep.Next
//
// A run never waits. Where something is not ready it ends and names what it
// read; the change of any of that brings the next run.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Trees opens artifacts, whoever stored them.
type Trees interface {
	// Open unpacks an artifact.
	Open(ctx context.Context, a *meta.Artifact) (tree.Tree, error)
	// Read returns its bytes as they are stored: a chart, an index. More than limit are
	// an error of class fault.TooLarge.
	Read(ctx context.Context, a *meta.Artifact, limit int64) ([]byte, error)
}

// Builder builds, or remembers having built.
type Builder interface {
	Run(ctx context.Context, t tree.Tree, r build.Recipe, o build.Options) (build.Outcome, error)
}

// Options are the choices of whoever runs the engine; the flags of Flux's
// controllers with their meaning.
type Options struct {
	NoCrossNamespaceRefs  bool
	NoRemoteBases         bool
	DefaultServiceAccount string
	// DefaultKubeConfigAccount is the ServiceAccount that presents itself to another
	// cluster where spec.kubeConfig.configMapRef names none.
	DefaultKubeConfigAccount string
	Acting                   Acting
	OverrideManagers         []string
	CustomStages             map[schema.GroupKind]bool
	// Strict substitution: an undefined variable without default is an error.
	Strict bool
	// FailFast ends a wait for health at the first failure.
	FailFast bool
	// AdditiveReadyExpr asks the built-in question of dependencies also where
	// there is a readyExpr.
	AdditiveReadyExpr bool
	// SimulatedPods says that no pod of the cluster is real, so that every health
	// that rests on pods says so.
	SimulatedPods bool
	// Alone says that no controller works in the world beside this engine, so that
	// health which others would bring is assumed.
	Alone bool
	// Rehearse tells which new objects are tried dry before they are made; nil
	// is all.
	Rehearse func(object.Ref) bool
	// ChartLimits and MaxIndex, in bytes, bound charts and the indexes of their
	// repositories; zero stands for the defaults.
	ChartLimits chart.Limits
	MaxIndex    int64
	// DefaultToRetryOnFailure and DisableChartDigestTracking are feature gates of
	// helm-controller.
	DefaultToRetryOnFailure    bool
	DisableChartDigestTracking bool
	HelmGates                  helm.Gates // of each action
	Approvals                  Approvals
	Mask                       plan.Mask
	Log                        *slog.Logger
}

// Engine converges units. It keeps between runs only what it could find out
// again, so that losing it costs time and nothing else.
type Engine struct {
	Options Options
	Trees   Trees
	Builds  Builder
	Remote  build.RemoteFetcher
	Live    apply.Live
	Git     Git
	Charts  Charts
	Helm    Helm // nil reconciles no HelmReleases
	OCI     OCI
	Store   Artifacts
	Remotes Remotes // nil works in no other cluster
	// Expect names the apply entry that an object leaves; see apply.Input.
	Expect func(obj *unstructured.Unstructured) (hash.ID, bool)
	// Stored tells how Helm's storage of a release looks; nil looks every time.
	Stored Stored
	// Units are all units as they are known, not to be changed; nil asks the world.
	Units func() []*unstructured.Unstructured
	// Anew asks the cluster for a unit, past what watches told; nil where nobody
	// changes units meanwhile.
	Anew func(ctx context.Context, unit object.Ref) (*unstructured.Unstructured, error)
	// Unreached tells of units, and sources, that cannot be had here and count as
	// ready for those who wait for them; nil is none.
	Unreached func(object.Key) bool
	// Nudge asks for a run of a unit of which another one's run found something
	// out; it may be nil.
	Nudge func(unit object.Key, why string)

	mu    sync.Mutex
	memos map[object.Key]*memo

	filtered filtered
	indexes  indexes
	charts   charts
	ops      operations
	shared   shared
	feed     *Feed
	tell     func(object.Key, string)
}

// memo is what the last run of a unit left.
type memo struct {
	marks map[object.Key]apply.Mark
	wants wanted // what it wants, by the last build
	// waiting is since when the unit waits for the health of what it applied,
	// and for what: the applied content and the generation.
	since  time.Time
	waitOn string
	reads  record.Set  // of the last build, for impact
	swept  bool        // what an earlier process left was looked for
	at     string      // the other cluster that it worked in last
	held   unwritten   // what the last run of a Kustomization applied
	digest gate.Digest // what it would become, under Approvals.Seal

	stored    hash.ID   // tree of the last stored artifact
	generated generated // of an ArtifactGenerator
	failures  int       // runs that failed one after the other
	warnings  warnings

	// Of a HelmRelease: the actions of the present attempt, the inputs and the
	// storage as they were when it was found in sync, and its objects as they were
	// when they were compared.
	attempt           attempt
	rounds            rounds
	undone            int // the version of it that an action left pending; 0 is none
	settled, compared string
	drift             []string // that was found then
}

// Converge runs one unit once against a world.
func (e *Engine) Converge(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) (rep report.Report) {
	defer func() {
		if p := recover(); p != nil {
			e.log().Error("a run panicked", "unit", object.KeyOf(obj), "panic", p)
			rep = report.Broken(obj, report.Retry(report.ReasonReconcileFailed, fmt.Errorf("internal error: %v", p)), now)
		}
		e.warn(&rep)
	}()
	if obj.GetDeletionTimestamp() != nil {
		obj = unit.Removable(obj)
	}
	if rep = e.converge(ctx, w, obj, now); rep.Status == nil && !rep.Finalize {
		rep.Status = report.Suspended(obj)
	}
	return rep
}

// converge runs a unit of any kind.
func (e *Engine) converge(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) report.Report {
	switch gk := obj.GroupVersionKind().GroupKind(); gk.Kind {
	case unit.KustomizationKind:
		return e.convergeKustomization(ctx, w, obj, now)
	case unit.GitRepositoryKind:
		return e.convergeGit(ctx, w, obj, now)
	case unit.OCIRepositoryKind:
		return e.convergeOCI(ctx, w, obj, now)
	case unit.HelmRepositoryKind:
		return e.convergeHelmRepository(ctx, w, obj, now)
	case unit.HelmChartKind:
		return e.convergeHelmChart(ctx, w, obj, now)
	case unit.HelmReleaseKind:
		return e.convergeRelease(ctx, w, obj, now)
	case unit.ArtifactGeneratorKind:
		return e.convergeGenerator(ctx, w, obj, now)
	default:
		return report.Report{Unit: object.KeyOf(obj)}
	}
}

func (e *Engine) log() *slog.Logger {
	if e.Options.Log == nil {
		return slog.Default()
	}
	return e.Options.Log
}

// memo returns what is remembered of a unit.
func (e *Engine) memo(key object.Key) *memo {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.memos == nil {
		e.memos = make(map[object.Key]*memo)
	}
	m := e.memos[key]
	if m == nil {
		m = &memo{}
		e.memos[key] = m
	}
	return m
}

// Forget drops what is remembered of a unit that is gone.
func (e *Engine) Forget(key object.Key) {
	if e.Remotes != nil {
		e.Remotes.Leave(key)
	}
	e.forgetWarnings(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.memos, key)
}

// BuildReads returns what the last build of a unit read.
func (e *Engine) BuildReads(key object.Key) record.Set {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.memos[key]; m != nil {
		return m.reads
	}
	return nil
}

// Touches tells whether a new tree changes anything that the unit's last build
// read; a unit that never built is touched by everything.
func (e *Engine) Touches(ctx context.Context, key object.Key, t tree.Tree) bool {
	e.mu.Lock()
	var reads record.Set
	if m := e.memos[key]; m != nil {
		reads = m.reads
	}
	e.mu.Unlock()
	if reads == nil {
		return true
	}
	_, touched := reads.FirstChange(build.Ask(ctx, t, e.Remote))
	return touched
}
