package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/source/worktree"
)

// Replan plans, and plans again whenever a file of the directory is saved, until
// ctx ends; show is told of each plan. The base stays what it was at the beginning.
// A revision that cannot be rendered is told with its error; the next save tries
// again.
func Replan(ctx context.Context, cfg PlanConfig, show func(present.Plan, error)) error {
	if cfg.Revisions.Head != "" {
		return errors.New("--watch plans the directory as it is saved; it does not go with --head")
	}
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return err
	}
	defer previews.Close()
	reader, err := worktree.Open(cfg.Revisions.Dir)
	if err != nil {
		return err
	}
	base, head, err := cfg.Revisions.Read(ctx, previews.pool)
	if err != nil {
		return err
	}
	w, err := worktree.Watch(ctx, reader, worktree.WatchOptions{})
	if err != nil {
		return fmt.Errorf("watch %s: %w", cfg.Revisions.Dir, err)
	}
	all := replanning{previews: previews, cfg: cfg, base: base}
	defer all.close()
	show(all.at(ctx, head.Snapshot))
	for range w.Changed() {
		snap, err := reader.Read(ctx)
		if err != nil {
			show(present.Plan{}, err)
			continue
		}
		show(all.at(ctx, snap))
	}
	return nil
}

// replanning are the clusters that are planned again and again: those that either side
// has, where all are planned.
type replanning struct {
	previews *Previews
	cfg      PlanConfig
	base     Revision
	clusters []*replanned
}

func (r *replanning) at(ctx context.Context, snap worktree.Snapshot) (present.Plan, error) {
	r.follow(Revision{Snapshot: snap, Name: r.cfg.Revisions.Dir})
	out := present.Plan{Entries: make([]present.Entry, len(r.clusters))}
	errs := make([]error, len(r.clusters))
	each(len(r.clusters), func(i int) { out.Entries[i], errs[i] = r.clusters[i].at(ctx, snap) })
	return out, errors.Join(errs...)
}

// follow takes in the clusters that came with a revision, and lets go of those that
// went.
func (r *replanning) follow(head Revision) {
	entries := r.cfg.Entries
	if r.cfg.All {
		entries = clusters(r.base, head, r.cfg.Entries)
	}
	before := r.clusters
	r.clusters = nil
	for _, o := range entries {
		at := slices.IndexFunc(before, func(c *replanned) bool { return c.entry == o })
		if at < 0 {
			r.clusters = append(r.clusters, &replanned{previews: r.previews, entry: o, base: r.base})
			continue
		}
		r.clusters = append(r.clusters, before[at])
		before = slices.Delete(before, at, at+1)
	}
	for _, gone := range before {
		gone.close()
	}
}

func (r *replanning) close() {
	for _, c := range r.clusters {
		c.close()
	}
}

// replanned is one cluster that is planned again and again.
type replanned struct {
	previews *Previews
	entry    entry.Options
	base     Revision
	from     *rendering // of base, nil until it was asked for
	head     *Preview   // that stands as the last plan told; nil where none does
	last     rendering  // of head
	twins    twins      // of head, in base
}

// at plans a revision as a plan would that begins with it: from where the last one
// left off, if that comes to the same.
func (r *replanned) at(ctx context.Context, snap worktree.Snapshot) (present.Entry, error) {
	head := r.render(ctx, Revision{Snapshot: snap, Name: "the directory"})
	if head.err == nil {
		head.fleet = r.twins.share(r.from.fleet, head.fleet)
	}
	return r.previews.compared(ctx, [2]rendering{*r.from, head})
}

func (r *replanned) render(ctx context.Context, to Revision) rendering {
	if r.head != nil {
		out, passage := r.head.pass(ctx, r.last, to)
		if passage == preview.Whole {
			r.last = out
			return out
		}
		r.close() // what the last plan left behind would show
	}
	sides, v := r.previews.passOn(ctx, r.entry, r.base, to)
	if r.from == nil {
		r.from = &sides[0]
	}
	r.head, r.last = v, sides[1]
	return sides[1]
}

func (r *replanned) close() {
	if r.head != nil {
		r.head.Close()
		r.head = nil
	}
}
