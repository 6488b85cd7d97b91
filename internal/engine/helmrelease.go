package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/cel"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Helm reaches Helm's releases in the name of whom a unit acts as.
type Helm interface {
	As(id world.Identity) Releases
}

// Releases acts on releases; see package helm, which implements it.
type Releases interface {
	Observe(ctx context.Context, at helm.Place) ([]*relv1.Release, error)
	Install(ctx context.Context, job helm.Job) (helm.Outcome, error)
	Upgrade(ctx context.Context, job helm.Job) (helm.Outcome, error)
	Rollback(ctx context.Context, job helm.Job, version int) (helm.Outcome, error)
	Uninstall(ctx context.Context, job helm.Job, at helm.Place) (helm.Outcome, error)
	Test(ctx context.Context, job helm.Job) (helm.Outcome, error)
	Unlock(ctx context.Context, job helm.Job) (helm.Outcome, error)
	Diff(ctx context.Context, job helm.Job, rel *relv1.Release) (helm.Drift, error)
	Correct(ctx context.Context, job helm.Job, drift helm.Drift) (helm.Corrected, error)
}

// releasing is one run of one HelmRelease. What takes long, an action on the
// release, goes on in the background (operation.go): the run that begins it
// ends, and its end brings the next one.
type releasing struct {
	*Engine
	h      *unit.HelmRelease
	raw    *unstructured.Unstructured
	own    world.World // as the engine
	view   view
	memo   *memo
	now    time.Time
	site   *Site // where the release is
	as     world.Identity
	driver Releases
	run    report.HelmReleaseRun
	ends   int // operations that have ended, taken up in this run

	checks cel.Health
	source *unstructured.Unstructured
	chart  *helmchart.Chart
	packed string // digest of the artifact that holds the chart
	values map[string]any
	hidden []string         // texts of Secrets among the values
	left   []*relv1.Release // what an action left in storage that ended just now; nil for none
	req    release.Request
}

func (e *Engine) convergeRelease(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) report.Report {
	h, err := unit.DecodeHelmRelease(obj)
	if err != nil {
		return report.Broken(obj, report.Stall(report.ReasonInvalidSpec, err), now)
	}
	if e.Helm == nil {
		return report.Broken(obj, report.Stall(report.ReasonUnsupported, errors.New("this engine was started without Helm")), now)
	}
	r := &releasing{Engine: e, h: h, raw: obj, own: w, memo: e.memo(h.Key()), now: now}
	r.view = view{world: w, rec: &record.Recorder{}}
	r.run.Status = *h.Status.DeepCopy()
	if h.DeletionTimestamp != nil {
		return r.remove(ctx)
	}
	if h.Spec.Suspend {
		return r.suspended()
	}
	if r.wasBehind() {
		return e.behind(h.Key(), now)
	}
	r.run.Err = r.converge(ctx)
	r.ops.recorded(h.Key(), r.ends, historyOf(r.run.Status))
	r.run.Reads, r.run.Simulated = r.view.rec.Set(), r.simulated()
	r.run.Failures = e.failures(h.Key(), r.failed())
	return report.HelmRelease(h, r.run, now)
}

// suspended begins nothing. What an action did that was under way is written
// down all the same: the status is the memory of the release.
func (r *releasing) suspended() report.Report {
	r.stay(r.h.Key())
	r.ops.recall(r.h.Key())
	if !r.ended() {
		return report.Report{Unit: r.h.Key()}
	}
	r.run.Suspended = true
	r.ops.recorded(r.h.Key(), r.ends, historyOf(r.run.Status))
	return report.HelmRelease(r.h, r.run, r.now)
}

// converge is the story of a HelmRelease.
func (r *releasing) converge(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	r.ended()
	made, err := r.template(ctx) // before all waiting, as in Flux: the chart is fetched meanwhile
	if err != nil {
		return err
	}
	if err := (depending{r.h, r.raw, r.own, r.view, "", r.Options.AdditiveReadyExpr, r.assumed}).ready(ctx); err != nil {
		return err
	}
	art, err := r.artifact(ctx, made)
	if err != nil {
		return err
	}
	if err := r.compose(ctx); err != nil {
		return err
	}
	if err := r.load(ctx, art); err != nil {
		return err
	}
	if err := r.enter(ctx); err != nil {
		return err
	}
	if begun, err := r.begin(ctx); err != nil || !begun {
		return err
	}
	return r.act(ctx)
}

// enter goes to where the release is.
func (r *releasing) enter(ctx context.Context) error {
	s, err := r.Engine.site(ctx, abode{r.h.Key(), r.h.Spec.KubeConfig, report.ReasonRESTClient, r.view})
	if err != nil {
		return err
	}
	r.site, r.as = s, r.Options.Acting.Helm
	if s.foreign() {
		r.as = world.Identity{} // whoever the kubeconfig says
	}
	if sa := r.h.ServiceAccount(r.Options.DefaultServiceAccount); sa != "" {
		r.as = world.ServiceAccount(r.h.Namespace, sa)
	}
	r.driver = s.Helm.As(r.as)
	return nil
}

// failed is the error of the run as far as it counts for the back-off.
func (r *releasing) failed() error {
	if p := report.AsProblem(r.run.Err, ""); r.run.Err != nil && p.Class == report.Retrying {
		return r.run.Err
	}
	return nil
}

// check refuses what the spec alone makes impossible.
func (r *releasing) check() error {
	s := r.h.Spec
	if s.Chart == nil && s.ChartRef == nil {
		return report.Stall(report.ReasonInvalidSpec, errors.New("spec.chart or spec.chartRef must be set"))
	}
	var err error
	if r.checks, err = healthChecks(s.HealthCheckExprs); err != nil {
		return report.Stall(report.ReasonInvalidCEL, err)
	}
	key := r.h.ChartSource()
	if r.Options.NoCrossNamespaceRefs && key.Namespace != r.h.Namespace {
		return report.Stall(report.ReasonAccessDenied, fmt.Errorf(
			"can't access '%s/%s/%s', cross-namespace references have been blocked", key.Kind, key.Namespace, key.Name))
	}
	return nil
}

// begin does the bookkeeping before a decision, and tells whether one is due: a
// release whose target moved is uninstalled from where it was first. Where people must
// approve, they do so before any of that.
func (r *releasing) begin(ctx context.Context) (bool, error) {
	r.req = release.Request{
		Object: r.h.DeepCopy(), Chart: r.req.Chart, Config: release.ConfigDigest(r.values),
		Rendering: release.RenderingOf(&r.h.HelmRelease, r.oldRenderers()), Now: r.now, Began: r.ops.began(), Own: r.memo.undone, RetryByDefault: r.Options.DefaultToRetryOnFailure,
	}
	r.req.Object.Status = r.run.Status
	r.run.Revision, r.run.Config, r.run.Chart = r.req.Chart.Version, r.req.Config, r.req.Chart
	r.run.AppVersion = r.chart.AppVersion()
	r.warnOfValues()
	if op := r.ops.of(r.h.Key()); op != nil {
		r.run.Running, r.run.Action, r.run.Moved = op.title, op.action, op.moved
		r.obsolete(op)
		return false, report.Progress(op.title, op.waiting()...)
	}
	if out := r.run.Outcome; out != nil && out.Fruitless {
		r.run.After = out.After
		return false, report.Retry(report.ReasonOf(out.Done.Action, out.Done.Err), out.Done.Err)
	}
	if err := r.approved(ctx, asking{r.raw, r.view, r.now, r.becomes}); err != nil {
		return false, err
	}
	begun := release.Begin(r.req)
	r.run.Status = begun.Status
	r.req.Object.Status = begun.Status
	if begun.Moved != "" {
		return false, r.leave(begun.Moved)
	}
	r.attempt()
	return true, nil
}

// attempt goes on with the actions of earlier runs of the same attempt, or
// begins another attempt where an input changed.
func (r *releasing) attempt() {
	stamp := r.inputs()
	if r.memo.attempt.stamp != stamp {
		r.memo.attempt = attempt{stamp: stamp}
	}
	r.req.Done, r.req.Drift = r.memo.attempt.done, r.memo.attempt.drift
}

// attempt is what was done for one state of the inputs, one run after another.
type attempt struct {
	stamp string
	done  []release.Action
	drift release.Drift
	found helm.Drift
}

// inputs names everything that decides what becomes of the release.
func (r *releasing) inputs() string {
	return r.wanted() + " " + unit.Requested(r.h.Annotations)
}

// act decides, and begins what was decided, until there is nothing to do now.
func (r *releasing) act(ctx context.Context) error {
	if r.idle() {
		r.run.Settled = true
		return nil
	}
	stored, err := r.observe(ctx)
	if err != nil {
		return report.Retry(report.ReasonReleaseState, fmt.Errorf("Could not determine release state: %w", err))
	}
	r.req.Stored = stored
	for {
		d := release.Next(r.req)
		r.run.Status, r.req.Object.Status = d.Status, d.Status
		switch d.Action {
		case release.None:
			return r.end(d)
		case release.Diff:
			if err := r.diff(ctx); err != nil {
				return err
			}
		default:
			return r.start(d)
		}
	}
}

// end says how a run ends that has nothing to do now.
func (r *releasing) end(d release.Decision) error {
	r.run.State = d.State
	switch d.End {
	case release.Stalled:
		r.memo.attempt = attempt{}
		return report.Stall(d.Stall, fmt.Errorf("%s", withHelp(d.Message, d.Changes)))
	case release.Again:
		r.memo.attempt = attempt{}
		r.run.Again, r.run.Rounds = true, r.memo.rounds.next(r.inputs())
		return nil
	case release.Later:
		r.memo.attempt = attempt{}
		r.run.After, r.run.Awaits = d.After, d.Message
		return nil
	}
	r.memo.attempt = attempt{}
	r.run.Settled = true
	if d.State == release.StateInSync || d.State == release.StateDrifted {
		r.memo.rounds = rounds{}
		r.settle()
	}
	return nil
}

// rounds counts the attempts that were made in a row with the same inputs, and asked for
// another: a correction that is refused, a release that cannot become what is wanted.
type rounds struct {
	inputs string
	n      int
}

func (r *rounds) next(inputs string) int {
	if r.inputs != inputs {
		*r = rounds{inputs: inputs}
	}
	r.n++
	return r.n
}

func withHelp(message, changes string) string {
	if changes == "" {
		return message
	}
	return message + "; " + changes
}

// job is what every action is given.
func (r *releasing) job() helm.Job {
	job := helm.Job{
		Object: r.req.Object.DeepCopy(), Chart: r.chart, Values: r.values, Secrets: r.hidden, Custom: r.checks,
		Gates: r.Options.HelmGates, Overrides: r.Options.OverrideManagers,
		Log: func(line string) { r.log().Debug("helm", "unit", r.h.Key(), "line", line) },
	}
	for _, old := range r.h.Old.PostRenderers {
		job.Old = append(job.Old, helm.OldPostRenderer{
			PatchesStrategicMerge: old.Kustomize.PatchesStrategicMerge, PatchesJSON6902: old.Kustomize.PatchesJSON6902,
		})
	}
	return job
}

// oldRenderers is what the post renderers hold that only old versions have, as JSON; nil
// for nothing.
func (r *releasing) oldRenderers() []byte {
	old := r.h.Old.PostRenderers
	if !slices.ContainsFunc(old, func(p unit.OldPostRenderer) bool {
		return len(p.Kustomize.PatchesStrategicMerge)+len(p.Kustomize.PatchesJSON6902) > 0
	}) {
		return nil
	}
	text, err := json.Marshal(old)
	if err != nil {
		return nil // unreachable: it came as JSON
	}
	return text
}
