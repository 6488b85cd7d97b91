// Package promote says how the files of an environment become those of the next
// one: which are copied, which words and values become others on the way, what
// never moves, and what the target has changed by itself.
//
//	p, err := promote.Make(promote.Move{Flow: f, From: dev, To: playground, Source: s, Target: t, Last: &then})
//	p.Refusals            // what a person has to decide, each at file:line
//	after, err := p.Tree(t)
//
// It works on values, not on lines: three of each where history knows the source
// as it was when it was last promoted (source then, source now, target), two where
// it does not. A target that is exactly what a promotion would have made of the
// source then becomes exactly what it makes of the source now, comments and all; in
// any other only those values are touched that the source has changed. Where history
// does not know, new files come, and in the others the pins; a value that differs
// comes if its file was asked for by name, and is otherwise kept, and shown as unclear.
//
// It is pure: trees in, texts out. It must never overwrite what the target changed
// by itself without saying so, never carry what is declared to stay, and never
// delete a file that the source has not deleted.
package promote

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/tree"
)

// The bounds of one promotion.
const (
	maxFiles = 50_000
	maxFile  = 8 << 20 // bytes
)

// Move is what is to be promoted.
type Move struct {
	Flow     flow.Flow
	From, To flow.Environment
	// Source and Target are the trees of their branches.
	Source, Target tree.Tree
	// Last is the branch of the source as it was when it was last promoted, or the
	// common ancestor of both branches; nil where nobody knows it.
	Last *tree.Tree
	// Only are files and directories, from the environment's directory; with pins the
	// names of components. All where it is empty.
	Only []string
	// Take are conflicts in which the source counts, Keep those in which the target
	// does: a file, or file:path as a refusal names it.
	Take, Keep []string
	// Rollbacks of the target, the newest first: what they took back stays out, unless
	// its file or component is named, or Again.
	Rollbacks []Rollback
	Again     bool
}

// Plan is what a promotion does.
type Plan struct {
	Files    []File // by name; those that are the same in both are left out
	Refusals []Refusal
}

// File is one file of the environment.
type File struct {
	Name           string // from the environment's directory
	Source, Target string // from the root of the branch; Source is empty where it has none
	What           What
	Why            string
	Before, After  []byte // in the target; nil where there is none
	Values         []Value
	mode           tree.Mode
}

// What becomes of a file.
type What string

// What becomes of files.
const (
	Added    What = "added"    // the target did not have it
	Changed  What = "changed"  // by values of the source
	Deleted  What = "deleted"  // the source has deleted it since
	Kept     What = "kept"     // as it is in the target, which differs
	Only     What = "only"     // in the target alone, and kept
	Stays    What = "stays"    // declared to stay as it is
	Conflict What = "conflict" // somebody must decide; nothing is written
)

// Writes tells whether the target's file is written.
func (f File) Writes() bool { return f.What == Added || f.What == Changed || f.What == Deleted }

// Value is what becomes of a value, mapping or list.
type Value struct {
	Path     string // as package edit reads it
	Line     int    // in the source; of what only the target has in the target
	From, To string // the value in the target before and after; of mappings and lists how much it is
	Source   string // the value that the source has, in the target's words
	Rule     Rule
	Map      string // the name of the map that made To of the source's value
	By       string // the rollback that took it back
}

// Rule says why a value is as it is after the promotion.
type Rule string

// The rules.
const (
	Taken      Rule = "taken"       // from the source
	Mapped     Rule = "mapped"      // from the source, with another word in it
	Left       Rule = "stays"       // declared: the target's
	LeftOut    Rule = "left out"    // declared to stay, and the target has none
	Drift      Rule = "own"         // the target's own change, kept
	TargetOnly Rule = "only here"   // the target alone has it, kept
	Removed    Rule = "removed"     // the source has removed it since
	Absent     Rule = "not here"    // a pin that only the source has: it comes when its component is named
	Unclear    Rule = "unclear"     // nobody knows whose change it is: the target's, kept
	Contested  Rule = "conflict"    // both have changed it
	RolledBack Rule = "rolled back" // the target had it, and it was taken back on purpose
	Unmapped   Rule = "as it is"    // a word of a map in a text that is no YAML: name its file in the map
)

// Refusal is something that a person has to decide.
type Refusal struct {
	At   string // file:line of the target, from the root of the branch
	On   string // what Take and Keep name: file, or file:path
	Text string
}

// String is the refusal with its place.
func (r Refusal) String() string { return r.At + ": " + r.Text }

// Make works out a promotion. Refusals stand in the plan; the error is about the
// trees.
func Make(m Move) (Plan, error) {
	if m.From.Name == m.To.Name {
		return Plan{}, fmt.Errorf("promote %s: it cannot be promoted to itself", m.From.Name)
	}
	if m.To.Move == flow.ByPins {
		return m.pins()
	}
	if m.To.Move == flow.Merge && m.Last == nil {
		return Plan{}, fmt.Errorf("promote %s to %s: the branches have no common commit, so nothing says which of them has changed what; promote with move: copy first", m.From.Name, m.To.Name)
	}
	names, err := m.names()
	if err != nil {
		return Plan{}, err
	}
	var p Plan
	for _, name := range names {
		f, refusals, err := m.file(name)
		if err != nil {
			return Plan{}, err
		}
		if f.What != "" {
			p.Files = append(p.Files, f)
		}
		p.Refusals = append(p.Refusals, refusals...)
	}
	return p, nil
}

// Tree is the target's branch after the promotion.
func (p Plan) Tree(target tree.Tree) (tree.Tree, error) {
	var err error
	for _, f := range p.Files {
		switch {
		case !f.Writes():
		case f.What == Deleted:
			target, err = target.Without(f.Target)
		default:
			target, err = target.With(f.Target, tree.NewBlob(hash.Of(f.After), int64(len(f.After)), f.mode, tree.Bytes(f.After)))
		}
		if err != nil {
			return tree.Tree{}, fmt.Errorf("write %s: %w", f.Target, err)
		}
	}
	return target, nil
}

// names are the files of either environment that are asked for, sorted.
func (m Move) names() ([]string, error) {
	var out []string
	for _, side := range []struct {
		t   tree.Tree
		dir string
	}{{m.Source, m.From.Directory}, {m.Target, m.To.Directory}} {
		root := cmp.Or(side.dir, ".")
		if side.t.Lookup(root).Kind != tree.Dir {
			continue
		}
		sub, err := side.t.Sub(root)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", root, err)
		}
		err = sub.Walk(func(name string, _ *tree.Blob) error {
			if len(out) >= maxFiles {
				return fmt.Errorf("there are more than %d files", maxFiles)
			}
			if m.asked(name) {
				out = append(out, name)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", root, err)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	for _, only := range m.Only {
		if !slices.ContainsFunc(out, func(name string) bool { return under(name, only) }) {
			return nil, fmt.Errorf("promote %s: neither %s nor %s has it", only, m.From.Name, m.To.Name)
		}
	}
	return out, nil
}

func (m Move) asked(name string) bool {
	return len(m.Only) == 0 || slices.ContainsFunc(m.Only, func(only string) bool { return under(name, only) })
}

func under(name, dir string) bool {
	dir = path.Clean(dir)
	return dir == "." || name == dir || strings.HasPrefix(name, dir+"/")
}
