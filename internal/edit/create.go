package edit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// create adds what a path says and the file does not have, below the deepest of
// its mappings and lists that is there.
func (t *text) create(c Change) (*text, Done, error) {
	above, rest, err := t.above(c.Path)
	if err != nil {
		return nil, Done{}, err
	}
	before := t
	if len(t.docs) == 0 {
		before = &text{docs: []*yaml.Node{above.node}}
	}
	like := above.alike(rest)
	for _, value := range newScalars(like, c.Path, c.Value) {
		with, err := t.addition(above, rest, value)
		if err != nil {
			return nil, Done{}, err
		}
		next, err := read(splice(t.data, with.at, with.at, with.text))
		if err != nil {
			continue
		}
		added := next.find(c.Path)
		if len(added) != 1 || added[0].alias != "" || added[0].node.Kind != yaml.ScalarNode || added[0].node.Value != c.Value {
			continue
		}
		if !before.became(next, above.node, above.grown(added[0].node, rest)) {
			continue
		}
		v := next.value(added[0])
		return next, Done{Path: v.Path, Line: v.Line, Column: v.Column, New: c.Value, Created: true, Secret: next.secret(added[0])}, nil
	}
	return nil, Done{}, wrong(above.node, "create %s: there is no way to add it without changing others; add it by hand", c.Path)
}

// above finds what is there of a path, and the steps that are missing.
func (t *text) above(path Path) (place, []Step, error) {
	for n := len(path.Steps) - 1; n >= 0; n-- {
		found := t.find(Path{path.Document, path.Steps[:n]})
		if len(found) == 0 {
			continue
		}
		rest := path.Steps[n:]
		p := found[0]
		if len(found) > 1 {
			return p, nil, wrong(found[1].node, "create %s: %d documents or values could hold it; name one of them, as %s", path, len(found), Path{Document{Number: 2}, path.Steps})
		}
		if p.alias != "" || p.twice != nil {
			return p, nil, p.refuse()
		}
		return p, rest, p.holds(path, rest)
	}
	if len(t.docs) == 0 && path.anyDocument() {
		p := place{node: &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}}
		return p, path.Steps, p.holds(path, path.Steps)
	}
	return place{}, nil, wrong(nil, "create %s: the file has no such document", path)
}

// holds tells whether the missing steps can be added to a place.
func (p place) holds(path Path, rest []Step) error {
	for i, s := range rest {
		first := i == 0 && p.node.Kind == yaml.SequenceNode && s.Item && s.Index == len(p.node.Content)
		if s.Pattern || s.Field != "" || s.Item && !first {
			return wrong(p.node, "create %s: %s is not there, and can only be added as a key, or as the item after the last of a list", path, s)
		}
	}
	empty := p.node.Kind == yaml.ScalarNode && p.node.Value == "" && p.node.Style == 0
	switch {
	case p.node.Kind == yaml.MappingNode && !rest[0].Item, p.node.Kind == yaml.SequenceNode && rest[0].Item, empty && !rest[0].Item:
		return nil
	}
	return wrong(p.node, "create %s: what is at %s cannot hold %s", path, p.path, rest[0])
}

// alike is the scalar whose style a new one takes: what the neighbours of the
// first missing key have in the same place, the nearest first.
func (p place) alike(rest []Step) *yaml.Node {
	for i := len(p.node.Content) - 1; i >= 0; i-- {
		if p.node.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		at := []place{{node: p.node.Content[i]}}
		for _, s := range rest[1:] {
			if len(at) > 0 {
				at = at[0].resolved().down(s)
			}
		}
		if len(at) > 0 && at[0].node.Kind == yaml.ScalarNode && at[0].node.Style&block == 0 && at[0].node.Value != "" {
			return at[0].node
		}
	}
	return nil
}

// texts are mappings whose values are strings, as the Kubernetes API and Flux
// define them.
var texts = []string{"labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData", "substitute"}

// newScalars are the ways to write a new value.
func newScalars(like *yaml.Node, path Path, value string) []way {
	kind := kindOf(value)
	isText := kind == "!!str" || !exact(kind, value)
	if n := len(path.Steps); n > 1 && slices.Contains(texts, path.Steps[n-2].Key) {
		isText = true
	}
	if like != nil && like.Style&quoted != 0 && kindOf(like.Value) != "!!str" {
		isText = true // its neighbours are texts that look like something else
	}
	out := []way{double(value)}
	switch {
	case !isText:
		return []way{plain(value)}
	case like != nil && like.Style&yaml.SingleQuotedStyle != 0:
		return append([]way{single(value)}, out...)
	case like != nil && like.Style&yaml.DoubleQuotedStyle != 0 || kind != "!!str":
		return out
	}
	return append([]way{plain(value)}, out...)
}

// grown is a node with what was added to it.
func (p place) grown(value *yaml.Node, rest []Step) *yaml.Node {
	for _, s := range slices.Backward(rest[1:]) {
		value = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{keyNode(s.Key), value}}
	}
	n := *p.node
	if rest[0].Item {
		n.Content = append(slices.Clip(n.Content), value)
		return &n
	}
	if n.Kind == yaml.ScalarNode {
		n = yaml.Node{Kind: yaml.MappingNode, Anchor: n.Anchor}
	}
	n.Content = append(slices.Clip(n.Content), keyNode(rest[0].Key), value)
	return &n
}

func keyNode(key string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: key, Tag: "!!str"}
}

// addition is a text to be inserted.
type addition struct {
	at   int
	text string
}

func (t *text) addition(p place, rest []Step, value way) (addition, error) {
	n := p.node
	switch {
	case n.Kind == yaml.ScalarNode:
		return t.firstKey(p, rest, value)
	case n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0:
		return t.inFlow(p, rest, value)
	}
	end, ok := t.end(n)
	if !ok {
		return addition{}, wrong(n, "the end of %s cannot be found in the text; edit it by hand", p.path)
	}
	column := n.Column
	if n.Kind == yaml.MappingNode {
		column = n.Content[0].Column
	}
	return t.afterLine(end, t.lines(rest, value, column)), nil
}

// lines are new keys in lines of their own.
func (t *text) lines(rest []Step, value way, column int) string {
	var b strings.Builder
	step, br := t.step(), t.lineBreak()
	b.WriteString(indent(column))
	for i, s := range rest {
		if s.Item {
			b.WriteString("- ")
			column += 2
			continue
		}
		if i > 0 && !rest[i-1].Item {
			column += step
			b.WriteString(br + indent(column))
		}
		b.WriteString(keyText(s.Key, "") + ":")
	}
	if !strings.HasSuffix(b.String(), "- ") {
		b.WriteByte(' ')
	}
	b.WriteString(value.text)
	return b.String()
}

// afterLine inserts lines after the line of a byte, and leaves the end of the
// file as it is.
func (t *text) afterLine(at int, lines string) addition {
	end := t.lineEnd(at)
	if size := breakAt(t.data, end); end < len(t.data) {
		return addition{end + size, lines + string(t.data[end:end+size])}
	}
	return addition{end, t.lineBreak() + lines}
}

// firstKey is the first of a mapping that has none.
func (t *text) firstKey(p place, rest []Step, value way) (addition, error) {
	if p.parent == nil {
		if end := len(t.data); end > 0 && t.lineStart(end) != end {
			return addition{end, t.lineBreak() + t.lines(rest, value, 1)}, nil
		}
		return addition{len(t.data), t.lines(rest, value, 1) + t.lineBreak()}, nil
	}
	s, err := t.span(p)
	if err != nil || p.key == nil || s.colon {
		return addition{}, wrong(p.node, "%s has no value and no colon that keys could follow; write {} there first", p.path)
	}
	return t.afterLine(s.to, t.lines(rest, value, p.key.Column+t.step())), nil
}

// step is by how much the file indents a mapping in a mapping; 2 where none is.
func (t *text) step() int {
	for _, p := range t.places() {
		if p.key == nil || p.node.Kind != yaml.MappingNode || p.node.Style&yaml.FlowStyle != 0 || len(p.node.Content) == 0 {
			continue
		}
		if by := p.node.Content[0].Column - p.key.Column; by > 0 && p.alias == "" {
			return by
		}
	}
	return 2
}

// inFlow adds to what stands in brackets: in a line of its own where its
// neighbours do.
func (t *text) inFlow(p place, rest []Step, value way) (addition, error) {
	n := p.node
	from, ok := t.content(n)
	last := from + 1
	var first *yaml.Node
	if ok && len(n.Content) > 0 {
		first = n.Content[0]
		at := place{node: n.Content[len(n.Content)-1], parent: n}
		if n.Kind == yaml.MappingNode {
			at.key = n.Content[len(n.Content)-2]
		}
		last, ok = t.placeEnd(at)
	}
	if !ok || from >= len(t.data) {
		return addition{}, wrong(n, "the end of %s cannot be found in the text; edit it by hand", p.path)
	}
	text := t.flow(p, rest, value)
	if first == nil {
		return addition{last, text}, nil
	}
	gap := " "
	if first.Line > n.Line {
		gap = t.lineBreak() + string(t.data[t.lineStart(mustOffset(t, first)):mustOffset(t, first)])
	}
	comma := ","
	if after, _ := t.blanks(last); last+after < len(t.data) && t.data[last+after] == ',' {
		last, comma = last+after+1, ""
	}
	return addition{last, comma + gap + text}, nil
}

func mustOffset(t *text, n *yaml.Node) int {
	at, _ := t.offset(n.Line, n.Column)
	return at
}

// flow is a new key or item within brackets; nested ones get brackets too.
func (t *text) flow(p place, rest []Step, value way) string {
	quote := ""
	for i := 0; i < len(p.node.Content) && p.node.Kind == yaml.MappingNode; i += 2 {
		if p.node.Content[i].Style&yaml.DoubleQuotedStyle != 0 {
			quote = `"`
		}
	}
	if quote != "" && value.tag == "!!str" {
		value = double(unquoted(value))
	}
	var b strings.Builder
	for i, s := range rest {
		if s.Item {
			continue
		}
		if i > 0 {
			b.WriteByte('{')
		}
		b.WriteString(keyText(s.Key, quote) + ": ")
	}
	b.WriteString(value.text)
	for range rest[1:] {
		b.WriteByte('}')
	}
	return b.String()
}

// unquoted is the text of a new value that is to be quoted as JSON.
func unquoted(w way) string {
	if w.style&quoted == 0 {
		return w.text
	}
	var n yaml.Node
	if yaml.Unmarshal([]byte(w.text), &n) != nil || len(n.Content) == 0 {
		return w.text
	}
	return n.Content[0].Value
}

// keyText writes a key, in quotes where it must be or its neighbours are.
func keyText(key, quote string) string {
	if quote == "" && kindOf(key) == "!!str" && key == strings.TrimSpace(key) && !strings.ContainsAny(key, "\n\t:#{}[],&*!|>'\"%@`?\\") && !strings.HasPrefix(key, "-") && key != "<<" {
		return key
	}
	return double(key).text
}
