package engine

import (
	"context"
	"fmt"
	"path"

	helm "helm.sh/helm/v4/pkg/chart/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
)

// fromTree makes a chart of a directory, or takes an archive, in the artifact of
// a GitRepository or Bucket.
func (r *charting) fromTree(ctx context.Context, obj *unstructured.Unstructured) (chart.Built, error) {
	status, err := unit.StatusOf(obj)
	if err != nil {
		return chart.Built{}, report.Wait(report.ReasonSourceMissing, err, r.c.Source().String())
	}
	t, err := r.Trees.Open(ctx, status.Artifact)
	if err != nil {
		r.view.stored(r.c.Source())
		return chart.Built{}, report.Retry(report.ReasonReadFailed, fmt.Errorf("failed to open source artifact: %w", err))
	}
	at, m, err := r.locate(t)
	if err != nil {
		return chart.Built{}, report.Stall(report.ReasonChartReference, fmt.Errorf("invalid chart reference: %w", err))
	}
	metadata := r.revisionMetadata(status.Artifact)
	built := chart.Built{Name: m.Name, Packaged: at.archive == nil || metadata != ""}
	if built.Version, err = chart.WithMetadata(m.Version, metadata); err != nil {
		return built, report.Stall(report.ReasonMetadataPatch, fmt.Errorf("chart metadata patch error: %w", err))
	}
	switch {
	case r.kept(built.Name, built.Version):
		built.ValuesFiles = r.merged()
		return built, nil
	case !built.Packaged:
		built.Data = at.archive
		return built, nil
	}
	return r.build(ctx, at, built)
}

// place is where a chart was found in a source.
type place struct {
	tree    tree.Tree
	dir     string
	archive []byte // where it is packaged
}

// locate finds the chart and reads what it says of itself.
func (r *charting) locate(t tree.Tree) (place, *helm.Metadata, error) {
	if path.IsAbs(r.c.Spec.Chart) {
		return place{}, nil, fmt.Errorf("the path '%s' is absolute; write it relative to the root of the source", r.c.Spec.Chart)
	}
	dir, err := chart.InSource(r.c.Spec.Chart)
	if err != nil {
		return place{}, nil, err
	}
	at := place{tree: t, dir: dir}
	switch t.Lookup(dir).Kind {
	case tree.Dir:
		m, err := chart.InspectTree(t, dir, r.chartLimits())
		return at, m, err
	case tree.File:
		if at.archive, err = t.ReadFile(dir); err != nil {
			return at, nil, err
		}
		m, err := chart.Inspect(at.archive, r.chartLimits())
		return at, m, err
	default:
		return at, nil, fmt.Errorf("there is no chart at '%s' in %s", dir, r.c.Source())
	}
}

// build merges values, adds dependencies and packages.
func (r *charting) build(ctx context.Context, at place, built chart.Built) (chart.Built, error) {
	c, err := r.load(at)
	if err != nil {
		return built, report.Retry(report.ReasonChartPackage, fmt.Errorf("chart package error: %w", err))
	}
	c.Metadata.Version = built.Version
	if built.ValuesFiles, err = r.values().FromTree(c, at.tree, r.chartLimits()); err != nil {
		return built, report.Stall(report.ReasonValuesFiles, fmt.Errorf("values files merge error: %w", err))
	}
	if at.archive == nil {
		if err := r.dependencies(ctx, c, at); err != nil {
			return built, err
		}
	}
	if built.Data, err = chart.Package(c); err != nil {
		return built, report.Retry(report.ReasonChartPackage, fmt.Errorf("chart package error: %w", err))
	}
	return built, nil
}

func (r *charting) load(at place) (*helm.Chart, error) {
	if at.archive != nil {
		return chart.Load(at.archive, r.chartLimits())
	}
	return chart.LoadTree(at.tree, at.dir, r.chartLimits())
}

// dependencies fetches the subcharts that are asked for and not there.
func (r *charting) dependencies(ctx context.Context, c *helm.Chart, at place) error {
	missing, err := chart.Missing(c, at.dir)
	if err != nil {
		return report.Retry(report.ReasonDependencyBuild, fmt.Errorf("dependency build error: %w", err))
	}
	for _, d := range missing {
		sub, err := r.dependency(ctx, d, at)
		if err == nil {
			err = d.Add(c, sub)
		}
		if err != nil {
			return report.RetryOn(report.ReasonDependencyBuild, fmt.Errorf("dependency build error: failed to add %s dependency '%s': %w", whence(d), d.Name, err),
				report.AsProblem(err, "").On...)
		}
	}
	return nil
}

func whence(d chart.Dependency) string {
	if d.Local() {
		return "local"
	}
	return "remote"
}

// dependency brings one subchart: from the source, or from a repository.
func (r *charting) dependency(ctx context.Context, d chart.Dependency, at place) (*helm.Chart, error) {
	if d.Local() {
		switch at.tree.Lookup(d.Path).Kind {
		case tree.Dir:
			return chart.LoadTree(at.tree, d.Path, r.chartLimits())
		case tree.File:
			data, err := at.tree.ReadFile(d.Path)
			if err != nil {
				return nil, err
			}
			return chart.Load(data, r.chartLimits())
		default:
			return nil, fmt.Errorf("no chart found at '%s'", d.Path)
		}
	}
	repo := r.repositoryAt(ctx, d.Repository)
	ctx, cancel := context.WithTimeout(ctx, repo.Timeout())
	defer cancel()
	reader := repositoryReader{r.Engine, repo, r.view, since(r.c, r.c.Status.LastHandledReconcileAt, r.c.Interval(), r.now)}
	got, err := reader.fetch(ctx, chartQuestion{d.Name, d.Range, func(fetched) bool { return true }})
	if err != nil {
		return nil, err
	}
	return chart.Load(got.data, r.chartLimits())
}
