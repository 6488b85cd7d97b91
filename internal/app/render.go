package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// Rendering is a cluster as its fleet renders, for questions about it.
type Rendering struct {
	Path  string
	Fleet fleet.Rendered
	// Own is the tree of the fleet, Before the one that it is compared with; zero
	// where there is none.
	Own, Before tree.Tree
	// Mask hides the secrets that can reach the objects of a unit. It is not safe
	// for concurrent use.
	Mask func(unit object.Key) plan.Mask
}

// Render renders the head of each cluster.
func Render(ctx context.Context, cfg PlanConfig) ([]Rendering, error) {
	previews, err := NewPreviews(cfg.Previews)
	if err != nil {
		return nil, err
	}
	defer previews.Close()
	head, err := cfg.Revisions.side(ctx, previews.pool, cfg.Revisions.Head)
	if err != nil {
		return nil, fmt.Errorf("--head: %w", err)
	}
	var before tree.Tree
	if base, _, err := cfg.Revisions.Read(ctx, previews.pool); err == nil { // where there is something to compare with
		before = base.Tree
	}
	inputs, err := previews.inputs()
	if err != nil {
		return nil, err
	}
	entries := cfg.Entries
	if cfg.All {
		entries = clusters(head, head, cfg.Entries)
	}
	out, errs := make([]Rendering, len(entries)), make([]error, len(entries))
	each(len(entries), func(i int) {
		r := previews.render(ctx, entries[i], head)
		mask := change.Masks(r.fleet, change.Options{Mask: cfg.Previews.Options.Mask, Inputs: inputs})
		out[i], errs[i] = Rendering{Path: r.path, Fleet: r.fleet, Own: head.Tree, Before: before, Mask: mask}, r.err
	})
	return out, errors.Join(errs...)
}

// Rebuilt tells which of the things that the build of a unit read have changed
// since Before.
func (r Rendering) Rebuilt(ctx context.Context, u fleet.Unit) []record.Change {
	if r.Before.Files() == 0 {
		return nil
	}
	var own record.Set
	for _, read := range u.Reads {
		switch read.Space {
		case record.File, record.Stat, record.Dir:
			own = append(own, read)
		}
	}
	return own.Changes(build.Ask(ctx, r.Before, nil))
}
