package build

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// Saved is a build as plain data: what was built, from which tree, and the outcome.
type Saved struct {
	Recipe   []byte // as JSON
	Features string
	Tree     hash.ID
	Outcome  Outcome
	Pieces   []SavedPiece // of the objects of the outcome, in their order; nil where they are few, or not known
}

// SavedOf makes a build plain data.
func SavedOf(t tree.Tree, r Recipe, features string, out Outcome) (Saved, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return Saved{}, fmt.Errorf("save recipe: %w", err)
	}
	out.Hit, out.Why = false, ""
	return Saved{text, features, t.Hash(), out, pieces.of(out.Result)}, nil
}

// Decode returns the recipe.
func (s Saved) Decode() (Recipe, error) {
	var r Recipe
	if err := json.Unmarshal(s.Recipe, &r); err != nil {
		return r, fmt.Errorf("read saved recipe: %w", err)
	}
	return r, nil
}

// Keep takes the outcome of a build that was run elsewhere, as if it had been run
// here.
func (c *Cache) Keep(r Recipe, o Options, out Outcome) error {
	key, err := r.key(o)
	if err != nil {
		return err
	}
	c.store(key, ownerOf(r), version{reads: out.Reads, result: out.Result})
	return nil
}

// runner builds, or remembers having built.
type runner interface {
	Run(ctx context.Context, t tree.Tree, r Recipe, o Options) (Outcome, error)
}

// Noted builds, and notes what was built until it is asked for that. It is safe for
// concurrent use.
type Noted struct {
	builder runner

	mu  sync.Mutex
	all map[hash.ID]noted // by recipe; nil when nothing is noted any more
}

type noted struct {
	tree    tree.Tree
	recipe  Recipe
	options Options
	outcome Outcome
}

// Note returns b with a list of what it built.
func Note(b runner) *Noted { return &Noted{builder: b, all: map[hash.ID]noted{}} }

// Run builds.
func (n *Noted) Run(ctx context.Context, t tree.Tree, r Recipe, o Options) (Outcome, error) {
	out, err := n.builder.Run(ctx, t, r, o)
	if err != nil {
		return out, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		return out, nil
	}
	key, err := r.key(o)
	if err != nil {
		return out, err
	}
	n.all[key] = noted{t, r, o, out}
	return out, nil
}

// Taken returns what was built so far, the last outcome of each recipe, and notes
// nothing from now on.
func (n *Noted) Taken() ([]Saved, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Saved, 0, len(n.all))
	for _, b := range n.all {
		s, err := SavedOf(b.tree, b.recipe, b.options.Features, b.outcome)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	n.all = nil
	return out, nil
}
