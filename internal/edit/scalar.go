package edit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// way is how a value can be written in place of another.
type way struct {
	text  string
	skip  int // bytes before the value itself
	style yaml.Style
	tag   string
}

// node is the old node as it must be read after the change.
func (w way) node(old *yaml.Node, value string) *yaml.Node {
	n := *old
	n.Value, n.Tag, n.Style = value, w.tag, w.style
	return &n
}

// ways returns how a value can be written in place of a scalar, the best first.
// Each is tried, so that here nobody needs to know all rules of YAML.
func (t *text) ways(p place, s span, value string) []way {
	n := p.node
	var out []way
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		out = append(out, single(value))
	case n.Style&block != 0:
		out = append(out, t.blocks(n, s, value)...)
	case n.Style&yaml.DoubleQuotedStyle == 0 && staysPlain(n, value):
		out = append(out, plain(value))
	}
	out = append(out, double(value))
	if n.Style&yaml.TaggedStyle != 0 {
		for i := range out {
			out[i].tag = n.ShortTag()
		}
	}
	return t.fitted(p, s, out)
}

// fitted adds the blanks and the colon that a value needs which was not written.
func (t *text) fitted(p place, s span, ways []way) []way {
	if s.from < s.to {
		return ways
	}
	for i := range ways {
		lead := ""
		if s.colon {
			lead = ":"
		}
		if s.from > 0 && t.data[s.from-1] != ' ' || s.colon {
			lead += " "
		}
		if p.parent == nil && s.from == 0 {
			lead = ""
		}
		if s.from < len(t.data) && t.data[s.from] != ' ' && breakAt(t.data, s.from) == 0 && strings.IndexByte(",]}", t.data[s.from]) < 0 {
			ways[i].text += " "
		}
		ways[i].text, ways[i].skip = lead+ways[i].text, len(lead)
	}
	return ways
}

func plain(value string) way {
	tag := (&yaml.Node{Kind: yaml.ScalarNode, Value: value}).ShortTag()
	return way{text: value, tag: tag}
}

func single(value string) way {
	return way{text: "'" + strings.ReplaceAll(value, "'", "''") + "'", style: yaml.SingleQuotedStyle, tag: "!!str"}
}

// double writes a text so that JSON reads it too.
func double(value string) way {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r) && r != '\ufeff' && r != unicode.ReplacementChar:
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return way{text: b.String(), style: yaml.DoubleQuotedStyle, tag: "!!str"}
}

// blocks writes a value as a literal or folded text with the indentation that is
// there.
func (t *text) blocks(n *yaml.Node, s span, value string) []way {
	b, ok := t.blockAt(s.from)
	body := strings.TrimRight(value, "\n")
	if !ok || b.indent == 0 || body == "" {
		return nil
	}
	header := string(t.data[s.from:b.header])
	rest := strings.TrimLeft(header[1:], "+-0123456789")
	size := strings.Trim(header[1:len(header)-len(rest)], "+-")
	chomp := [...]string{"-", "", "+"}[min(len(value)-len(body), 2)]
	br, in := t.lineBreak(), strings.Repeat(" ", b.indent)
	var lines strings.Builder
	for _, line := range strings.Split(body, "\n") {
		lines.WriteString(br)
		if line != "" {
			lines.WriteString(in + line)
		}
	}
	lines.WriteString(strings.Repeat(br, max(len(value)-len(body)-1, 0)))
	as := func(sign string, style yaml.Style) way {
		return way{text: sign + size + chomp + rest + lines.String(), style: style, tag: "!!str"}
	}
	if n.Style&yaml.FoldedStyle != 0 && !strings.Contains(body, "\n") {
		return []way{as(">", yaml.FoldedStyle), as("|", yaml.LiteralStyle)}
	}
	return []way{as("|", yaml.LiteralStyle)}
}

// staysPlain tells whether a value is written without quotes where the old one
// was: a text stays a text, and a number or a boolean keeps its digits.
func staysPlain(old *yaml.Node, value string) bool {
	kind := kindOf(value)
	switch was := kindOf(old.Value); {
	case old.Style&yaml.TaggedStyle != 0:
		return true
	case kind == "!!str":
		return true
	case was == "!!str":
		return false
	case kind == was && !exact(was, old.Value):
		return true // defaultMode: 0644
	}
	return exact(kind, value)
}

// What YAML 1.1 reads as something else than a text and 1.2 does not, in the
// parsers that charts and old tools use.
var (
	oldBool  = regexp.MustCompile(`^(?i:y|yes|n|no|on|off)$`)
	base60   = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$`)
	oldFloat = regexp.MustCompile(`^[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?$`)
)

// kindOf is the tag of a plain scalar, in whichever version of YAML reads more
// into it.
func kindOf(value string) string {
	switch {
	case oldBool.MatchString(value):
		return "!!bool"
	case base60.MatchString(value):
		return "!!int"
	}
	tag := plain(value).tag
	if tag == "!!str" && oldFloat.MatchString(value) {
		return "!!float"
	}
	return tag
}

// exact tells whether a plain value of a kind comes out of every parser with the
// characters that it has: 1.10 does not, it comes out as 1.1.
func exact(kind, value string) bool {
	switch kind {
	case "!!int":
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == value
	case "!!float":
		f, err := strconv.ParseFloat(value, 64)
		return err == nil && strconv.FormatFloat(f, 'f', -1, 64) == value
	case "!!bool":
		return value == "true" || value == "false"
	case "!!null":
		return value == "null"
	}
	return kind == "!!str"
}
