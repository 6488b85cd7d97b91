package edit

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Remove takes away what a path names, a value or a whole mapping or list, with
// its key. Of the only key of a mapping {} is left, of the only item of a list [].
func Remove(file []byte, path Path) ([]byte, error) {
	t, err := read(file)
	if err != nil {
		return nil, err
	}
	p, err := t.only(path)
	switch {
	case err != nil:
		return nil, err
	case p.parent == nil:
		return nil, wrong(p.node, "remove %s: it is a whole document", path)
	case entries(p.parent) > 1:
		return t.without(p)
	case len(path.Steps) == 1:
		return nil, wrong(p.node, "remove %s: it is all that the document says; remove the document", path)
	}
	above, err := t.only(Path{path.Document, path.Steps[:len(path.Steps)-1]})
	if err != nil {
		return nil, err
	}
	return t.emptied(above)
}

// emptied leaves {} or [] of a mapping or a list.
func (t *text) emptied(p place) ([]byte, error) {
	empty := *p.node
	empty.Content = nil
	brackets := "{}"
	if p.node.Kind == yaml.SequenceNode {
		brackets = "[]"
	}
	from, ok := t.content(p.node)
	to, found := t.end(p.node)
	if block := p.node.Style&yaml.FlowStyle == 0; block && p.key != nil {
		from, to, ok = t.region(p)
		brackets = ": " + brackets
	}
	if ok && found {
		if next, err := read(splice(t.data, from, to, brackets)); err == nil && t.became(next, p.node, &empty) {
			return next.data, nil
		}
	}
	return nil, wrong(p.node, "remove all of %s: it cannot be emptied without changing others; edit it by hand", p.path)
}

// entries is how many keys or items a node has.
func entries(n *yaml.Node) int {
	if n.Kind == yaml.MappingNode {
		return len(n.Content) / 2
	}
	return len(n.Content)
}

// without removes a key or an item that is not the only one.
func (t *text) without(p place) ([]byte, error) {
	from, to, ok := t.entry(p)
	if !ok {
		return nil, wrong(p.node, "remove %s: it does not stand in lines of its own; remove it by hand", p.path)
	}
	at := slices.Index(p.parent.Content, p.node)
	parent := *p.parent
	if p.key != nil {
		at--
		parent.Content = slices.Delete(slices.Clone(parent.Content), at, at+2)
	} else {
		parent.Content = slices.Delete(slices.Clone(parent.Content), at, at+1)
	}
	next, err := read(splice(t.data, from, to, ""))
	if err != nil || !t.became(next, p.parent, &parent) {
		return nil, wrong(p.node, "remove %s: it cannot be removed without changing others; remove it by hand", p.path)
	}
	return next.data, nil
}

// entry is what a key and its value, or an item, take of the file: in a block
// their lines, in brackets all up to the next one.
func (t *text) entry(p place) (from, to int, ok bool) {
	first := p.node
	if p.key != nil {
		first = p.key
	}
	from, ok = t.offset(first.Line, first.Column)
	end, found := t.placeEnd(p)
	if !ok || !found {
		return 0, 0, false
	}
	if p.parent.Style&yaml.FlowStyle != 0 {
		return t.inBrackets(p, from, end)
	}
	from = t.lineStart(from)
	to = t.lineEnd(end)
	before, _ := t.offset(first.Line, first.Column)
	for _, c := range t.data[from:before] {
		if c != ' ' && (c != '-' || p.key != nil) {
			return 0, 0, false
		}
	}
	if to < len(t.data) {
		return from, to + breakAt(t.data, to), true
	}
	if from > 0 { // the line before is the last now, and has no break either
		from = t.lineEnd(t.lineStart(from - 1))
	}
	return from, to, true
}

func (t *text) inBrackets(p place, from, end int) (int, int, bool) {
	size := 1
	if p.key != nil {
		size = 2
	}
	at := slices.Index(p.parent.Content, p.node) - size + 1
	if at+size < len(p.parent.Content) {
		next, ok := t.offset(p.parent.Content[at+size].Line, p.parent.Content[at+size].Column)
		return from, next, ok
	}
	before := place{node: p.parent.Content[at-1], parent: p.parent}
	if p.key != nil {
		before.key = p.parent.Content[at-2]
	}
	from, ok := t.placeEnd(before)
	return from, end, ok
}
