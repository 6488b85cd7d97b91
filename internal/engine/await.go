package engine

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// stageTimeout is how long a stage of definitions may take to become ready
// (fluxcd/pkg/ssa ApplyAllStaged).
const stageTimeout = time.Minute

// awaitStage ends the run until a stage is ready, or the wait is over.
func (c *kustomizing) awaitStage(pending []object.Ref) error {
	results := make(map[object.Key]health.Result, len(pending))
	for _, ref := range pending {
		c.that.health(ref.Key)
		c.that.managed(ref.Key)
		results[ref.Key] = c.seen(ref.Key)
	}
	since := c.waitSince("stage " + c.built.ID.Hex())
	v := health.Fold(results, health.Wait{Since: since, Now: c.now, Timeout: stageTimeout})
	c.run.Again = v.Again
	if v.State == health.TimedOut || v.State == health.Unwell {
		return report.Retry(report.ReasonReconcileFailed, fmt.Errorf("%s", v.Message))
	}
	on := names(v.Pending)
	return report.Progress(fmt.Sprintf("Waiting for %s before the next stage", join(on)), on...)
}

// seen is the health of a managed object as the watch last told it.
func (c *kustomizing) seen(key object.Key) health.Result {
	seen, exists, followed := c.site.Live.Seen(key)
	switch {
	case !followed:
		return health.Result{Status: health.Unknown, Message: "not watched"}
	case !exists:
		return health.Of(nil, health.Rules{})
	default:
		return seen.Health
	}
}

// waitSince returns when the wait for something began, which is now for the
// first run that waits for it.
func (c *kustomizing) waitSince(what string) time.Time {
	what = fmt.Sprintf("%d %s", c.k.Generation, what)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.memo.waitOn != what {
		c.memo.waitOn, c.memo.since = what, c.now
	}
	return c.memo.since
}

// waited ends a wait of a sort that is over: the next one, also for the same thing, is
// another wait with all of its time.
func (c *kustomizing) waited(sort string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, on, _ := strings.Cut(c.memo.waitOn, " ")
	if strings.HasPrefix(on, sort+" ") {
		c.memo.waitOn, c.memo.since = "", time.Time{}
	}
}

// health ends the run well when everything that the spec asks for is ready.
func (c *kustomizing) health(ctx context.Context) error {
	targets := c.targets()
	if len(targets) == 0 {
		return nil
	}
	c.run.Checked = true
	since := c.waitSince("health " + c.built.ID.Hex())
	c.run.HealthSince = since
	results := make(map[object.Key]health.Result, len(targets))
	for _, ref := range targets {
		r, err := c.healthOf(ctx, ref)
		if err != nil {
			return report.Retry(report.ReasonHealthFailed, fmt.Errorf("health of %s: %w", ref.Key, err))
		}
		results[ref.Key] = r
	}
	return c.verdict(results, since)
}

// verdict says what the healths of all targets mean together.
func (c *kustomizing) verdict(results map[object.Key]health.Result, since time.Time) error {
	v := health.Fold(results, health.Wait{
		Since: since, Now: c.now, Timeout: c.k.GetTimeout(), FailFast: c.Options.FailFast, Vanishing: c.vanishing(),
	})
	c.run.Again = v.Again
	switch v.State {
	case health.Passed:
		c.waited("health")
		c.run.HealthText = v.Message
		return nil
	case health.Waiting:
		return report.Progress(fmt.Sprintf("Running health checks for revision %s with a timeout of %s",
			c.run.Revision, c.k.GetTimeout()), names(v.Pending)...)
	default:
		took := c.now.Sub(since).Round(time.Millisecond)
		return report.RetryOn(report.ReasonHealthFailed, fmt.Errorf("health check failed after %s: %s", took, v.Message), names(v.Pending)...)
	}
}

// targets are the objects whose health the spec asks for: with wait, all that
// were applied and not skipped; else those of healthChecks. The unit itself is
// never among them.
func (c *kustomizing) targets() []object.Ref {
	var out []object.Ref
	if c.k.Spec.Wait {
		for _, o := range c.built.Objects {
			if !c.applied.Skipped[o.Ref.Key] && o.Ref.Key != c.k.Key() {
				out = append(out, o.Ref)
			}
		}
		return out
	}
	for _, h := range c.k.Spec.HealthChecks {
		ref := c.checkRef(h.APIVersion, h.Kind, h.Namespace, h.Name)
		if ref.Key != c.k.Key() {
			out = append(out, ref)
		}
	}
	return out
}

// healthOf asks the watch, and the world only where the watch cannot know: an
// object of others, or one with an expression of its own.
func (c *kustomizing) healthOf(ctx context.Context, ref object.Ref) (health.Result, error) {
	seen, exists, followed := c.site.Live.Seen(ref.Key)
	_, custom := c.checks.For(ref.GroupKind())
	passed := !seen.Health.Until.IsZero() && !c.now.Before(seen.Health.Until) // by time alone, which no watch tells
	if followed && exists && !custom && !passed && c.mayKnow(ref.Key) {
		c.that.health(ref.Key)
		return c.rested(ref, seen.Health), nil
	}
	v := view{c.w, c.view.rec, c.site.ID}
	obj, err := v.get(ctx, ref)
	if err != nil {
		return health.Result{}, err
	}
	return c.rested(ref, health.Of(obj, health.Rules{Custom: c.checks, Now: c.now})), nil
}

// mayKnow tells whether the engine's own watch may answer for the unit: what a
// unit with an account of its own did not apply, the account must be able to read.
func (c *kustomizing) mayKnow(key object.Key) bool {
	return c.k.ServiceAccount(c.Options.DefaultServiceAccount) == "" || c.inventory.Holds(key)
}

// rested says of a health what it rests on: on pods where all are simulated, or
// on controllers where there are none.
func (c *kustomizing) rested(ref object.Ref, r health.Result) health.Result {
	if c.site.foreign() {
		if c.Options.Alone {
			return AssumedElsewhere(ref.GroupKind(), r)
		}
		return r
	}
	r.Simulated = r.Simulated || c.Options.SimulatedPods && health.RestsOnPods(ref.GroupKind())
	switch {
	case c.assumed(ref.Key) && r.Status != health.NotFound:
		return health.Result{Status: health.Current, Assumed: true}
	case c.Options.Alone:
		return Assumed(ref.GroupKind(), r)
	}
	return r
}

// assumed tells whether a unit counts as ready though it is out of reach.
func (e *Engine) assumed(key object.Key) bool { return e.Unreached != nil && e.Unreached(key) }

// Assumed is a health in a world in which no controller works but this engine: an
// object that one of the others would make ready counts as ready, unless it says
// itself that it failed.
func Assumed(gk schema.GroupKind, r health.Result) health.Result {
	k, ours := unit.KindOf(gk)
	if ours && k.Run {
		return r
	}
	return AssumedElsewhere(gk, r)
}

// AssumedElsewhere is Assumed in another cluster, in which this engine is not at work
// either: units that it is given are as objects of others.
func AssumedElsewhere(_ schema.GroupKind, r health.Result) health.Result {
	if r.Status != health.InProgress && r.Status != health.Unknown {
		return r
	}
	return health.Result{Status: health.Current, Assumed: true}
}

// vanishing are the built Jobs that delete themselves once they are done. Only
// Jobs are decoded.
func (c *kustomizing) vanishing() map[object.Key]bool {
	out := map[object.Key]bool{}
	for _, o := range c.built.Objects {
		if o.Ref.Group != "batch" || o.Ref.Kind != "Job" {
			continue
		}
		if obj, err := o.Decode(); err == nil && health.VanishesWhenDone(obj) {
			out[o.Ref.Key] = true
		}
	}
	return out
}

// checkRef is the object that an item of spec.healthChecks names; the default
// version is that of Deployments, as in Flux.
func (c *kustomizing) checkRef(apiVersion, kind, namespace, name string) object.Ref {
	gv, err := schema.ParseGroupVersion(cmp.Or(apiVersion, "apps/v1"))
	if err != nil {
		gv = schema.GroupVersion{Version: apiVersion}
	}
	return object.Ref{Key: object.Key{Group: gv.Group, Kind: kind, Namespace: namespace, Name: name}, Version: gv.Version}
}

func names(keys []object.Key) []string {
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = key.String()
	}
	return out
}
