package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/cel"
	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// kustomizing is one run of one Kustomization.
type kustomizing struct {
	*Engine
	k    *unit.Kustomization
	raw  *unstructured.Unstructured
	own  world.World // as the engine
	site *Site       // where it works
	w    world.World // that, as the unit
	// direct is w, asked itself: what watches keep has no managed fields.
	direct world.World
	view   view // of the engine's own cluster
	that   view // of where it works
	memo   *memo
	now    time.Time
	run    report.KustomizationRun

	checks    cel.Health
	built     build.Result   // its objects as a server keeps them: apply.Scoped
	written   []build.Object // its objects as they were built
	applied   apply.Result
	status    inventory.Inventory   // what the status held
	recorded  inventory.Inventory   // the same, and what was applied since and not written down
	inventory inventory.Inventory   // what it will hold
	digests   map[object.Key]string // of the artifacts of sources, as asked in this run
	secrets   []string              // values of variables that come from Secrets
}

func (e *Engine) convergeKustomization(ctx context.Context, w world.World, obj *unstructured.Unstructured, now time.Time) report.Report {
	k, err := unit.DecodeKustomization(obj)
	if err != nil {
		return report.Broken(obj, report.Stall(report.ReasonInvalidSpec, err), now)
	}
	c := &kustomizing{Engine: e, k: k, raw: obj, own: w, memo: e.memo(k.Key()), now: now}
	c.view = view{world: w, rec: &record.Recorder{}}
	c.that = c.view
	c.status, err = recorded(k)
	c.recorded = c.memo.held.held(k.UID, c.status)
	switch {
	case k.DeletionTimestamp != nil:
		return c.unread(c.remove(ctx), err)
	case err != nil:
		return report.Broken(obj, report.Stall(report.ReasonInvalidSpec, err), now)
	}
	if k.Spec.Suspend {
		e.stay(k.Key())
		return report.Report{Unit: k.Key()}
	}
	c.run.Started = now
	if c.run.Err = c.within(ctx, c.converge); errors.Is(c.run.Err, errBehind) {
		return e.behind(k.Key(), now)
	}
	c.that.refusals(c.run.Err)
	c.run.Err = c.hide(c.run.Err)
	c.run.Reads = c.view.rec.Set()
	return report.Kustomization(k, c.run, now)
}

// elsewhereWithin is how long one run may take in another cluster: that one may answer as
// slowly as it likes, and the run has a place that others wait for. The next one goes on
// where it ended.
const elsewhereWithin = 10 * time.Minute

// within bounds what is done in another cluster.
func (c *kustomizing) within(ctx context.Context, do func(context.Context) error) error {
	if c.k.Spec.KubeConfig == nil {
		return do(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, elsewhereWithin)
	defer cancel()
	err := do(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return report.Retry(report.ReasonReconcileFailed, fmt.Errorf("the run ended after %s, as the other cluster answers slowly: %w", elsewhereWithin, err))
	}
	return err
}

// hide returns an error without the values of secret variables, which the API
// and YAML echo from any object that they were substituted in.
func (c *kustomizing) hide(err error) error {
	if err == nil || len(c.secrets) == 0 {
		return err
	}
	p := *report.AsProblem(err, report.ReasonReconcileFailed)
	text := c.Options.Mask.Values(p.Error(), c.secrets...)
	if text == p.Error() {
		return err
	}
	p.Err = errors.New(text)
	return &p
}

// converge is the story of a Kustomization.
func (c *kustomizing) converge(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	art, err := c.source(ctx)
	if err != nil {
		return err
	}
	if err := c.dependencies(ctx, art.Revision); err != nil {
		return err
	}
	if err := c.enter(ctx); err != nil {
		return err
	}
	if err := c.build(ctx, art); err != nil {
		return err
	}
	if err := c.approved(ctx, asking{c.raw, c.view, c.now, c.becomes}); err != nil {
		return err
	}
	if err := c.apply(ctx); err != nil {
		return err
	}
	if err := c.prune(ctx); err != nil {
		return err
	}
	return c.health(ctx)
}

// enter goes to where the unit works.
func (c *kustomizing) enter(ctx context.Context) error {
	s, err := c.Engine.site(ctx, abode{c.k.Key(), c.k.Spec.KubeConfig, report.ReasonReconcileFailed, c.view})
	if err != nil {
		return err
	}
	otherwise := c.Options.Acting.Kustomize
	if s.foreign() {
		otherwise = world.Identity{} // whoever the kubeconfig says
	}
	c.site, c.that = s, view{s.World, c.view.rec, s.ID}
	who := actingAs(account{c.k.Namespace, c.k.ServiceAccount(c.Options.DefaultServiceAccount)}, otherwise)
	c.w, c.direct = s.World, s.World.As(who)
	if who.User != "" {
		c.w = c.direct
	}
	return nil
}

// apply makes the world as it was built, as far as the stages are ready.
func (c *kustomizing) apply(ctx context.Context) error {
	rules, err := IgnoreRules(c.k.Spec.Ignore)
	if err != nil {
		return report.Stall(report.ReasonReconcileFailed, fmt.Errorf("spec.ignore: %w", err))
	}
	c.warnOfBuild()
	c.want(c.k.Key(), wanted{c.stamp(ctx, c.raw), inventory.Of(refs(c.built.Objects)...).Keys()})
	res, err := apply.Run(ctx, apply.Input{
		World: c.direct, Live: c.site.Live, Objects: c.built.Objects, Managers: c.managers(), Owner: c.k.Key(),
		Marks: c.memo.marks, Force: c.k.Spec.Force, Ignore: rules, Custom: c.Options.CustomStages,
		Mask: c.Options.Mask, Provided: c.provided(), Contested: c.contested, Rehearse: c.site.Rehearse,
		Verify: c.verify(), Trusted: c.trusted(), Expect: c.Expect,
		Confirm: func(ctx context.Context) error { return c.confirm(ctx, c.raw) },
	})
	c.applied = res
	c.memo.marks = res.Marks
	c.run.Changed = res.Changed()
	c.inventory = inventory.Of(res.Tracked...)
	for _, o := range c.built.Objects {
		c.that.managed(o.Ref.Key)
	}
	c.leaves(c.k.Key(), c.leftBy(res, err))
	if err != nil {
		c.track(c.recorded.With(res.Tracked...))
		return c.refused(err)
	}
	if len(res.Pending) > 0 {
		c.track(c.recorded.With(res.Tracked...))
		return c.awaitStage(res.Pending)
	}
	c.waited("stage")
	return nil
}

// track sets the inventory that the status will hold.
func (c *kustomizing) track(in inventory.Inventory) {
	c.inventory = in
	c.memo.held = unwritten{c.k.UID, c.status, in}
	entries := make([]kustomizev1.ResourceRef, 0, len(in))
	for _, e := range in.Encode() {
		entries = append(entries, kustomizev1.ResourceRef{ID: e.ID, Version: e.Version})
	}
	c.run.Inventory = &kustomizev1.ResourceInventory{Entries: entries}
}

// refused classes what the API said no to.
func (c *kustomizing) refused(err error) error {
	for _, ref := range apply.Refusals(err) {
		c.that.kind(ref.Group) // a kind may be missing, or on its way out
	}
	var on []string
	for _, name := range apply.MissingNamespaces(err) { // another unit may bring it
		key := object.Key{Kind: "Namespace", Name: name}
		c.that.note(key, record.Miss)
		on = append(on, key.String())
	}
	return report.RetryOn(report.ReasonReconcileFailed, err, on...)
}

// verify tells whether a person asked for this run: then nothing is taken for
// granted.
func (c *kustomizing) verify() bool {
	at := unit.Requested(c.k.Annotations)
	return at != "" && at != c.k.Status.LastHandledReconcileAt
}

// trusted tells whether the status says that what was built is what was applied
// last, under the present spec.
func (c *kustomizing) trusted() bool {
	last := c.k.Status.History.Latest()
	return last != nil && last.Digest == c.built.Checksum && c.k.Status.ObservedGeneration == c.k.Generation &&
		(last.LastReconciledStatus == report.ReasonReconciled || last.LastReconciledStatus == report.ReasonHealthFailed)
}

// prune deletes what the inventory holds and the build no longer has.
func (c *kustomizing) prune(ctx context.Context) error {
	if !c.k.Spec.Prune {
		c.track(c.inventory)
		return nil
	}
	lost, err := c.lost(ctx)
	if err != nil {
		c.track(c.recorded.With(c.inventory...))
		return report.Retry(report.ReasonPruneFailed, err)
	}
	old := c.recorded.With(lost...)
	if len(old.Without(c.inventory)) > 0 {
		if err := c.awaitNewcomers(ctx, c.inventory); err != nil {
			c.track(old.With(c.inventory...))
			return err
		}
	}
	res, err := apply.Prune(ctx, apply.PruneInput{
		World: c.direct, Live: c.site.Live, Old: old, New: c.inventory, Owner: c.owner(), HeldBy: c.heldBy(ctx), Mask: c.Options.Mask,
	})
	c.run.Changed = append(c.run.Changed, res.Changed()...)
	c.track(c.inventory.With(res.Survivors...))
	if err != nil {
		return report.Retry(report.ReasonPruneFailed, err)
	}
	c.memo.swept = true
	return nil
}

func (c *kustomizing) owner() plan.Owner { return plan.Owner{Name: c.k.Name, Namespace: c.k.Namespace} }

func (c *kustomizing) managers() plan.Managers {
	return plan.Managers{Own: object.ManagerKustomize, Overrides: c.Options.OverrideManagers}
}

func refs(objects []build.Object) []object.Ref {
	out := make([]object.Ref, len(objects))
	for i, o := range objects {
		out[i] = o.Ref
	}
	return out
}

// recorded is the inventory of the status; with an error, what of it can be read.
func recorded(k *unit.Kustomization) (inventory.Inventory, error) {
	if k.Status.Inventory == nil {
		return nil, nil
	}
	entries := make([]inventory.Entry, len(k.Status.Inventory.Entries))
	for i, e := range k.Status.Inventory.Entries {
		entries[i] = inventory.Entry{ID: e.ID, Version: e.Version}
	}
	in, err := inventory.Decode(entries)
	if err != nil {
		return in, fmt.Errorf("status.inventory: %w", err)
	}
	return in, nil
}

// IgnoreRules compiles spec.ignore.
func IgnoreRules(rules []kustomizev1.IgnoreRule) (plan.Ignore, error) {
	out := make([]plan.IgnoreRule, len(rules))
	for i, r := range rules {
		out[i].Paths = r.Paths
		if t := r.Target; t != nil {
			out[i].Target = &plan.Selector{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, Namespace: t.Namespace,
				AnnotationSelector: t.AnnotationSelector, LabelSelector: t.LabelSelector,
			}
		}
	}
	return plan.CompileIgnore(out)
}
