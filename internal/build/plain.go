package build

import (
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// document is one resource as kustomize prints it, and, where it is plain, the
// values that the text stands for.
type document struct {
	text   []byte
	values map[string]any // nil where the text must be parsed
	done   *piece         // what became of it, where that is known
}

// plain prints a resource exactly as resource.AsYAML would, and returns its
// values besides. It knows only what can be printed in one way: strings that
// need no quotes or only because they are numbers, integers, true, false, null.
// For all else it says no and the library prints. The library takes six passes
// (print, parse, encode, parse, print, parse), half of what a build costs.
//
// The format is that of sigs.k8s.io/yaml v1.6.0, whose keys are sorted as
// go.yaml.in/yaml/v2 sorts them (sorter.go).
func plain(n *yaml.Node) (document, bool) {
	var w plainWriter
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return document{}, false
	}
	values, ok := w.mapping(n, 0)
	return document{text: w.out, values: values}, ok
}

type plainWriter struct{ out []byte }

// The width at which the library begins to fold is 80; a value that could come
// near it is the library's to print.
const (
	maxPlainDepth = 12
	maxPlainText  = 50 // of a string with blanks, bytes
	maxPlainKey   = 100
)

type plainEntry struct {
	key   string
	value *yaml.Node
}

// mapping prints the entries of n at an indent, the first where the cursor is.
func (w *plainWriter) mapping(n *yaml.Node, indent int) (map[string]any, bool) {
	entries, ok := plainEntries(n)
	if !ok || indent > 2*maxPlainDepth || n.Anchor != "" {
		return nil, false
	}
	out := make(map[string]any, len(entries))
	for i, e := range entries {
		if i > 0 {
			w.indent(indent)
		}
		w.out = append(w.out, e.key...)
		w.out = append(w.out, ':')
		if out[e.key], ok = w.value(e.value, indent); !ok {
			return nil, false
		}
	}
	return out, true
}

// value prints what follows a key.
func (w *plainWriter) value(n *yaml.Node, indent int) (any, bool) {
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		w.out = append(w.out, '\n')
		w.indent(indent + 2)
		return w.mapping(n, indent+2)
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		w.out = append(w.out, '\n')
		w.indent(indent)
		return w.sequence(n, indent)
	default:
		w.out = append(w.out, ' ')
		return w.leaf(n)
	}
}

// sequence prints the items of n, whose dashes stand at the indent of the key.
func (w *plainWriter) sequence(n *yaml.Node, indent int) ([]any, bool) {
	if n.Anchor != "" {
		return nil, false
	}
	out := make([]any, 0, len(n.Content))
	for i, item := range n.Content {
		if i > 0 {
			w.indent(indent)
		}
		w.out = append(w.out, '-', ' ')
		v, ok := w.item(item, indent+2)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

func (w *plainWriter) item(n *yaml.Node, indent int) (any, bool) {
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		return w.mapping(n, indent)
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		return w.sequence(n, indent)
	default:
		return w.leaf(n)
	}
}

// leaf prints a scalar, or an empty collection, and ends the line.
func (w *plainWriter) leaf(n *yaml.Node) (any, bool) {
	var text string
	var v any
	switch {
	case n.Anchor != "" || n.Kind == yaml.AliasNode:
		return nil, false
	case n.Kind == yaml.MappingNode:
		text, v = "{}", map[string]any{}
	case n.Kind == yaml.SequenceNode:
		text, v = "[]", []any{}
	case isText(n):
		s, ok := printed(n.Value)
		if !ok {
			return nil, false
		}
		text, v = s, n.Value
	default:
		ok := false
		if text, v, ok = literal(n); !ok {
			return nil, false
		}
	}
	w.out = append(append(w.out, text...), '\n')
	return v, true
}

func (w *plainWriter) indent(n int) {
	for range n {
		w.out = append(w.out, ' ')
	}
}

// isText tells whether a scalar is a string whatever it looks like.
func isText(n *yaml.Node) bool {
	quoted := yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Tag == yaml.NodeTagString || n.Tag == "" && n.Style&quoted != 0
}

// literal reads a scalar without quotes: null, a boolean, a small integer, or a
// string that can be nothing else.
func literal(n *yaml.Node) (string, any, bool) {
	switch n.Tag {
	case "", yaml.NodeTagNull, yaml.NodeTagBool, yaml.NodeTagInt:
	default:
		return "", nil, false
	}
	switch n.Value {
	case "null":
		return "null", nil, n.Tag == "" || n.Tag == yaml.NodeTagNull
	case "true", "false":
		return n.Value, n.Value == "true", n.Tag == "" || n.Tag == yaml.NodeTagBool
	}
	if isSmall(strings.TrimPrefix(n.Value, "-")) && n.Value != "-0" {
		i, err := strconv.ParseInt(n.Value, 10, 64)
		return n.Value, i, err == nil && (n.Tag == "" || n.Tag == yaml.NodeTagInt)
	}
	if n.Tag != "" || !isWord(n.Value) {
		return "", nil, false
	}
	return n.Value, n.Value, true
}

// isSmall tells whether s is a decimal integer that every number type holds.
func isSmall(s string) bool {
	if s == "0" {
		return true
	}
	return len(s) > 0 && len(s) <= 15 && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// printed returns how a string is printed, where that is plain.
func printed(s string) (string, bool) {
	switch {
	case s == "" || isSmall(s) || s == "true" || s == "false":
		return `"` + s + `"`, true
	case isWord(s), isQuantity(s):
		return s, true
	}
	return "", false
}

// ambiguous are the words that some version of YAML takes for something else.
var ambiguous = []string{"y", "yes", "on", "true", "n", "no", "off", "false", "null"}

// isWord tells whether s is a string to every version of YAML without quotes.
func isWord(s string) bool {
	if s == "" || !isLetter(s[0]) && s[0] != '/' && s[0] != '_' && !isArgument(s) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case isLetter(c), isDigit(c), strings.IndexByte("._/-@+=,", c) >= 0:
		case c == ':' && i+1 < len(s) && s[i+1] != ' ':
		case c == ' ' && i+1 < len(s) && s[i-1] != ' ' && len(s) <= maxPlainText:
		default:
			return false
		}
	}
	return len(s) > len("false") || !slices.Contains(ambiguous, strings.ToLower(s))
}

// isArgument tells whether s begins as a flag, or a path from here.
func isArgument(s string) bool {
	rest, flag := strings.CutPrefix(s, "--")
	if !flag {
		rest, flag = strings.CutPrefix(s, "./")
	}
	return flag && rest != "" && isLetter(rest[0])
}

// isQuantity tells whether s is a number with a unit that no number ends with.
func isQuantity(s string) bool {
	digits := strings.TrimRight(s, "mshKMGi")
	return digits != s && isSmall(digits)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// plainEntries returns the entries of a mapping in the library's order.
func plainEntries(n *yaml.Node) ([]plainEntry, bool) {
	out := make([]plainEntry, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Anchor != "" || !isWord(k.Value) || len(k.Value) > maxPlainKey ||
			k.Tag != yaml.NodeTagString && k.Tag != "" || strings.Contains(k.Value, " ") {
			return nil, false
		}
		out = append(out, plainEntry{k.Value, n.Content[i+1]})
	}
	ok := true
	slices.SortFunc(out, func(a, b plainEntry) int {
		order, known := keyOrder(a.key, b.key)
		ok = ok && known
		return order
	})
	return out, ok
}

// keyOrder compares two keys as the library does: letters after all others. It
// does not know where that compares numbers, or where the keys are the same.
func keyOrder(a, b string) (int, bool) {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if isLetter(x) != isLetter(y) {
			if isLetter(y) {
				return -1, true
			}
			return 1, true
		}
		return int(x) - int(y), !isDigit(x) && !isDigit(y)
	}
	return len(a) - len(b), len(a) != len(b)
}
