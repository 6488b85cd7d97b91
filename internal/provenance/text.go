package provenance

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/plan"
)

// The bounds of what is looked through for one text.
const (
	maxText   = 4 << 20 // bytes
	maxLeaves = 100_000
	maxDepth  = 60
	maxNested = 256 << 10 // bytes of YAML in a string of YAML
)

// place is where a text stands: a file of the unit's source, or a field of the
// unit's own spec.
type place struct {
	file  string
	field string // JSON pointer: /spec/patches/0/patch
}

// leaf is one scalar of a text, with what must be known to change it there.
type leaf struct {
	in   place
	line int // of the scalar, from 1
	// path leads to it from the root of its document; the value of a JSON 6902
	// operation has the path that the operation names. lines are those on which
	// each element of path was written.
	path  []string
	lines []int
	top   string // the first key of its document
	value string
	tag   string // as YAML resolves it: !!str, !!int, …
	doc   *doc
	// from and to bound the text in bytes, without quotes; a text goes on at to.
	from, to int
	// block tells that the value's own lines begin on the next line.
	block bool
	kind  string // of fleet.Link; empty for what a manifest says itself
	note  string
}

// doc is one object of a text, as far as it says.
type doc struct {
	apiVersion, kind, name, namespace string
	line                              int
}

// parsed is a text taken apart.
type parsed struct {
	leaves []*leaf
	docs   []*doc
}

// parse takes YAML or JSON apart; what it cannot read has no leaves.
func parse(at place, data []byte) parsed {
	w := &walker{at: at, data: data, starts: lineStarts(data)}
	if len(data) > maxText {
		return parsed{}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var root yaml.Node
		if err := dec.Decode(&root); err != nil {
			if !errors.Is(err, io.EOF) {
				return parsed{}
			}
			return parsed{w.leaves, w.docs}
		}
		if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
			w.document(root.Content[0], spot{})
		}
	}
}

func lineStarts(data []byte) []int {
	out := []int{0}
	for i, c := range data {
		if c == '\n' {
			out = append(out, i+1)
		}
	}
	return out
}

// walker collects the leaves of one text.
type walker struct {
	at     place
	data   []byte
	starts []int
	leaves []*leaf
	docs   []*doc
	doc    *doc
}

// spot is where the walk is.
type spot struct {
	path  []string
	lines []int
	top   string
	depth int
	// Nested text begins at this line and column of the outer text.
	line, column int
}

func (s spot) down(key string, line int) spot {
	if s.top == "" {
		s.top = key
	}
	s.path, s.lines = append(slices.Clip(s.path), key), append(slices.Clip(s.lines), line+s.line)
	s.depth++
	return s
}

// document walks one object, or each of a list.
func (w *walker) document(n *yaml.Node, at spot) {
	if items := child(n, "items"); items != nil && items.Kind == yaml.SequenceNode && strings.HasSuffix(text(child(n, "kind")), "List") {
		for _, item := range items.Content {
			w.document(item, at)
		}
		return
	}
	metadata := child(n, "metadata")
	w.doc = &doc{
		kind: text(child(n, "kind")), name: text(child(metadata, "name")), line: n.Line + at.line,
		namespace: text(child(metadata, "namespace")), apiVersion: text(child(n, "apiVersion")),
	}
	w.docs = append(w.docs, w.doc)
	w.walk(n, at)
}

func (w *walker) walk(n *yaml.Node, at spot) {
	if at.depth > maxDepth || len(w.leaves) >= maxLeaves {
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		at.depth++
		w.walk(n.Alias, at)
	case yaml.MappingNode:
		w.mapping(n, at)
	case yaml.SequenceNode:
		w.sequence(n, at)
	case yaml.ScalarNode:
		w.scalar(n, at)
	}
}

func (w *walker) mapping(n *yaml.Node, at spot) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value == "<<" && key.Style == 0 {
			at.depth++
			w.walk(value, at)
			continue
		}
		w.walk(value, at.down(key.Value, key.Line))
	}
}

// sequence walks a list; the operations of a JSON 6902 patch lead elsewhere.
func (w *walker) sequence(n *yaml.Node, at spot) {
	for i, item := range n.Content {
		value := child(item, "value")
		if target, err := plan.ParsePointer(text(child(item, "path"))); err == nil && child(item, "op") != nil && value != nil && len(target) > 0 {
			to := at
			to.path, to.lines = nil, nil
			for _, key := range target {
				to = to.down(key, value.Line)
			}
			to.depth = at.depth + 1
			w.walk(value, to)
			continue
		}
		w.walk(item, at.down(index(i), item.Line))
	}
}

func (w *walker) scalar(n *yaml.Node, at spot) {
	l := &leaf{in: w.at, line: n.Line + at.line, path: at.path, lines: at.lines, top: at.top, value: n.Value, tag: n.ShortTag(), doc: w.doc}
	l.block = n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	var ok bool
	if l.from, l.to, ok = w.span(n, at); ok {
		w.leaves = append(w.leaves, l)
	}
	if n.Style&yaml.LiteralStyle != 0 {
		w.nested(n, at)
	}
}

// nested walks the YAML in a literal string: a patch inside a kustomization, a
// values file in a ConfigMap.
func (w *walker) nested(n *yaml.Node, at spot) {
	if len(n.Value) > maxNested || at.line > 0 || !strings.Contains(n.Value, ": ") && !strings.Contains(n.Value, ":\n") {
		return
	}
	indent, ok := w.indent(n)
	if !ok {
		return
	}
	var root yaml.Node
	if yaml.Unmarshal([]byte(n.Value), &root) != nil || len(root.Content) != 1 || root.Content[0].Kind == yaml.ScalarNode {
		return
	}
	outer := w.doc
	at.line, at.column = n.Line, indent
	if inner := root.Content[0]; child(inner, "kind") != nil {
		w.doc = &doc{kind: text(child(inner, "kind")), name: text(child(child(inner, "metadata"), "name")), line: inner.Line + at.line}
	}
	w.walk(root.Content[0], at)
	w.doc = outer
}

// indent returns by how many bytes the lines of a literal string are indented.
func (w *walker) indent(n *yaml.Node) (int, bool) {
	first, _, _ := strings.Cut(n.Value, "\n")
	if n.Line >= len(w.starts) || strings.TrimSpace(first) == "" {
		return 0, false
	}
	line := string(w.data[w.starts[n.Line]:])
	i := strings.Index(line, first)
	return i, i >= 0 && strings.Trim(line[:i], " ") == ""
}

// span finds the bytes of a scalar, so that it can be changed where it stands.
func (w *walker) span(n *yaml.Node, at spot) (from, to int, ok bool) {
	line, column := n.Line+at.line, n.Column+at.column
	if line < 1 || line > len(w.starts) {
		return 0, 0, false
	}
	from = w.starts[line-1]
	for i := 1; i < column && from < len(w.data); i++ {
		_, size := utf8.DecodeRune(w.data[from:])
		from += size
	}
	for from < len(w.data) && (w.data[from] == '&' || w.data[from] == '!' && n.Style&yaml.TaggedStyle != 0) {
		skip := bytes.IndexAny(w.data[from:], " \n")
		if skip < 0 {
			return 0, 0, false
		}
		for from += skip; from < len(w.data) && w.data[from] == ' '; from++ {
		}
	}
	rest := w.data[from:]
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return w.block(n, line)
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return quoted(rest, from, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return quoted(rest, from, '\'')
	case n.Value != "" && bytes.HasPrefix(rest, []byte(n.Value)):
		return from, from + len(n.Value), true
	}
	return 0, 0, false
}

// block returns the end of the first line of a literal or folded string.
func (w *walker) block(n *yaml.Node, line int) (from, to int, ok bool) {
	first, _, _ := strings.Cut(n.Value, "\n")
	if line >= len(w.starts) || strings.TrimSpace(first) == "" {
		return 0, 0, false
	}
	begin := w.starts[line]
	end := bytes.IndexByte(w.data[begin:], '\n')
	if end < 0 {
		end = len(w.data) - begin
	}
	end = len(bytes.TrimRight(w.data[begin:begin+end], " \r"))
	return begin + end, begin + end, strings.TrimSpace(first) != ""
}

func quoted(rest []byte, from int, quote byte) (int, int, bool) {
	if len(rest) == 0 || rest[0] != quote {
		return 0, 0, false
	}
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && quote == '"':
			i++
		case rest[i] != quote:
		case quote == '\'' && i+1 < len(rest) && rest[i+1] == quote:
			i++
		default:
			return from + 1, from + i, true
		}
	}
	return 0, 0, false
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}
