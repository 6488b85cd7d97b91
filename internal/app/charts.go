package app

import (
	"context"
	"fmt"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/source/charts"
	"github.com/leat-dev/leat/internal/source/fault"
)

// chartRepositories reads repositories of charts: on this machine, or through a
// pool.
type chartRepositories struct {
	local   Local // may be nil
	pool    *charts.Pool
	offline bool
}

// Local implements engine.Charts.
func (c chartRepositories) Local(url string) bool { return c.local != nil && c.local.Local(url) }

// Index implements engine.Charts.
func (c chartRepositories) Index(ctx context.Context, r engine.ChartRequest) (engine.ChartIndex, error) {
	switch {
	case c.Local(r.URL):
		return c.mirrored(r)
	case c.offline && c.local != nil:
		return engine.ChartIndex{}, offline(report.ReasonFailed, charts.Shown(r.URL))
	}
	req, note, err := chartRequest(r)
	if err != nil {
		return engine.ChartIndex{}, indexProblem(err)
	}
	got, err := c.pool.Index(ctx, req)
	if err != nil {
		return engine.ChartIndex{}, indexProblem(err)
	}
	out := engine.ChartIndex{Digest: got.Digest, Data: got.Data}
	if note != "" {
		out.Notes = []string{note}
	}
	return out, nil
}

func (c chartRepositories) mirrored(r engine.ChartRequest) (engine.ChartIndex, error) {
	f, err := c.local.ChartFolder(r.URL)
	if err != nil {
		return engine.ChartIndex{}, err
	}
	got, notes, err := f.Index()
	if err != nil {
		return engine.ChartIndex{}, indexProblem(err)
	}
	out := engine.ChartIndex{Digest: got.Digest, Data: got.Data, Notes: notes}
	if r.Have == got.Digest {
		out.Data = nil
	}
	return out, nil
}

// Chart implements engine.Charts.
func (c chartRepositories) Chart(ctx context.Context, r engine.ChartRequest, v chart.Version) ([]byte, error) {
	switch {
	case c.Local(r.URL):
		f, err := c.local.ChartFolder(r.URL)
		if err != nil {
			return nil, err
		}
		data, err := f.Chart(v)
		return data, chartProblem(err)
	case c.offline && c.local != nil:
		return nil, offline(report.ReasonChartPull, charts.Shown(r.URL))
	}
	req, _, err := chartRequest(r)
	if err != nil {
		return nil, chartProblem(err)
	}
	data, err := c.pool.Chart(ctx, req, v)
	return data, chartProblem(err)
}

func chartRequest(r engine.ChartRequest) (charts.Request, string, error) {
	cred, note, err := charts.FromSecrets(r.Secret, r.Cert)
	cred.PassCredentials = r.PassCredentials
	return charts.Request{URL: r.URL, Credential: cred, Since: r.Since, Have: r.Have}, note, err
}

// indexProblem says of an error about an index what ends the state that it
// describes.
func indexProblem(err error) error {
	err2 := fmt.Errorf("failed to fetch Helm repository index: %w", err)
	switch fault.ClassOf(err) {
	case fault.Auth, fault.Trust:
		return report.Retry(report.ReasonAuthFailed, err2)
	case fault.Invalid:
		return report.Stall(report.ReasonURLInvalid, err2)
	default:
		return report.RetryAfter(report.ReasonFailed, err2, fault.After(err))
	}
}

// chartProblem does so for a chart.
func chartProblem(err error) error {
	switch fault.ClassOf(err) {
	case "":
		return err
	case fault.Auth, fault.Trust:
		return report.Retry(report.ReasonAuthFailed, fmt.Errorf("failed to authenticate with the Helm repository: %w", err))
	default:
		return report.RetryAfter(report.ReasonChartPull, fmt.Errorf("failed to download chart for remote reference: %w", err), fault.After(err))
	}
}

// ChartFolder implements Local: the folder that stands for a repository of
// charts, or one of its path below that.
func (l *LocalSources) ChartFolder(url string) (charts.Folder, error) {
	m, rest, ok := mirror.Find(l.Mirrors, url)
	if !ok {
		return charts.Folder{}, offline(report.ReasonFailed, charts.Shown(url))
	}
	dir, err := mirrored(m, rest)
	if err != nil {
		return charts.Folder{}, report.Retry(report.ReasonFailed, err)
	}
	return charts.Folder{Dir: dir}, nil
}
