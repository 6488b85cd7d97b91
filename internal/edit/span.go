package edit

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle
const block = yaml.LiteralStyle | yaml.FoldedStyle

// span is what a scalar takes of a file, in bytes: with its quotes, of a block
// with the header and without the last line break. colon tells that a value that
// is not written lacks the colon before it.
type span struct {
	from, to int
	colon    bool
}

func (t *text) span(p place) (span, error) {
	n := p.node
	from, ok := t.content(n)
	if !ok {
		return span{}, wrong(n, "the value at %s cannot be found in the text; edit it by hand", p.path)
	}
	if n.Style&(quoted|block) == 0 && n.Value == "" {
		return t.unwritten(p, from)
	}
	to, ok := t.scalarEnd(n, from)
	if !ok {
		return span{}, wrong(n, "the end of the value at %s cannot be found in the text; edit it by hand", p.path)
	}
	return span{from: from, to: to}, nil
}

// content returns where a node begins, after its anchor and its tag.
func (t *text) content(n *yaml.Node) (int, bool) {
	at, ok := t.offset(n.Line, n.Column)
	for ok && at < len(t.data) && (t.data[at] == '&' || t.data[at] == '!') {
		for at < len(t.data) && breakAt(t.data, at) == 0 && strings.IndexByte(" \t,]}", t.data[at]) < 0 {
			at++
		}
		written := n.Kind != yaml.ScalarNode || n.Value != "" || n.Style&(quoted|block) != 0
		for at < len(t.data) && written && (t.data[at] == ' ' || t.data[at] == '\t' || breakAt(t.data, at) > 0) {
			at++
		}
	}
	return at, ok
}

// unwritten is the place for a value that is not written: after the colon of its
// key, or the dash of its item.
func (t *text) unwritten(p place, from int) (span, error) {
	if p.key == nil || p.node.Anchor != "" || p.node.Style&yaml.TaggedStyle != 0 {
		return span{from: from, to: from}, nil
	}
	end, ok := t.end(p.key)
	if !ok {
		return span{}, wrong(p.key, "the end of the key at %s cannot be found in the text; edit it by hand", p.path)
	}
	at := end
	for at < len(t.data) && (t.data[at] == ' ' || t.data[at] == '\t') {
		at++
	}
	if at < len(t.data) && t.data[at] == ':' {
		return span{from: at + 1, to: at + 1}, nil
	}
	return span{from: end, to: end, colon: true}, nil
}

// end returns the byte after a node.
func (t *text) end(n *yaml.Node) (int, bool) {
	at, ok := t.content(n)
	if !ok {
		return 0, false
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return t.scalarEnd(n, at)
	case yaml.AliasNode:
		return at + 1 + len(n.Value), true
	}
	last := at + 1
	if len(n.Content) > 0 {
		place := place{node: n.Content[len(n.Content)-1], parent: n}
		if n.Kind == yaml.MappingNode {
			place.key = n.Content[len(n.Content)-2]
		}
		if last, ok = t.placeEnd(place); !ok {
			return 0, false
		}
	}
	if n.Style&yaml.FlowStyle == 0 {
		return last, true
	}
	last, ok = t.skipped(last)
	return last + 1, ok && (t.data[last] == '}' || t.data[last] == ']')
}

func (t *text) placeEnd(p place) (int, bool) {
	if n := p.node; n.Kind == yaml.ScalarNode && n.Value == "" && n.Style&(quoted|block) == 0 {
		s, err := t.span(p)
		return s.to, err == nil
	}
	return t.end(p.node)
}

// skipped goes over blanks, comments, commas and line breaks inside brackets.
func (t *text) skipped(at int) (int, bool) {
	for at < len(t.data) {
		switch n := breakAt(t.data, at); {
		case n > 0:
			at += n
		case strings.IndexByte(" \t,", t.data[at]) >= 0:
			at++
		case t.data[at] == '#':
			at = t.lineEnd(at)
		default:
			return at, true
		}
	}
	return at, false
}

// lineEnd returns where the line of a byte ends, before its break.
func (t *text) lineEnd(at int) int {
	for at < len(t.data) && breakAt(t.data, at) == 0 {
		at++
	}
	return at
}

// lineStart returns where the line of a byte begins.
func (t *text) lineStart(at int) int {
	line, _ := t.position(at)
	return t.starts[line-1]
}

// lineBreak is the first of the file; a line feed where there is none.
func (t *text) lineBreak() string {
	if end := t.lineEnd(0); end < len(t.data) {
		return string(t.data[end : end+breakAt(t.data, end)])
	}
	return "\n"
}

func (t *text) scalarEnd(n *yaml.Node, from int) (int, bool) {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return t.quoteEnd(from, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return t.quoteEnd(from, '\'')
	case n.Style&block != 0:
		return t.blockEnd(from)
	}
	return t.plainEnd(n.Value, from)
}

func (t *text) quoteEnd(from int, quote byte) (int, bool) {
	if from >= len(t.data) || t.data[from] != quote {
		return 0, false
	}
	for i := from + 1; i < len(t.data); i++ {
		switch {
		case t.data[i] == '\\' && quote == '"':
			i++
		case t.data[i] != quote:
		case quote == '\'' && i+1 < len(t.data) && t.data[i+1] == quote:
			i++
		default:
			return i + 1, true
		}
	}
	return 0, false
}

// plainEnd follows a value through the text: what is folded there is one space,
// or line breaks, in the value.
func (t *text) plainEnd(value string, at int) (int, bool) {
	for value != "" {
		blanks, breaks := t.blanks(at)
		gap := string(t.data[at : at+blanks])
		switch {
		case breaks == 1:
			gap = " "
		case breaks > 1:
			gap = value[:len(value)-len(strings.TrimLeft(value, "\n\u0085\u2028\u2029"))]
		}
		if blanks > 0 {
			if gap == "" || !strings.HasPrefix(value, gap) {
				return 0, false
			}
			value, at = value[len(gap):], at+blanks
			continue
		}
		_, size := utf8.DecodeRuneInString(value)
		if !bytes.HasPrefix(t.data[at:], []byte(value[:size])) {
			return 0, false
		}
		value, at = value[size:], at+size
	}
	return at, true
}

// blanks returns the bytes of blanks and line breaks at a byte, and how many
// breaks there are.
func (t *text) blanks(at int) (size, breaks int) {
	for i := at; i < len(t.data); {
		n := breakAt(t.data, i)
		switch {
		case n > 0:
			breaks++
		case t.data[i] == ' ' || t.data[i] == '\t':
			n = 1
		default:
			return i - at, breaks
		}
		i += n
	}
	return len(t.data) - at, breaks
}

// blockEnd returns the end of a literal or folded text: of its last line with
// something in it; with + of its last blank line.
func (t *text) blockEnd(from int) (int, bool) {
	b, ok := t.blockAt(from)
	return b.end, ok
}

// blockText is a literal or folded text.
type blockText struct {
	from, header int // header is where the first line ends
	indent       int // of the lines
	keep         bool
	end          int
}

func (t *text) blockAt(from int) (blockText, bool) {
	b := blockText{from: from, header: t.lineEnd(from)}
	if from >= len(t.data) || t.data[from] != '|' && t.data[from] != '>' {
		return b, false
	}
	line, _ := t.position(from)
	explicit := 0
	for _, c := range t.data[from+1 : b.header] {
		if c == '+' {
			b.keep = true
		} else if c >= '1' && c <= '9' {
			explicit = int(c - '0')
		} else if c != '-' {
			break
		}
	}
	b.end = b.header
	own := t.ownIndent(from)
	if explicit > 0 {
		b.indent = max(own, 0) + explicit
	}
	for ; line < len(t.starts); line++ {
		at := t.starts[line]
		end := t.lineEnd(at)
		trimmed := bytes.TrimLeft(t.data[at:end], " ")
		in := end - at - len(trimmed)
		if len(trimmed) == 0 && (b.indent == 0 || in <= b.indent) {
			if b.keep && end < len(t.data) {
				b.end = end
			}
			continue
		}
		if b.indent == 0 && in > own {
			b.indent = max(in, 1)
		}
		if b.indent == 0 || in < b.indent {
			break
		}
		b.end = end
	}
	return b, true
}

// ownIndent is the indentation of the key or the dash that a block text belongs
// to; -1 for a document that is one.
func (t *text) ownIndent(at int) int {
	line := string(t.data[t.lineStart(at):at])
	rest := strings.TrimLeft(line, " ")
	own := len(line) - len(rest)
	for strings.HasPrefix(rest, "- ") {
		after := strings.TrimLeft(rest[1:], " ")
		if after == "" || after[0] == '&' || after[0] == '!' {
			return own
		}
		own, rest = own+len(rest)-len(after), after
	}
	if rest == "" || strings.HasPrefix(rest, "---") {
		return own - 1
	}
	return own
}
