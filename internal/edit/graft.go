package edit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Graft makes what a path names in a file be what it names in another: a value,
// or a whole mapping or list with the comments in it. What is not there is added
// to the mapping or list above it, after the neighbour that it has in the other.
func Graft(file []byte, path Path, from []byte, fromPath Path) ([]byte, error) {
	t, err := read(file)
	if err != nil {
		return nil, err
	}
	other, err := read(from)
	if err != nil {
		return nil, err
	}
	src, err := other.only(fromPath)
	if err != nil {
		return nil, err
	}
	if named(src.node) {
		return nil, wrong(src.node, "copy %s: it has anchors or aliases; copy it by hand", fromPath)
	}
	g := graft{t: t, other: other, src: src}
	if len(t.find(path)) == 0 {
		return g.add(path)
	}
	dst, err := t.only(path)
	if err != nil {
		return nil, err
	}
	return g.replace(dst)
}

// only returns the one place of a path.
func (t *text) only(path Path) (place, error) {
	found := t.find(path)
	switch {
	case len(found) == 0:
		return place{}, t.missing(path)
	case len(found) > 1:
		return place{}, wrong(found[1].node, "%s names %d values; name one of them", path, len(found))
	case found[0].alias != "" || found[0].twice != nil:
		return place{}, found[0].refuse()
	}
	return found[0], nil
}

// named tells whether something in a node is an anchor or an alias.
func named(n *yaml.Node) bool {
	return n.Anchor != "" || n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, named)
}

// graft is a piece of another text.
type graft struct {
	t, other *text
	src      place
}

// replace exchanges a value: of scalars in one line only themselves, so that the
// comment beside them stays; of others all after the key.
func (g graft) replace(dst place) ([]byte, error) {
	t := g.t
	tries := []func() (from, to int, text string, ok bool){
		func() (int, int, string, bool) { return g.inline(dst) },
		func() (int, int, string, bool) {
			from, to, ok := t.region(dst)
			text, okay := g.text(dst.column())
			return from, to, text, ok && okay
		},
	}
	for _, try := range tries {
		from, to, text, ok := try()
		if !ok {
			continue
		}
		if next, err := read(splice(t.data, from, to, text)); err == nil && t.became(next, dst.node, g.src.node) {
			return next.data, nil
		}
	}
	return nil, wrong(dst.node, "copy %s: it cannot be put in place of what is there without changing others; copy it by hand", dst.path)
}

func (g graft) inline(dst place) (from, to int, text string, ok bool) {
	if dst.node.Kind != yaml.ScalarNode || g.src.node.Kind != yaml.ScalarNode || g.src.node.Style&(block|yaml.TaggedStyle) != 0 || dst.node.Style&yaml.TaggedStyle != 0 {
		return 0, 0, "", false
	}
	s, err := g.other.span(g.src)
	d, wrong := g.t.span(dst)
	if err != nil || wrong != nil {
		return 0, 0, "", false
	}
	text = string(g.other.data[s.from:s.to])
	if d.from == d.to {
		text = g.t.fitted(dst, d, []way{{text: text}})[0].text
	}
	return d.from, d.to, text, !strings.ContainsAny(text, "\r\n")
}

// column is where the entry of a place begins.
func (p place) column() int {
	if p.key != nil {
		return p.key.Column
	}
	return p.node.Column
}

// region is all after the key of a place, or after the dash; in a block to the
// end of the last line.
func (t *text) region(p place) (from, to int, ok bool) {
	if p.parent == nil {
		return 0, 0, false
	}
	to, ok = t.placeEnd(p)
	if p.key != nil {
		end, found := t.end(p.key)
		from, ok = end, ok && found
	} else if at, found := t.offset(p.node.Line, p.node.Column); ok {
		from, ok = at, found
	}
	if p.parent.Style&yaml.FlowStyle == 0 {
		to = t.lineEnd(to)
	}
	return from, to, ok && from <= to
}

// text is the piece with its lines moved to a column, and the line ends of the
// file that it comes into.
func (g graft) text(column int) (string, bool) {
	from, to, ok := g.other.region(g.src)
	if !ok {
		return "", false
	}
	by := column - g.src.column()
	lines := strings.Split(strings.ReplaceAll(string(g.other.data[from:to]), "\r\n", "\n"), "\n")
	for i, line := range lines[1:] {
		blank := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case strings.TrimSpace(line) == "":
		case by > 0:
			lines[i+1] = strings.Repeat(" ", by) + line
		default:
			lines[i+1] = line[min(-by, blank):]
		}
	}
	return strings.Join(lines, g.t.lineBreak()), true
}

// add puts the piece into the mapping or list above a path.
func (g graft) add(path Path) ([]byte, error) {
	t, last := g.t, len(path.Steps)-1
	if last < 0 || g.src.parent == nil {
		return nil, wrong(nil, "copy %s: it is a whole document; copy it by hand", path)
	}
	above, err := t.only(Path{path.Document, path.Steps[:last]})
	if err != nil {
		return nil, err
	}
	parent := above.node
	if len(parent.Content) == 0 || parent.Kind != g.src.parent.Kind || parent.Style&yaml.FlowStyle != 0 {
		return nil, wrong(parent, "copy %s: what is at %s cannot take it; copy it by hand", path, above.path)
	}
	at, after := g.neighbour(above)
	end, ok := t.placeEnd(after)
	text, okay := g.text(parent.Content[0].Column)
	if !ok || !okay {
		return nil, wrong(parent, "copy %s: its place cannot be found in the text; copy it by hand", path)
	}
	lead := indent(parent.Content[0].Column)
	pieces := []*yaml.Node{g.src.node}
	if g.src.key != nil {
		lead += g.other.key(g.src)
		pieces = []*yaml.Node{g.src.key, g.src.node}
	} else {
		lead = t.dash(parent)
	}
	ins := t.afterLine(end, g.comments(parent.Content[0].Column)+lead+text)
	grown := *parent
	grown.Content = slices.Insert(slices.Clone(parent.Content), at, pieces...)
	next, err := read(splice(t.data, ins.at, ins.at, ins.text))
	if err != nil || !t.became(next, parent, &grown) {
		return nil, wrong(parent, "copy %s: it cannot be added without changing others; copy it by hand", path)
	}
	return next.data, nil
}

// comments are the lines right above the piece that are comments of its own, moved
// to a column.
func (g graft) comments(column int) string {
	begin := g.src.node
	if g.src.key != nil {
		begin = g.src.key
	}
	own, _ := g.other.lineAt(begin.Line)
	var out string
	for line := begin.Line - 1; line > 0; line-- {
		blank, rest := g.other.lineAt(line)
		if blank != own || !strings.HasPrefix(rest, "#") {
			break
		}
		out = indent(column) + rest + g.t.lineBreak() + out
	}
	return out
}

// lineAt is a line without its blanks in front and its break, and how many blanks
// there were.
func (t *text) lineAt(line int) (blanks int, rest string) {
	from := t.starts[line-1]
	whole := string(t.data[from:t.lineEnd(from)])
	rest = strings.TrimLeft(whole, " ")
	return len(whole) - len(rest), rest
}

// neighbour is the entry of a mapping after which the piece belongs, and the
// index after it: its nearest neighbour above in the other file, or the last.
func (g graft) neighbour(above place) (int, place) {
	entry := func(i int) (int, place) {
		if above.node.Kind == yaml.MappingNode {
			return i + 2, place{node: above.node.Content[i+1], key: above.node.Content[i], parent: above.node}
		}
		return i + 1, place{node: above.node.Content[i], parent: above.node}
	}
	size := 1
	if above.node.Kind == yaml.MappingNode {
		size = 2
	}
	theirs := g.src.parent.Content
	for i := slices.Index(theirs, g.src.node) - size; i >= 0; i -= size {
		name := label(theirs[i+1-size])
		for j := 0; j < len(above.node.Content) && name != ""; j += size {
			if label(above.node.Content[j]) == name {
				return entry(j)
			}
		}
	}
	return entry(len(above.node.Content) - size)
}

// label tells a key or an item from others: its text, or its name.
func label(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	if name := Child(n, "name"); name != nil {
		return name.Value
	}
	return ""
}

// key is the key of a place as it is written.
func (t *text) key(p place) string {
	from, _ := t.content(p.key)
	to, _ := t.end(p.key)
	return string(t.data[from:to])
}

// dash is what stands before the items of a list in a line.
func (t *text) dash(list *yaml.Node) string {
	at, _ := t.offset(list.Content[0].Line, list.Content[0].Column)
	return string(t.data[t.lineStart(at):at])
}
