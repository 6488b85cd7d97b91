package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	relv1 "helm.sh/helm/v4/pkg/release/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/report"
)

func byVersion(a, b *relv1.Release) int { return a.Version - b.Version }

// errDeleted ends an operation of a release that is to be uninstalled.
var errDeleted = errors.New("the HelmRelease is being deleted")

// remove is the story of a HelmRelease that is being deleted: the release is
// uninstalled, its HelmChart goes. It always ends: without the account to act as
// the release is left, and said.
func (r *releasing) remove(ctx context.Context) report.Report {
	rep := report.Report{Unit: r.h.Key(), Finalize: true}
	if op := r.ops.of(r.h.Key()); op != nil {
		if op.stamp != leaving {
			op.cancel(errDeleted)
		}
		return r.goingOn(op.title)
	}
	var done finished
	ends := r.ops.ended(r.h.Key(), "")
	last := len(ends) > 0
	if last {
		done = ends[len(ends)-1]
		r.ops.forget(r.h.Key())
	}
	switch {
	case r.h.Spec.Suspend:
		return rep
	case last && done.op.stamp == leaving && done.done.Err != nil:
		return r.retryRemoval(done.done.Err)
	case last && done.op.stamp == leaving:
		rep.Events = append(rep.Events, report.ReleaseRemoved(r.h, nil))
	case r.h.Status.StorageNamespace == "" || r.h.Status.History.Latest() == nil:
		// nothing was installed, or nothing is known of it
	default:
		if ok, err := r.canAct(ctx); err != nil {
			return r.retryRemoval(err)
		} else if !ok {
			rep.Events = append(rep.Events, report.ReleaseLeft(r.h, r.as.User))
			break
		}
		return r.uninstall()
	}
	if err := r.deleteChart(ctx); err != nil {
		return r.retryRemoval(err)
	}
	r.ops.forget(r.h.Key())
	return rep
}

// leaving is the stamp of the operation that uninstalls for good.
const leaving = "uninstall for good"

// uninstall begins to uninstall the release that the status tells of.
func (r *releasing) uninstall() report.Report {
	latest := r.h.Status.History.Latest()
	at := helm.Place{StorageNamespace: r.h.Status.StorageNamespace, Name: latest.Name}
	job := helm.Job{Object: r.h.DeepCopy(), Log: func(line string) { r.log().Debug("helm", "unit", r.h.Key(), "line", line) }}
	op := &operation{title: title(release.Uninstall, r.timeout(release.Uninstall)), stamp: leaving, req: r.req}
	key, driver := r.h.Key(), r.driver
	r.ops.begin(key, op, func(ctx context.Context, _ func()) finished {
		var f finished
		f.done.Action = release.Uninstall
		f.out, f.done.Err = driver.Uninstall(ctx, job, at)
		return f
	}, func() { r.tell(key, "it was uninstalled") })
	return r.goingOn(op.title)
}

// goingOn keeps the unit until an operation has ended, which brings the next run.
func (r *releasing) goingOn(what string) report.Report {
	rep := report.Report{Unit: r.h.Key()}
	rep.Summary = report.Summary{Ready: "Unknown", Reason: report.ReasonProgressing, Message: what}
	return rep
}

func (r *releasing) retryRemoval(err error) report.Report {
	rep := report.Report{Unit: r.h.Key(), Next: r.now.Add(time.Minute)}
	rep.Events = []report.Event{report.ReleaseRemoved(r.h, err)}
	rep.Summary = report.Summary{Ready: "False", Reason: report.ReasonUninstallFailed, Message: err.Error()}
	return rep
}

// canAct tells whether the account that the unit acts as still exists.
func (r *releasing) canAct(ctx context.Context) (bool, error) {
	name := r.h.ServiceAccount(r.Options.DefaultServiceAccount)
	if name == "" {
		return true, nil
	}
	ref := object.Ref{Key: object.Key{Kind: "ServiceAccount", Namespace: r.h.Namespace, Name: name}, Version: "v1"}
	_, err := r.own.Get(ctx, ref)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", ref.Key, err)
	}
	return true, nil
}
