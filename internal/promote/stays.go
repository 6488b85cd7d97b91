package promote

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
)

// stays tells whether a place is declared to stay as it is.
func (w *work) stays(at spot) bool {
	return slices.ContainsFunc(w.m.Flow.Stays, func(s flow.Stay) bool { return w.stay(s, at) })
}

func (w *work) stay(s flow.Stay, at spot) bool {
	if s.Path == "" && s.Kind == "" || !w.counts(s.Files) || s.Kind != "" && s.Kind != at.kind {
		return false
	}
	if s.Path == "" {
		return len(at.path.Steps) == 0
	}
	p := w.path(s.Path)
	if p == nil || p.Document.Kind != "" && p.Document.Kind != at.kind {
		return false
	}
	return p.Match(at.path)
}

// restored puts what stays back as the target has it, and takes away what it does
// not have.
func (w *work) restored(text []byte) ([]byte, error) {
	docs, err := edit.Documents(text)
	if err != nil {
		return nil, err
	}
	target, err := edit.Documents(w.sides.target)
	if err != nil {
		return nil, err
	}
	named := documents(docs, target)
	mine, theirs := w.staying(named[0]), w.staying(named[1])
	for _, at := range slices.Concat(mine, theirs) {
		path := at.path
		if equal(nodeAt(mine, path), nodeAt(theirs, path)) {
			continue
		}
		if nodeAt(theirs, path) == nil {
			text, err = edit.Remove(text, path)
		} else {
			text, err = edit.Graft(text, path, w.sides.target, path)
		}
		if err != nil {
			return nil, err
		}
		done := func(s staying) bool { return s.path.String() == path.String() }
		mine, theirs = slices.DeleteFunc(mine, done), slices.DeleteFunc(theirs, done)
	}
	return text, nil
}

// staying is a place that is declared to stay.
type staying struct {
	spot
	node *yaml.Node
}

func nodeAt(in []staying, path edit.Path) *yaml.Node {
	for _, s := range in {
		if s.path.String() == path.String() {
			return s.node
		}
	}
	return nil
}

// staying finds the places of a text that are declared to stay.
func (w *work) staying(docs []document) []staying {
	var out []staying
	var walk func(at spot, n *yaml.Node)
	walk = func(at spot, n *yaml.Node) {
		if w.stays(at) {
			out = append(out, staying{at, n})
			return
		}
		all, ok := entriesOf([]*yaml.Node{n}, isSet(w.f.Name, at.path.Steps))
		if !ok && n.Kind == yaml.SequenceNode {
			for i, item := range n.Content {
				walk(at.down(edit.Step{Item: true, Index: i}), item)
			}
		}
		if ok {
			for _, e := range all[0] {
				walk(at.down(e.step), e.node)
			}
		}
	}
	for _, d := range docs {
		walk(spot{edit.Path{Document: d.id}, d.kind}, d.root)
	}
	return out
}
