package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/report"
)

// remove is the story of a Kustomization that is being deleted. It always ends:
// what cannot be deleted for want of an account to act as is left, and said.
func (c *kustomizing) remove(ctx context.Context) report.Report {
	rep := report.Report{Unit: c.k.Key(), Finalize: true}
	fate := plan.Removal{Policy: plan.DeletionPolicy(c.k.Spec.DeletionPolicy), Prune: c.k.Spec.Prune, Suspended: c.k.Spec.Suspend}.Decide()
	if fate == plan.Keep {
		return rep
	}
	cannot := c.enter(ctx)
	held := c.recorded
	if cannot == nil {
		lost, err := c.lostAtEnd(ctx)
		if err != nil {
			return c.retryRemoval(rep, err)
		}
		held = held.With(lost...)
	}
	switch {
	case len(held) == 0:
		return rep
	case cannot != nil:
		return c.cannotEnter(rep, cannot)
	}
	if ok, err := c.canAct(ctx); err != nil {
		return c.retryRemoval(rep, err)
	} else if !ok {
		rep.Events = append(rep.Events, c.removalEvent(true, fmt.Sprintf(
			"unable to prune objects, ServiceAccount %s/%s is gone; left behind:\n%s", c.k.Namespace,
			c.k.ServiceAccount(c.Options.DefaultServiceAccount), list(held))))
		return rep
	}
	if err := c.awaitNewcomers(ctx, held); err != nil {
		return c.notYet(rep, err)
	}
	res, err := apply.Prune(ctx, apply.PruneInput{
		World: c.direct, Live: c.site.Live, Old: held, Owner: c.owner(), HeldBy: c.heldBy(ctx), Mask: c.Options.Mask,
	})
	if changed := res.Changed(); len(changed) > 0 {
		rep.Events = append(rep.Events, c.removalEvent(false, strings.Join(changed, "\n")))
	}
	if err != nil {
		return c.retryRemoval(rep, err)
	}
	if fate == plan.RemoveAndWait {
		return c.awaitRemoval(rep, res)
	}
	return rep
}

// unread tells of entries of the inventory that name no object, once the unit goes: what
// they stood for, if anything, is left.
func (c *kustomizing) unread(rep report.Report, err error) report.Report {
	if err != nil && rep.Finalize {
		rep.Events = append(rep.Events, c.removalEvent(true, "unable to prune what cannot be read: "+err.Error()))
	}
	return rep
}

// canAct tells whether the account that the unit acts as still exists.
func (c *kustomizing) canAct(ctx context.Context) (bool, error) {
	name := c.k.ServiceAccount(c.Options.DefaultServiceAccount)
	if name == "" {
		return true, nil
	}
	ref := object.Ref{Key: object.Key{Kind: "ServiceAccount", Namespace: c.k.Namespace, Name: name}, Version: "v1"}
	_, err := c.site.World.Get(ctx, ref)
	if c.site.foreign() && apierrors.IsForbidden(err) {
		return true, nil // whoever may act as it need not see it
	}
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// cannotEnter keeps a unit whose objects are in a cluster that cannot be reached,
// as Flux does.
func (c *kustomizing) cannotEnter(rep report.Report, err error) report.Report {
	if report.AsProblem(err, "").Class == report.Progressing {
		return c.notYet(rep, err)
	}
	return c.retryRemoval(rep, fmt.Errorf("%w; to let it go and leave its objects there, set spec.deletionPolicy: Orphan", err))
}

// notYet keeps a unit until what its removal waits for has come.
func (c *kustomizing) notYet(rep report.Report, err error) report.Report {
	rep.Finalize, rep.Reads, rep.On, rep.Next = false, c.view.rec.Set(), report.AsProblem(err, "").On, c.run.Again
	rep.Summary = report.Summary{Ready: "Unknown", Reason: report.ReasonProgressing, Message: err.Error()}
	return rep
}

func (c *kustomizing) retryRemoval(rep report.Report, err error) report.Report {
	c.that.refusals(err)
	rep.Finalize, rep.Reads = false, c.view.rec.Set()
	rep.Events = append(rep.Events, c.removalEvent(true, "pruning for deleted resource failed: "+err.Error()))
	rep.Next = c.now.Add(min(c.k.RetryInterval(), time.Minute))
	rep.Summary = report.Summary{Ready: "False", Reason: report.ReasonPruneFailed, Message: err.Error()}
	return rep
}

// awaitRemoval keeps the unit until what it deleted is gone, at most for its
// timeout since it first looked: the time of its deletion is of another clock.
func (c *kustomizing) awaitRemoval(rep report.Report, res apply.PruneResult) report.Report {
	deadline := c.waitSince("removal").Add(c.k.GetTimeout())
	for _, s := range res.Steps {
		if s.Leaving() {
			c.that.managed(s.Ref.Key)
			rep.On = append(rep.On, s.Ref.Key.String())
		}
	}
	if len(rep.On) == 0 || !c.now.Before(deadline) {
		return rep
	}
	rep.Finalize, rep.Next, rep.Reads = false, deadline, c.view.rec.Set()
	rep.Summary = report.Summary{Ready: "Unknown", Reason: report.ReasonProgressing, Message: "Waiting for termination of " + join(rep.On)}
	return rep
}

func (c *kustomizing) removalEvent(warning bool, text string) report.Event {
	return report.Event{Warning: warning, Reason: report.ReasonPruneFailed, Message: text, Metadata: map[string]string{
		"revision": c.k.Status.LastAppliedRevision,
	}}
}

func list(in inventory.Inventory) string {
	lines := make([]string, len(in))
	for i, ref := range in {
		lines[i] = ref.Key.String()
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// join lists names for a message, a few of them.
func join(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
