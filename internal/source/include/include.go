// Package include copies parts of other trees into a tree: spec.include of a
// GitRepository.
//
//	t, err := include.Into(t, []include.Part{{Name: "shared", Tree: shared, From: "./base"}})
//
// It must never replace what stands in the tree already.
package include

import (
	"cmp"
	"fmt"

	"github.com/leat-dev/leat/internal/tree"
)

// The bounds of a tree that holds others: what is included ten times, and that ten times,
// takes ten lines each, and all its files are written out. They are those within which
// artifacts are opened (package untar).
const (
	maxFiles = 200_000
	maxBytes = 512 << 20
)

// Part is one entry of spec.include.
type Part struct {
	Name string    // of the included GitRepository
	Tree tree.Tree // of its artifact
	From string    // what to copy; "" for all of it
	To   string    // where to; "" for a directory called Name
}

// Into returns t with the parts in it, in their order. A path that leads out of
// a tree, that is not there, or that is taken is an error that names the part.
func Into(t tree.Tree, parts []Part) (tree.Tree, error) {
	for _, p := range parts {
		var err error
		if t, err = p.into(t); err != nil {
			return tree.Tree{}, fmt.Errorf("include %s from %q to %q: %w", p.Name, cmp.Or(p.From, "."), p.to(), err)
		}
		if t.Files() > maxFiles || t.Size() > maxBytes {
			return tree.Tree{}, fmt.Errorf("include %s from %q to %q: then there are %d files of %d bytes together, more than %d or %d; include less of it with fromPath",
				p.Name, cmp.Or(p.From, "."), p.to(), t.Files(), t.Size(), maxFiles, maxBytes)
		}
	}
	return t, nil
}

func (p Part) to() string { return cmp.Or(p.To, p.Name) }

func (p Part) into(t tree.Tree) (tree.Tree, error) {
	from, err := tree.Clean(p.From)
	if err != nil {
		return tree.Tree{}, err
	}
	to, err := tree.Clean(p.to())
	if err != nil {
		return tree.Tree{}, err
	}
	if t.Lookup(to).Kind != tree.Missing && t.Files() > 0 {
		return tree.Tree{}, fmt.Errorf("%s is there already", to)
	}
	switch e := p.Tree.Lookup(from); e.Kind {
	case tree.Dir:
		sub, err := p.Tree.Sub(from)
		if err != nil {
			return tree.Tree{}, err
		}
		return t.WithTree(to, sub)
	case tree.File:
		return t.With(to, e.Blob)
	default:
		return tree.Tree{}, fmt.Errorf("%s is not in its artifact", from)
	}
}
