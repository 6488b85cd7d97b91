package app

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/preview"
)

// PlanConfig says what to plan.
type PlanConfig struct {
	Previews  PreviewConfig
	Revisions Revisions
	// Entries are where the clusters begin; one that is empty finds the only one.
	Entries []entry.Options
	// All plans every cluster that either side has.
	All bool
}

// Plan renders both sides of a change for each cluster and compares them.
func Plan(ctx context.Context, cfg PlanConfig) (present.Plan, error) {
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return present.Plan{}, err
	}
	defer previews.Close()
	base, head, err := cfg.Revisions.Read(ctx, previews.pool)
	if err != nil {
		return present.Plan{}, err
	}
	entries := cfg.Entries
	if cfg.All {
		entries = clusters(base, head, cfg.Entries)
	}
	out := present.Plan{Entries: make([]present.Entry, len(entries))}
	errs := make([]error, len(entries))
	each(len(entries), func(i int) { out.Entries[i], errs[i] = previews.compare(ctx, entries[i], base, head) })
	return out, errors.Join(errs...)
}

// each calls f for the numbers below n, as many at once as there are processors.
func each(n int, f func(int)) {
	var all sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range n {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
	all.Wait()
}

// clusters are those of either side.
func clusters(base, head Revision, like []entry.Options) []entry.Options {
	var out []entry.Options
	seen := map[string]bool{}
	for _, side := range []Revision{head, base} {
		for _, path := range entry.Clusters(side.Tree) {
			if !seen[path] {
				seen[path] = true
				o := entry.Options{Path: path}
				if len(like) > 0 {
					o.Name, o.Namespace = like[0].Name, like[0].Namespace
				}
				out = append(out, o)
			}
		}
	}
	return out
}

// rendering is one side, rendered.
type rendering struct {
	fleet fleet.Rendered
	from  origins
	path  string
	took  time.Duration
	flaws []change.Flaw
	notes []string
	err   error
	// digests are those of the units, where the engine notes them (engine.Approvals).
	digests unitDigests
}

// compare renders both sides of a cluster and says what the change does.
func (p *Previews) compare(ctx context.Context, o entry.Options, base, head Revision) (present.Entry, error) {
	if base.Tree.Hash() == head.Tree.Hash() {
		side := p.side(ctx, o, head) // both render the same
		return p.compared(ctx, [2]rendering{side, side})
	}
	return p.compared(ctx, p.sides(ctx, o, base, head))
}

// compared says what lies between two renderings, base and head.
func (p *Previews) compared(ctx context.Context, sides [2]rendering) (present.Entry, error) {
	var absent [2]*entry.NotFound
	for i := range sides {
		if sides[i].err != nil && !errors.As(sides[i].err, &absent[i]) {
			return present.Entry{}, sides[i].err
		}
	}
	if absent[0] != nil && absent[1] != nil {
		return present.Entry{}, sides[1].err
	}
	inputs, err := p.inputs()
	if err != nil {
		return present.Entry{}, err
	}
	sides[0].fleet, sides[1].fleet = preview.Alike(sides[0].fleet, sides[1].fleet)
	set := change.Compare(sides[0].fleet, sides[1].fleet, change.Options{Mask: p.cfg.Options.Mask, Inputs: inputs})
	set.Flaws = [2][]change.Flaw{sides[0].flaws, sides[1].flaws}
	found, err := judge(ctx, &set, sides[0], sides[1])
	if err != nil {
		return present.Entry{}, err
	}
	path := sides[1].path
	if absent[1] != nil {
		path = sides[0].path
	}
	return present.Entry{Path: path, Set: set, Findings: found, Took: present.Took{Base: sides[0].took, Head: sides[1].took}, Notes: sides[1].notes}, nil
}

// render brings one side to rest. A side that does not have the cluster is empty.
func (p *Previews) render(ctx context.Context, o entry.Options, r Revision) rendering {
	out, v := p.fresh(ctx, o, r, nil)
	if v != nil {
		v.Close()
	}
	return out
}

// fresh is render of what is compared with what the fleet was before, which may be nil,
// and the preview that stands so; nil where there is none.
func (p *Previews) fresh(ctx context.Context, o entry.Options, r Revision, before *fleet.Rendered) (rendering, *Preview) {
	began := time.Now()
	v, err := p.open(ctx, r.Snapshot, o, before)
	if err != nil {
		return unrendered(r, err), nil
	}
	return v.rendering(ctx, began), v
}

// side is render, by what an earlier process kept if there is such.
func (p *Previews) side(ctx context.Context, o entry.Options, r Revision) rendering {
	v, side, err := p.stand(ctx, o, r)
	if err != nil {
		return unrendered(r, err)
	}
	v.Close()
	return side
}

func unrendered(r Revision, err error) rendering {
	return rendering{fleet: fleet.Rendered{Revision: r.Revision()}, err: fmt.Errorf("%s: %w", r.Name, err)}
}

// rendering is a preview as it stands, which it took since then to come to.
func (v *Preview) rendering(ctx context.Context, since time.Time) rendering {
	out := rendering{fleet: v.Rendered(ctx), from: v.from, path: v.Entry.Path}
	out.flaws, out.notes = v.flaws(ctx, out.fleet)
	out.notes = append(out.notes, elsewhere(out.fleet)...)
	out.digests = v.digests(out.fleet)
	out.took = time.Since(since)
	return out
}

// inputs are the objects that live outside Git and were given.
func (p *Previews) inputs() ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, file := range p.cfg.Inputs {
		objs, err := readInput(file)
		if err != nil {
			return nil, err
		}
		out = append(out, objs...)
	}
	return out, nil
}
