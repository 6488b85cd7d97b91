package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	rcommon "helm.sh/helm/v4/pkg/release/common"
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
	if op := r.ops.of(r.h.Key()); op != nil {
		if op.stamp != leaving && !r.h.Spec.Suspend {
			op.cancel(errDeleted)
		}
		return r.goingOn(op.title)
	}
	rep := report.Report{Unit: r.h.Key(), Finalize: true}
	left := r.lastWords()
	switch {
	case r.h.Spec.Suspend:
		r.ops.forget(r.h.Key())
		return rep
	case left != nil && left.done.Err != nil:
		r.ops.without(r.h.Key(), leaving)
		return report.ReleaseStays(r.h, left.done.Err, r.now)
	case left != nil:
		rep.Events = append(rep.Events, report.ReleaseRemoved(r.h, nil))
	default:
		if err := r.enter(ctx); err != nil {
			return r.cannotEnter(ctx, rep, err)
		}
		at, known, err := r.place(ctx)
		switch {
		case errors.Is(err, errNobody) && known:
			rep.Events = append(rep.Events, report.ReleaseLeft(r.h, r.as.User))
		case errors.Is(err, errNobody):
		case err != nil:
			return report.ReleaseStays(r.h, err, r.now)
		case known:
			return r.uninstall(at)
		}
	}
	return r.gone(ctx, rep)
}

// gone ends the life of a unit whose release is uninstalled, or left.
func (r *releasing) gone(ctx context.Context, rep report.Report) report.Report {
	if err := r.deleteChart(ctx); err != nil {
		return report.ReleaseStays(r.h, err, r.now)
	}
	r.ops.forget(r.h.Key())
	return rep
}

// cannotEnter keeps a unit whose release is in a cluster that cannot be reached;
// without a kubeconfig it is let go and the release stays, as in Flux
// (helm-controller v1.6.4 internal/controller/helmrelease_controller.go).
func (r *releasing) cannotEnter(ctx context.Context, rep report.Report, err error) report.Report {
	switch p := report.AsProblem(err, ""); {
	case p.Missing:
		rep.Events = append(rep.Events, report.ReleaseLeft(r.h, strings.Join(p.On, ", ")+" with the way to its cluster"))
		return r.gone(ctx, rep)
	case p.Class == report.Progressing:
		rep := r.goingOn(p.Error())
		rep.Reads = r.view.rec.Set()
		return rep
	}
	rep = report.ReleaseStays(r.h, err, r.now)
	rep.Reads = r.view.rec.Set()
	return rep
}

// lastWords takes up what the status does not tell yet, so that a release which
// was just made is not forgotten, and returns how the uninstallation ended, if
// there was one.
func (r *releasing) lastWords() (left *finished) {
	for _, f := range r.ops.ended(r.h.Key(), historyOf(r.h.Status)) {
		if f.op.stamp == leaving {
			left = &f
			continue
		}
		r.takeUp(f)
	}
	r.h.Status = r.run.Status
	return left
}

// errNobody tells that the account is gone that the unit acts as.
var errNobody = errors.New("the ServiceAccount to act as is gone")

// place returns where the release is that must be uninstalled, and whether there
// is one. Where the status tells of none, because a process ended before it was
// written, Helm's storage is asked for one whose objects carry our labels.
func (r *releasing) place(ctx context.Context) (helm.Place, bool, error) {
	at := helm.PlaceOf(&r.h.HelmRelease)
	latest := r.h.Status.History.Latest()
	if latest != nil {
		at = helm.Place{StorageNamespace: cmp.Or(r.h.Status.StorageNamespace, at.StorageNamespace), Name: latest.Name}
	}
	switch ok, err := r.canAct(ctx); {
	case err != nil:
		return at, latest != nil, err
	case !ok:
		return at, latest != nil, errNobody
	case latest != nil:
		return at, true, nil
	}
	stored, err := r.driver.Observe(ctx, at)
	switch {
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		return at, false, nil // who may not look has not installed
	case err != nil:
		return at, false, err
	case len(stored) == 0:
		return at, false, nil
	}
	newest := slices.MaxFunc(stored, byVersion)
	namespace, name := helm.Origin(newest)
	ours := namespace == r.h.Namespace && name == r.h.Name && newest.Info.Status != rcommon.StatusUninstalled
	return at, ours, nil
}

// leaving is the stamp of the operation that uninstalls for good.
const leaving = "uninstall for good"

// uninstall begins to uninstall the release that is kept at a place.
func (r *releasing) uninstall(at helm.Place) report.Report {
	job := helm.Job{Object: r.h.DeepCopy(), Gates: r.Options.HelmGates, Log: func(line string) { r.log().Debug("helm", "unit", r.h.Key(), "line", line) }}
	op := &operation{title: title(release.Uninstall, r.timeout(release.Uninstall)), stamp: leaving, req: r.req}
	key, driver, letGo := r.h.Key(), r.driver, r.site.hold()
	r.ops.begin(key, op, func(ctx context.Context, _ func()) finished {
		var f finished
		f.done.Action = release.Uninstall
		f.out, f.done.Err = driver.Uninstall(ctx, job, at)
		return f
	}, func() {
		letGo()
		r.tell(key, "it was uninstalled")
	})
	return r.goingOn(op.title)
}

// goingOn keeps the unit until an operation has ended, which brings the next run.
func (r *releasing) goingOn(what string) report.Report {
	rep := report.Report{Unit: r.h.Key()}
	rep.Summary = report.Summary{Ready: "Unknown", Reason: report.ReasonProgressing, Message: what}
	return rep
}

// canAct tells whether the account that the unit acts as still exists.
func (r *releasing) canAct(ctx context.Context) (bool, error) {
	name := r.h.ServiceAccount(r.Options.DefaultServiceAccount)
	if name == "" || r.site.foreign() {
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
