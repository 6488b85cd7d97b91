package helm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/action"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/leat-dev/leat/internal/release"
)

// Driver acts on the releases of one cluster as one identity.
type Driver struct {
	cluster *Cluster
	who     Identity
}

// Place is where storage keeps a release.
type Place struct{ StorageNamespace, Name string }

// PlaceOf returns where the release of a spec is kept.
func PlaceOf(hr *v2.HelmRelease) Place {
	return Place{release.StorageNamespace(hr), release.Name(hr)}
}

// Observe returns the history of a release in storage, oldest first; empty when
// Helm knows none of that name. One LIST.
func (d *Driver) Observe(ctx context.Context, at Place) ([]*relv1.Release, error) {
	r, err := d.start(ctx, Job{}, at.StorageNamespace)
	if err != nil {
		return nil, err
	}
	return r.storage.history(at.Name)
}

// Install makes the first version of a release. The chart's CRDs come first.
func (d *Driver) Install(ctx context.Context, job Job) (Outcome, error) {
	return d.act(ctx, job, PlaceOf(job.Object), func(r *run, conf *action.Configuration) error {
		spec := job.Object.GetInstall()
		r.serverSide = !job.Gates.Helm3Defaults
		if asked := spec.ServerSideApply; asked != nil {
			r.serverSide = *asked
		}
		install := newInstall(conf, r)
		if err := r.applyCRDs(conf, spec.CRDs); err != nil {
			return err
		}
		r.unlooked = install.ServerSideApply && install.TakeOwnership
		_, err := install.RunWithContext(context.WithoutCancel(ctx), r.rendering(), release.CopyValues(job.Values))
		if err != nil && r.uninstalledBefore(err) {
			r.unlooked, install.Replace = false, true
			_, err = install.RunWithContext(context.WithoutCancel(ctx), r.rendering(), release.CopyValues(job.Values))
		}
		return err
	})
}

// uninstalledBefore tells whether an install was refused only because the
// history of an uninstalled release was kept; Flux cannot install there again
// unless spec.install.replace is set.
func (r *run) uninstalledBefore(err error) bool {
	if !strings.Contains(err.Error(), "cannot reuse a name") {
		return false
	}
	last, err := r.last(release.Name(r.job.Object))
	return err == nil && last.Info.Status == rcommon.StatusUninstalled
}

// newInstall sets the options as helm-controller v1.6.4 does
// (internal/action/install.go).
func newInstall(conf *action.Configuration, r *run) *action.Install {
	hr, spec := r.job.Object, r.job.Object.GetInstall()
	install := action.NewInstall(conf)
	install.ServerSideApply, install.ForceConflicts = r.serverSide, r.serverSide
	install.ReleaseName, install.Namespace = release.Name(hr), release.Namespace(hr)
	install.Timeout = spec.GetTimeout(hr.GetTimeout()).Duration
	install.TakeOwnership = !spec.DisableTakeOwnership
	install.WaitStrategy, install.WaitForJobs = r.strategyOf(spec), !spec.DisableWaitForJobs
	install.DisableHooks = spec.DisableHooks
	install.DisableOpenAPIValidation, install.SkipSchemaValidation = spec.DisableOpenAPIValidation, spec.DisableSchemaValidation
	install.Replace, install.Devel, install.SkipCRDs = spec.Replace, true, true
	install.EnableDNS = r.job.Gates.DNS
	install.CreateNamespace = spec.CreateNamespace && hr.Spec.TargetNamespace != ""
	install.PostRenderer, install.PostRenderStrategy = r.postRenderer(), r.renderStrategy()
	return install
}

// Upgrade makes another version of a release that storage knows.
func (d *Driver) Upgrade(ctx context.Context, job Job) (Outcome, error) {
	return d.act(ctx, job, PlaceOf(job.Object), func(r *run, conf *action.Configuration) error {
		spec, name := job.Object.GetUpgrade(), release.Name(job.Object)
		last, err := r.last(name)
		if err != nil {
			return err
		}
		r.serverSide = serverSide(spec.ServerSideApply, last)
		upgrade := newUpgrade(conf, r)
		if err := r.applyCRDs(conf, spec.CRDs); err != nil {
			return err
		}
		_, err = upgrade.RunWithContext(context.WithoutCancel(ctx), name, r.rendering(), release.CopyValues(job.Values))
		return err
	})
}

// newUpgrade sets the options as helm-controller v1.6.4 does
// (internal/action/upgrade.go).
func newUpgrade(conf *action.Configuration, r *run) *action.Upgrade {
	hr, spec := r.job.Object, r.job.Object.GetUpgrade()
	upgrade := action.NewUpgrade(conf)
	upgrade.ServerSideApply, upgrade.ForceConflicts = strconv.FormatBool(r.serverSide), r.serverSide
	upgrade.ForceReplace = spec.Force && !r.serverSide
	upgrade.Namespace = release.Namespace(hr)
	upgrade.ResetValues, upgrade.ReuseValues = !spec.PreserveValues, spec.PreserveValues
	upgrade.MaxHistory = hr.GetMaxHistory()
	upgrade.Timeout = spec.GetTimeout(hr.GetTimeout()).Duration
	upgrade.TakeOwnership = !spec.DisableTakeOwnership
	upgrade.WaitStrategy, upgrade.WaitForJobs = r.strategyOf(spec), !spec.DisableWaitForJobs
	upgrade.DisableHooks, upgrade.CleanupOnFail, upgrade.Devel = spec.DisableHooks, spec.CleanupOnFail, true
	upgrade.DisableOpenAPIValidation, upgrade.SkipSchemaValidation = spec.DisableOpenAPIValidation, spec.DisableSchemaValidation
	upgrade.EnableDNS = r.job.Gates.DNS
	upgrade.PostRenderer, upgrade.PostRenderStrategy = r.postRenderer(), r.renderStrategy()
	return upgrade
}

// last returns the newest version in storage.
func (r *run) last(name string) (*relv1.Release, error) {
	all, err := r.storage.history(name)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%q has no deployed releases", name)
	}
	return all[len(all)-1], nil
}

// serverSide resolves "auto", which is also the default: as the given release
// was applied.
func serverSide(mode v2.ServerSideApplyMode, like *relv1.Release) bool {
	switch mode {
	case v2.ServerSideApplyEnabled:
		return true
	case v2.ServerSideApplyDisabled:
		return false
	}
	return like != nil && like.ApplyMethod == string(relv1.ApplyMethodServerSideApply)
}

// Rollback makes another version with the manifest of an earlier one.
func (d *Driver) Rollback(ctx context.Context, job Job, version int) (Outcome, error) {
	return d.act(ctx, job, PlaceOf(job.Object), func(r *run, conf *action.Configuration) error {
		hr, spec, name := job.Object, job.Object.GetRollback(), release.Name(job.Object)
		target, err := r.version(name, version)
		if err != nil {
			return err
		}
		r.serverSide = serverSide(spec.ServerSideApply, target)
		rollback := action.NewRollback(conf)
		rollback.Version, rollback.MaxHistory = version, hr.GetMaxHistory()
		rollback.ServerSideApply, rollback.ForceConflicts = strconv.FormatBool(r.serverSide), r.serverSide
		rollback.ForceReplace = spec.Force && !r.serverSide
		rollback.Timeout = spec.GetTimeout(hr.GetTimeout()).Duration
		rollback.WaitStrategy, rollback.WaitForJobs = r.strategyOf(spec), !spec.DisableWaitForJobs
		rollback.DisableHooks, rollback.CleanupOnFail = spec.DisableHooks, spec.CleanupOnFail
		return rollback.Run(name)
	})
}

func (r *run) version(name string, version int) (*relv1.Release, error) {
	all, err := r.storage.history(name)
	if err != nil {
		return nil, err
	}
	for _, rel := range all {
		if rel.Version == version {
			return rel, nil
		}
	}
	return nil, fmt.Errorf("release has no %d version", version)
}

// Uninstall deletes the objects of a release and, unless spec.uninstall keeps
// it, its history. A release that storage does not know, or that was uninstalled
// before, is no error: Written is empty then. Chart and Values of the job are
// not read. At is PlaceOf(job.Object), or where the release was before it moved.
func (d *Driver) Uninstall(ctx context.Context, job Job, at Place) (Outcome, error) {
	return d.act(ctx, job, at, func(r *run, conf *action.Configuration) error {
		all, err := r.storage.history(at.Name)
		if err != nil || len(all) == 0 {
			return err
		}
		spec := job.Object.GetUninstall()
		last := all[len(all)-1]
		if last.Info.Status == rcommon.StatusUninstalled && spec.KeepHistory {
			return nil
		}
		r.moved, r.leaving = last.Namespace, true
		uninstall := action.NewUninstall(conf)
		uninstall.Timeout = spec.GetTimeout(job.Object.GetTimeout()).Duration
		uninstall.DisableHooks, uninstall.KeepHistory = spec.DisableHooks, spec.KeepHistory
		uninstall.WaitStrategy = r.strategyOf(spec)
		uninstall.DeletionPropagation = spec.GetDeletionPropagation()
		if _, err = uninstall.Run(at.Name); err != nil {
			return errors.Join(append([]error{err}, r.undeleted...)...)
		}
		return nil
	})
}

// Test runs the tests of the newest version that spec.test selects.
func (d *Driver) Test(ctx context.Context, job Job) (Outcome, error) {
	return d.act(ctx, job, PlaceOf(job.Object), func(_ *run, conf *action.Configuration) error {
		spec := job.Object.GetTest()
		test := action.NewReleaseTesting(conf)
		test.Namespace = release.Namespace(job.Object)
		test.Timeout = spec.GetTimeout(job.Object.GetTimeout()).Duration
		for _, f := range spec.GetFilters() {
			name := action.IncludeNameFilter
			if f.Exclude {
				name = action.ExcludeNameFilter
			}
			test.Filters[name] = append(test.Filters[name], f.Name)
		}
		_, shutdown, err := test.Run(release.Name(job.Object))
		return errors.Join(err, shutdown())
	})
}

// Unlock marks the newest version as failed if whoever wrote it did not finish.
func (d *Driver) Unlock(ctx context.Context, job Job) (Outcome, error) {
	return d.act(ctx, job, PlaceOf(job.Object), func(r *run, _ *action.Configuration) error {
		last, err := r.last(release.Name(job.Object))
		if err != nil || !release.Interrupted(last.Info.Status) {
			return err
		}
		r.was = last.Info.Status.String()
		last.SetStatus(rcommon.StatusFailed, fmt.Sprintf("Release unlocked from stale '%s' state", r.was))
		return r.storage.Update(key(last), last)
	})
}

// act runs one action and gathers what became of it.
func (d *Driver) act(ctx context.Context, job Job, at Place, do func(*run, *action.Configuration) error) (Outcome, error) {
	r, err := d.start(ctx, job, at.StorageNamespace)
	if err != nil {
		return Outcome{}, err
	}
	if err := r.tooHeavy(); err != nil {
		return Outcome{}, err
	}
	conf, err := r.configuration()
	if err == nil {
		err = r.guard.cause(do(r, conf))
	}
	if err == nil {
		err = r.unrecorded()
	}
	r.storage.settle()
	if ctx.Err() != nil && err != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return r.outcome(), r.lines.hide.err(err)
}

// unrecorded returns an error when Helm says that all is well but could not
// write that down: it only logs that.
func (r *run) unrecorded() error {
	for _, rel := range r.storage.newestFirst() {
		if rel.Info.Status.IsPending() && !r.storage.deleted[rel.Version] {
			return fmt.Errorf("record release %s.v%d: it is still '%s' in Helm storage", rel.Name, rel.Version, rel.Info.Status)
		}
	}
	return nil
}

func (r *run) outcome() Outcome {
	out := Outcome{
		Written: r.storage.newestFirst(), Stored: r.storage.present(), Notes: r.notes, Assumed: r.assumed, Log: r.lines.String(),
		Took: time.Since(r.started), Requests: r.requests.Load(), Was: r.was,
	}
	if len(out.Written) > 0 {
		out.Inventory = r.inventory(out.Written[0])
	}
	return out
}
