package app

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/writeback"
)

// maxProofs bounds how often edits are rendered: what does not hold is left, and the rest
// looked at again.
const maxProofs = 4

// handSide is an environment as Git has it, into which values are written back.
type handSide struct {
	previews    *Previews
	head        Head
	environment flow.Environment
	flow        flow.Flow
	base        *Preview
	rendered    fleet.Rendered
}

func (s *handSide) close() { s.base.Close() }

// handEdits are items with the files that change for those that are proposed.
type handEdits struct {
	items []writeback.Item
	files map[string]*tree.Blob
}

// edited finds what of some writes Git does not have, and the edits that bring it there.
// Each was proven: rendered, it makes the field what it is live, and changes no other
// environment.
func (s *handSide) edited(ctx context.Context, writes []access.Write) (handEdits, error) {
	masks := change.Masks(s.rendered, change.Options{Mask: s.previews.cfg.Options.Mask})
	out := handEdits{items: writeback.Gather(s.rendered, writes, masks)}
	if err := writeback.Trace(ctx, s.base.from.at(s.rendered), out.items); err != nil {
		return out, err
	}
	for range maxProofs {
		if out.files = writeback.Edit(s.head.Tree, out.items); !writeback.Any(out.items) {
			return out, nil
		}
		proven, err := s.prove(ctx, out)
		if err != nil || proven {
			return out, err
		}
	}
	writeback.Leave(out.items, "the edits together do not make it so")
	return out, nil
}

// prove renders edits, of this environment and of those that share files with it. What
// does not hold is left.
func (s *handSide) prove(ctx context.Context, edits handEdits) (bool, error) {
	after, err := putInto(s.head.Tree, edits.files)
	if err != nil {
		return false, err
	}
	v, rendered, err := s.render(ctx, s.environment, after)
	if err != nil {
		writeback.Leave(edits.items, "with it "+s.environment.Name+" cannot be rendered: "+err.Error())
		return false, nil //nolint:nilerr // it is told of the items
	}
	v.Close()
	if !writeback.Prove(rendered, edits.items) {
		return false, nil
	}
	alone := true
	for _, other := range s.flow.Environments {
		if other.Name == s.environment.Name || other.Branch != s.environment.Branch || entryOf(other) == entryOf(s.environment) {
			continue
		}
		shared, err := s.sharedWith(ctx, other, edits.files, after)
		if err != nil {
			return false, err
		}
		if len(shared) > 0 {
			writeback.Shared(edits.items, shared, other.Name)
			alone = false
		}
	}
	return alone, nil
}

// sharedWith are the edited files that another environment reads, where they change it.
// One that cannot be rendered has no say.
func (s *handSide) sharedWith(ctx context.Context, other flow.Environment, edits map[string]*tree.Blob, after tree.Tree) (map[string]bool, error) {
	v, before, err := s.render(ctx, other, s.head.Tree)
	if err != nil {
		return nil, ctx.Err()
	}
	defer v.Close()
	shared := map[string]bool{}
	for _, u := range before.Units {
		for _, file := range u.Files {
			shared[file] = edits[file] != nil
		}
	}
	maps.DeleteFunc(shared, func(_ string, edited bool) bool { return !edited })
	if len(shared) == 0 {
		return nil, nil
	}
	changed, now, err := s.render(ctx, other, after)
	if err != nil {
		return shared, ctx.Err()
	}
	defer changed.Close()
	set := change.Compare(before, now, change.Options{Mask: s.previews.cfg.Options.Mask})
	if !slices.ContainsFunc(set.Units, func(u change.Unit) bool { return len(u.Objects) > 0 || u.Before.State != u.After.State }) {
		return nil, nil
	}
	return shared, nil
}

func entryOf(e flow.Environment) string { return cmp.Or(e.Cluster, e.Directory, ".") }

// render renders an environment from files.
func (s *handSide) render(ctx context.Context, e flow.Environment, files tree.Tree) (*Preview, fleet.Rendered, error) {
	snap := s.head.snapshot()
	snap.Tree = files
	v, err := s.previews.Open(ctx, snap, entry.Options{Path: entryOf(e)})
	if err != nil {
		return nil, fleet.Rendered{}, err
	}
	return v, v.Rendered(ctx), nil
}

// putInto is a tree with some files replaced.
func putInto(t tree.Tree, files map[string]*tree.Blob) (tree.Tree, error) {
	var err error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if t, err = t.With(name, files[name]); err != nil {
			return t, err
		}
	}
	return t, nil
}
