package app

import (
	"context"
	"path/filepath"
	"time"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/expect"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
)

// TestConfig says what to hold a fleet to.
type TestConfig struct {
	Previews PreviewConfig
	Dir      string // of the fleet
	Spec     expect.Spec
	Beside   string // directory of the file of expectations: inputs are relative to it
	Entry    entry.Options
	Allowed  []finding.Allowance
	Now      time.Time // decides which of them are over
}

// Tested is how one cluster compares with what is expected of it.
type Tested struct {
	Cluster  expect.Cluster
	Failures []expect.Failure
	Took     time.Duration
	Err      error // it could not be rendered
}

// Test renders the clusters of a file of expectations and compares each.
func Test(ctx context.Context, cfg TestConfig) ([]Tested, error) {
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return nil, err
	}
	defer previews.Close()
	head, err := Revisions{Dir: cfg.Dir}.side(ctx, previews.pool, "")
	if err != nil {
		return nil, err
	}
	out := make([]Tested, len(cfg.Spec.Clusters))
	each(len(out), func(i int) { out[i] = previews.test(ctx, cfg, cfg.Spec.Clusters[i], head) })
	return out, nil
}

func (p *Previews) test(ctx context.Context, cfg TestConfig, c expect.Cluster, head Revision) Tested {
	began := time.Now()
	out := Tested{Cluster: c}
	o := cfg.Entry
	o.Path = c.Path
	got, err := p.with(c, cfg.Beside).got(ctx, o, head)
	if out.Err = err; err == nil {
		finding.Permit(got.Findings, cfg.Allowed, c.Path, cfg.Now)
		out.Failures = c.Check(got)
	}
	out.Took = time.Since(began)
	return out
}

// with returns the same previews with the inputs that a cluster is tested with.
func (p *Previews) with(c expect.Cluster, beside string) *Previews {
	out := *p
	out.cfg.Inputs = append([]string{}, p.cfg.Inputs...)
	for _, file := range c.Inputs {
		if !filepath.IsAbs(file) {
			file = filepath.Join(beside, file)
		}
		out.cfg.Inputs = append(out.cfg.Inputs, file)
	}
	out.cfg.Values = map[string]string{}
	for _, values := range []map[string]string{c.Values, p.cfg.Values} { // flags last
		for key, value := range values {
			out.cfg.Values[key] = value
		}
	}
	return &out
}

// got is what a cluster becomes, with what rules find in it as if all were new.
func (p *Previews) got(ctx context.Context, o entry.Options, head Revision) (expect.Got, error) {
	r := p.render(ctx, o, head)
	if r.err != nil {
		return expect.Got{}, r.err
	}
	inputs, err := p.inputs()
	if err != nil {
		return expect.Got{}, err
	}
	set := change.Compare(fleet.Rendered{}, r.fleet, change.Options{Mask: p.cfg.Options.Mask, Inputs: inputs})
	set.Flaws[1] = r.flaws
	found, err := judge(ctx, &set, rendering{}, r)
	return expect.Got{Fleet: r.fleet, Findings: found}, err
}
