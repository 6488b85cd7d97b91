package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/present"
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
	entries := cfg.Entries
	if cfg.All {
		entries = clusters(base, head, cfg.Entries)
	}
	w, err := worktree.Watch(ctx, reader, worktree.WatchOptions{})
	if err != nil {
		return fmt.Errorf("watch %s: %w", cfg.Revisions.Dir, err)
	}
	all := make([]*replanned, len(entries))
	each(len(entries), func(i int) {
		all[i] = &replanned{previews: previews, entry: entries[i], base: previews.render(ctx, entries[i], base)}
	})
	defer func() {
		for _, r := range all {
			r.close()
		}
	}()
	show(planned(ctx, all, head.Snapshot))
	for range w.Changed() {
		snap, err := reader.Read(ctx)
		if err != nil {
			show(present.Plan{}, err)
			continue
		}
		show(planned(ctx, all, snap))
	}
	return nil
}

func planned(ctx context.Context, all []*replanned, snap worktree.Snapshot) (present.Plan, error) {
	out := present.Plan{Entries: make([]present.Entry, len(all))}
	errs := make([]error, len(all))
	each(len(all), func(i int) { out.Entries[i], errs[i] = all[i].at(ctx, snap) })
	return out, errors.Join(errs...)
}

// replanned is one cluster that is planned again and again.
type replanned struct {
	previews *Previews
	entry    entry.Options
	base     rendering
	head     *Preview // nil until it could be rendered
	twins    twins    // of head, in base
}

// at plans a revision: from where the last one left off, if there is one.
func (r *replanned) at(ctx context.Context, snap worktree.Snapshot) (present.Entry, error) {
	began := time.Now()
	head := rendering{}
	switch {
	case r.head == nil:
		r.head, head.err = r.previews.open(ctx, snap, r.entry, &r.base.fleet)
	default:
		if head.err = r.head.Update(ctx, snap); head.err != nil {
			r.close() // the next one begins anew
		}
	}
	if head.err != nil {
		head.fleet.Revision = snap.Revision()
	} else {
		head = r.head.rendering(ctx, began)
		head.fleet = r.twins.share(r.base.fleet, head.fleet)
	}
	return r.previews.compared(ctx, [2]rendering{r.base, head})
}

func (r *replanned) close() {
	if r.head != nil {
		r.head.Close()
		r.head = nil
	}
}
