package expect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a file, in bytes.
const maxFile = 1 << 20

// reader reads nodes and collects what is wrong with them.
type reader struct {
	file string
	errs []wrong
}

type wrong struct {
	line, column int
	text         string
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, wrong{max(n.Line, 1), max(n.Column, 1), fmt.Sprintf(format, args...)})
}

// err is all that is wrong, in the order of the file.
func (r *reader) err() error {
	slices.SortStableFunc(r.errs, func(a, b wrong) int { return cmp.Or(a.line-b.line, a.column-b.column) })
	var all []error
	for _, w := range r.errs {
		all = append(all, fmt.Errorf("%s:%d:%d: %s", r.file, w.line, w.column, w.text))
	}
	return errors.Join(all...)
}

// document reads the only document of a file; nil where it has none.
func (r *reader) document(data []byte) *yaml.Node {
	if len(data) > maxFile {
		r.fail(&yaml.Node{}, "it has %d bytes, more than %d", len(data), maxFile)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		r.fail(&doc, "it is empty; docs/test.md and docs/findings.md show what to write")
		return nil
	} else if err != nil {
		at, text := syntax(err)
		r.fail(at, "%s", text)
		return nil
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		r.fail(&more, "there is a second document; want one")
	}
	return doc.Content[0]
}

// syntax finds the line in an error of the YAML reader: «yaml: line 3: …».
func syntax(err error) (*yaml.Node, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := &yaml.Node{Line: 1}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		digits, what, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(digits); err == nil {
			at.Line, text = line, what
		}
	}
	return at, text
}

// header holds apiVersion and kind to what they must be.
func (r *reader) header(doc *yaml.Node, root map[string]*yaml.Node, version, kind string) {
	for _, f := range [][2]string{{"apiVersion", version}, {"kind", kind}} {
		if v := r.text(root[f[0]]); v.value != f[1] {
			r.fail(cmp.Or(root[f[0]], doc), "%s is %q, want %s", f[0], v.value, f[1])
		}
	}
}

func textOf(n *yaml.Node) Text { return Text{n.Value, n.Line, n.Column} }

// fields returns the values of a mapping by their keys, which must be known.
func (r *reader) fields(n *yaml.Node, known ...string) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n == nil {
		return out
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "want a mapping with %s", strings.Join(known, ", "))
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case !slices.Contains(known, key.Value):
			r.fail(key, "there is no field %q; want one of %s", key.Value, strings.Join(known, ", "))
		case out[key.Value] != nil:
			r.fail(key, "%s stands twice", key.Value)
		default:
			out[key.Value] = n.Content[i+1]
		}
	}
	return out
}

func (r *reader) list(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "want a list")
		return nil
	}
	return n.Content
}

func (r *reader) text(n *yaml.Node) Text {
	switch {
	case n == nil:
		return Text{}
	case n.Kind != yaml.ScalarNode || n.Value == "":
		r.fail(n, "want a text")
	}
	return textOf(n)
}

func (r *reader) texts(n *yaml.Node) []Text {
	var out []Text
	for _, item := range r.list(n) {
		out = append(out, r.text(item))
	}
	return out
}

// pairs are the keys and values of a mapping, in order.
func (r *reader) pairs(n *yaml.Node) [][2]*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "want a mapping")
		return nil
	}
	var out [][2]*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, [2]*yaml.Node{n.Content[i], n.Content[i+1]})
	}
	return out
}
