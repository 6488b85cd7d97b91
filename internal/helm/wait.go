package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	helmkube "helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	v2 "github.com/fluxcd/helm-controller/api/v2"

	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
)

// strategyOf returns Helm's name for how an action waits (helm-controller v1.6.4
// internal/action/wait.go). Its "watcher" stands for ours.
func (r *run) strategyOf(spec interface{ GetDisableWait() bool }) helmkube.WaitStrategy {
	asked := r.job.Object.GetWaitStrategy()
	switch {
	case spec.GetDisableWait():
		return helmkube.HookOnlyStrategy
	case asked == v2.WaitStrategyLegacy, asked == "" && r.job.Gates.Helm3Defaults:
		return helmkube.LegacyStrategy
	}
	return helmkube.StatusWatcherStrategy
}

// waiter waits for objects by watching them: it never asks twice what nobody
// changed.
type waiter struct {
	run      *run
	strategy helmkube.WaitStrategy
	// alone waiters watch for themselves, whatever Health the job has.
	alone bool
}

var (
	jobKind        = schema.GroupKind{Group: "batch", Kind: "Job"}
	podKind        = schema.GroupKind{Kind: "Pod"}
	deploymentKind = schema.GroupKind{Group: "apps", Kind: "Deployment"}
)

// Wait waits until objects are ready; Jobs need not be complete.
func (w *waiter) Wait(resources helmkube.ResourceList, timeout time.Duration) error {
	return w.ready(resources, timeout, func(gk schema.GroupKind) bool { return gk != jobKind })
}

// WaitWithJobs waits until objects are ready and Jobs complete.
func (w *waiter) WaitWithJobs(resources helmkube.ResourceList, timeout time.Duration) error {
	return w.ready(resources, timeout, func(schema.GroupKind) bool { return true })
}

func (w *waiter) ready(resources helmkube.ResourceList, timeout time.Duration, counts func(schema.GroupKind) bool) error {
	if w.strategy == helmkube.HookOnlyStrategy {
		return nil
	}
	rules := health.Rules{Custom: w.run.job.Custom}
	awaited := resources.Filter(func(i *resource.Info) bool {
		gk := i.Mapping.GroupVersionKind.GroupKind()
		return counts(gk) && !rules.Trivial(gk) && !paused(i)
	})
	return w.await(awaited, timeout, Ask{Custom: w.run.job.Custom})
}

// paused tells whether a Deployment is, which never becomes ready then.
func paused(i *resource.Info) bool {
	if i.Mapping.GroupVersionKind.GroupKind() != deploymentKind {
		return false
	}
	obj, ok := i.Object.(*unstructured.Unstructured)
	if !ok {
		return false
	}
	yes, _, _ := unstructured.NestedBool(obj.Object, "spec", "paused")
	return yes
}

// WatchUntilReady waits for hooks: Jobs and Pods until they completed, kinds
// with expressions of the user by those, everything else not at all.
func (w *waiter) WatchUntilReady(resources helmkube.ResourceList, timeout time.Duration) error {
	awaited := resources.Filter(func(i *resource.Info) bool {
		gk := i.Mapping.GroupVersionKind.GroupKind()
		_, custom := w.run.job.Custom.For(gk)
		return custom || gk == jobKind || gk == podKind
	})
	return w.await(awaited, timeout, Ask{Custom: w.run.job.Custom, Hooks: true})
}

// await asks for the health of objects until they are ready, have failed, or
// time is up.
func (w *waiter) await(resources helmkube.ResourceList, timeout time.Duration, ask Ask) error {
	if len(resources) == 0 {
		return nil
	}
	if w.run.cluster.assumes {
		w.run.assume(resources)
		return w.run.ctx.Err()
	}
	ctx, cancel := context.WithTimeout(w.run.ctx, timeout)
	defer cancel()
	from := w.run.job.Health
	if from == nil || w.alone || ask.Hooks || slices.ContainsFunc(resources, vanishes) {
		own := follow(ctx, resources, ask.Custom)
		defer own.stop()
		from = own
	}
	for _, i := range resources {
		ask.Objects = append(ask.Objects, refOf(i))
		if obj, ok := i.Object.(*unstructured.Unstructured); ok {
			ask.Applied = append(ask.Applied, obj)
		}
	}
	for {
		verdict, changed, err := from.Health(ctx, ask)
		switch {
		case w.run.ctx.Err() != nil:
			return w.run.ctx.Err()
		case ctx.Err() != nil:
			return fmt.Errorf("timeout waiting for: [%s]", verdict.Message)
		case errors.Is(err, ErrUnwatched):
			own := follow(ctx, resources, ask.Custom)
			defer own.stop()
			from = own
			continue
		case err != nil:
			return err
		case verdict.Ready:
			return nil
		case verdict.Failed:
			return fmt.Errorf("failed early due to stalled resources: [%s]", verdict.Message)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if w.run.ctx.Err() != nil {
				return w.run.ctx.Err()
			}
			if now, _, err := from.Health(w.run.ctx, ask); err == nil { // not every move is told
				verdict = now
			}
			if verdict.Ready {
				return nil
			}
			return fmt.Errorf("timeout waiting for: [%s]", verdict.Message)
		}
	}
}

// assume notes objects that are taken as ready.
func (r *run) assume(resources helmkube.ResourceList) {
	for _, i := range resources {
		r.assumed = append(r.assumed, refOf(i))
	}
}

// vanishes tells whether an object may be gone when it is done, which only its
// own watch can tell from one that was deleted.
func vanishes(i *resource.Info) bool {
	obj, ok := i.Object.(*unstructured.Unstructured)
	return ok && health.VanishesWhenDone(obj)
}

func refOf(i *resource.Info) object.Ref {
	gvk := i.Mapping.GroupVersionKind
	return object.Ref{Key: object.Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: i.Namespace, Name: i.Name}, Version: gvk.Version}
}

// WaitForDelete waits until objects are gone.
func (w *waiter) WaitForDelete(resources helmkube.ResourceList, timeout time.Duration) error {
	if w.strategy == helmkube.HookOnlyStrategy || w.run.cluster.assumes {
		return nil
	}
	ctx, cancel := context.WithTimeout(w.run.ctx, timeout)
	defer cancel()
	var left []string
	for _, i := range resources {
		err := gone(ctx, i)
		switch {
		case w.run.ctx.Err() != nil:
			return w.run.ctx.Err()
		case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
			left = append(left, refOf(i).String())
		case err != nil:
			return fmt.Errorf("wait for %s to go: %w", refOf(i), err)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("timeout waiting for deletion of: [%s]", strings.Join(left, ", "))
	}
	return nil
}
