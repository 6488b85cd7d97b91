package edit

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// text is a file that was read.
type text struct {
	data   []byte
	starts []int // of each line, in bytes
	docs   []*yaml.Node
}

const bom = "\ufeff"

// read parses a file and remembers where its lines begin.
func read(data []byte) (*text, error) {
	switch {
	case len(data) > maxFile:
		return nil, wrong(nil, "the file has %d bytes, more than %d", len(data), maxFile)
	case !utf8.Valid(data):
		return nil, wrong(nil, "the file is not UTF-8")
	}
	t := &text{data: data, starts: lineStarts(data)}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return t, t.check()
		}
		if err != nil {
			return nil, t.unread(err)
		}
		if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
			t.docs = append(t.docs, doc.Content[0])
		}
	}
}

// lineStarts knows the line breaks that the parser knows: LF, CR, CRLF, NEL, LS,
// PS.
func lineStarts(data []byte) []int {
	out := []int{0}
	if bytes.HasPrefix(data, []byte(bom)) {
		out[0] = len(bom)
	}
	for i := out[0]; i < len(data); {
		n := breakAt(data, i)
		if n > 0 {
			out = append(out, i+n)
		}
		i += max(n, 1)
	}
	return out
}

// breakAt returns the length of the line break at a byte, 0 where there is none.
func breakAt(data []byte, at int) int {
	rest := data[at:]
	for _, br := range []string{"\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		if len(rest) >= len(br) && string(rest[:len(br)]) == br {
			return len(br)
		}
	}
	return 0
}

var errorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// unread says where a file is no YAML, and why: most of those that are none are
// templates.
func (t *text) unread(err error) error {
	e := &Error{Text: "it is no YAML: " + errorLine.ReplaceAllString(err.Error(), "")}
	if m := errorLine.FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
		e.Line, _ = strconv.Atoi(m[1])
	}
	if line := t.template(); line > 0 {
		return &Error{Line: line, Text: "here begins a template ({{ … }}), and with it the file is no YAML; set the value that feeds the template"}
	}
	return e
}

var action = regexp.MustCompile(`(?m)^[^#"'\n]*\{\{`)

// template returns the first line with a template's action outside of quotes and
// comments; 0 without one.
func (t *text) template() int {
	at := action.FindIndex(t.data)
	if at == nil {
		return 0
	}
	line, _ := t.position(at[1] - 2)
	return line
}

// check refuses what must not be edited by rules of YAML: nodes nested too
// deeply, and {{ }} that is read as a mapping with a mapping for its key.
func (t *text) check() error {
	for _, doc := range t.docs {
		if err := t.checkNode(doc, 0); err != nil {
			return err
		}
	}
	return nil
}

func (t *text) checkNode(n *yaml.Node, depth int) error {
	if depth > maxDepth {
		return wrong(n, "it is nested more than %d deep", maxDepth)
	}
	for i, c := range n.Content {
		isKey := n.Kind == yaml.MappingNode && i%2 == 0
		if isKey && c.Kind == yaml.MappingNode && n.Style&c.Style&yaml.FlowStyle != 0 {
			return &Error{Line: n.Line, Column: n.Column, Text: "here begins a template ({{ … }}), no plain YAML; set the value that feeds the template, or put it in quotes"}
		}
		if err := t.checkNode(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// offset returns the byte of a line and column, which count characters from 1.
func (t *text) offset(line, column int) (int, bool) {
	if line < 1 || line > len(t.starts) {
		return 0, false
	}
	at := t.starts[line-1]
	for i := 1; i < column; i++ {
		if at >= len(t.data) {
			return 0, false
		}
		_, size := utf8.DecodeRune(t.data[at:])
		at += size
	}
	return at, true
}

// position is the line and column of a byte.
func (t *text) position(at int) (line, column int) {
	line, exact := slices.BinarySearch(t.starts, at)
	if exact {
		line++
	}
	line = max(line, 1)
	from := min(t.starts[line-1], at)
	return line, utf8.RuneCount(t.data[from:at]) + 1
}

// place is a node, and how one comes to it.
type place struct {
	node, key, parent *yaml.Node // key is nil for items and documents
	path              Path
	alias             string     // the last anchor on the way
	at                *yaml.Node // where the alias stands
	merged            bool       // by <<
	first, twice      *yaml.Node // the same key in one mapping, on the way
}

// objects returns the documents that a path means.
func (t *text) objects(path Path) []place {
	var out []place
	for i, doc := range t.docs {
		d := path.Document
		if d.Number > 0 && d.Number != i+1 || d.Kind != "" && !d.is(doc) {
			continue
		}
		p := place{node: doc}
		if len(t.docs) > 1 {
			p.path.Document = Document{Number: i + 1}
		}
		out = append(out, p)
	}
	return out
}

// is tells whether a document is the object that is meant.
func (d Document) is(doc *yaml.Node) bool {
	meta := Child(doc, "metadata")
	for _, want := range []struct {
		text string
		node *yaml.Node
	}{{d.APIVersion, Child(doc, "apiVersion")}, {d.Kind, Child(doc, "kind")}, {d.Namespace, Child(meta, "namespace")}, {d.Name, Child(meta, "name")}} {
		if want.text != "" && (want.node == nil || want.node.Value != want.text) {
			return false
		}
	}
	return true
}

// Child returns the value of a key of a mapping; nil without one.
func Child(n *yaml.Node, key string) *yaml.Node {
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

// find returns the places that a path names.
func (t *text) find(path Path) []place {
	at := t.objects(path)
	for _, step := range path.Steps {
		var next []place
		for _, p := range at {
			if p = p.resolved(); len(next) < maxValues {
				next = append(next, p.down(step)...)
			}
		}
		at = next
	}
	for i := range at {
		at[i] = at[i].resolved()
	}
	return at
}

// places returns every node below the documents, aliases as what they name.
func (t *text) places() []place {
	var out []place
	for _, doc := range t.objects(Path{}) {
		out = doc.all(out)
	}
	return out
}

func (p place) all(out []place) []place {
	if p.node.Kind == yaml.AliasNode {
		return append(out, p.resolved())
	}
	out = append(out, p)
	for _, below := range p.down(Step{Key: "*", Pattern: true}) {
		out = below.all(out)
	}
	return out
}

// resolved follows an alias.
func (p place) resolved() place {
	for range maxDepth {
		if p.node.Kind != yaml.AliasNode || p.node.Alias == nil {
			return p
		}
		p.alias, p.at, p.node = p.node.Value, p.node, p.node.Alias
	}
	return p
}

// down makes one step. Keys of a merge count where the mapping has none of that
// name; a wildcard does not reach them.
func (p place) down(s Step) []place {
	switch p.node.Kind {
	case yaml.SequenceNode:
		return p.items(s)
	case yaml.MappingNode:
	default:
		return nil
	}
	out := p.keys(s)
	if len(out) > 0 || s.Pattern || s.Item {
		return out
	}
	return p.merge(s)
}

func (p place) keys(s Step) []place {
	var out []place
	seen := map[string]int{}
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		key := p.node.Content[i]
		if key.Kind != yaml.ScalarNode || s.Item || !s.key(key.Value) {
			continue
		}
		if first, again := seen[key.Value]; again {
			out[first].first, out[first].twice = out[first].key, key
			continue
		}
		seen[key.Value] = len(out)
		below := p.below(p.node.Content[i+1], Step{Key: key.Value})
		below.key = key
		out = append(out, below)
	}
	return out
}

func (p place) items(s Step) []place {
	var out []place
	list := p.node.Content
	for i, item := range list {
		var is bool
		switch {
		case s.any():
			is = true
		case s.Field != "":
			field := item
			if s.Field != "." {
				field = Child(item, s.Field)
			}
			is = field != nil && field.Kind == yaml.ScalarNode && field.Value == s.Value
		case s.Item:
			is = s.Index == i || s.Index == i-len(list)
		}
		if is {
			out = append(out, p.below(item, Step{Item: true, Index: i}))
		}
	}
	return out
}

func (p place) below(n *yaml.Node, s Step) place {
	out := p
	out.node, out.key, out.parent = n, nil, p.node
	out.path.Steps = append(slices.Clip(p.path.Steps), s)
	out.merged = false
	return out
}

// merge looks for a key in what << brings; of several the first counts.
func (p place) merge(s Step) []place {
	for i := 0; i+1 < len(p.node.Content); i += 2 {
		if key := p.node.Content[i]; key.Value != "<<" || key.Style != 0 {
			continue
		}
		from := []*yaml.Node{p.node.Content[i+1]}
		if from[0].Kind == yaml.SequenceNode {
			from = from[0].Content
		}
		for _, n := range from {
			base := p
			base.node = n
			if n.Kind != yaml.AliasNode {
				continue
			}
			if found := base.resolved().keys(s); len(found) > 0 {
				found[0].merged = true
				return found[:1]
			}
		}
	}
	return nil
}

// indent returns the spaces before a column that counts from 1.
func indent(column int) string { return strings.Repeat(" ", max(column-1, 0)) }
