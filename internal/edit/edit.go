// Package edit replaces a value in a YAML or JSON file and leaves every other
// byte as it is: comments, indentation, quotes, line ends, the order of keys.
//
//	path, err := edit.ParsePath(".components.jupyter_hub.repository.branch")
//	after, err := edit.Set(before, path, "release/0.2.106")
//	values, err := edit.Get(after, path) // values[0].Text, .Line, .Column
//
// The style of the value is kept where the new one allows it; a plain string
// becomes quoted where it would be read as a number, a boolean or a date. What
// Set returns was read again and compared: apart from what was asked it says
// what the file said, or Set refuses. It is pure: text in, text out. It must
// never write a file that reads differently anywhere else.
package edit

import (
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The bounds of what is read.
const (
	maxFile   = 8 << 20 // bytes
	maxValue  = 1 << 20 // bytes
	maxDepth  = 200     // of nodes
	maxValues = 500_000
)

// Value is a scalar where it stands.
type Value struct {
	Path         Path // to it alone, without wildcards
	Line, Column int  // of its first character, from 1; columns count characters
	Text         string
	Tag          string // as YAML 1.2 reads it: !!str, !!int, !!float, !!bool, !!null, !!timestamp
	Comment      string // at the end of its line, with #
	// Alias names the anchor by which the value came; it stands elsewhere.
	Alias string
}

// Change is a value to be written.
type Change struct {
	Path  Path // must name one place
	Value string
	// Create adds what is not there, in the style of its neighbours.
	Create bool
}

// Done is a change that was made.
type Done struct {
	Path         Path
	Line, Column int // in the text after it and the changes before it
	Old, New     string
	Created      bool
	Secret       bool // a value of a Secret: Old and New must not be shown
}

// Error says where in a file something is wrong.
type Error struct {
	Line, Column int // 0 where it is about the whole file
	Text         string
}

func (e *Error) Error() string { return e.In("") }

// In is the error with the name of its file: file:line:column: text.
func (e *Error) In(file string) string {
	switch {
	case e.Line == 0 && file == "":
		return e.Text
	case e.Line == 0:
		return file + ": " + e.Text
	case file == "" && e.Column == 0:
		return fmt.Sprintf("line %d: %s", e.Line, e.Text)
	case file == "":
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %s", file, e.Line, e.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", file, e.Line, e.Column, e.Text)
}

func wrong(n *yaml.Node, format string, args ...any) *Error {
	e := &Error{Text: fmt.Sprintf(format, args...)}
	if n != nil {
		e.Line, e.Column = n.Line, n.Column
	}
	return e
}

// Set replaces the one value that a path names. Errors are *Error.
func Set(file []byte, path Path, value string) ([]byte, error) {
	out, _, err := Apply(file, Change{Path: path, Value: value})
	return out, err
}

// Apply makes changes one after the other, all or none.
func Apply(file []byte, changes ...Change) ([]byte, []Done, error) {
	t, err := read(file)
	if err != nil {
		return nil, nil, err
	}
	var done []Done
	for _, c := range changes {
		next, d, err := t.set(c)
		if err != nil {
			return nil, nil, err
		}
		t, done = next, append(done, d)
	}
	return t.data, done, nil
}

// Get returns the scalars that a path names, in the order of the file; values
// that come by an alias or a merge key too.
func Get(file []byte, path Path) ([]Value, error) {
	t, err := read(file)
	if err != nil {
		return nil, err
	}
	var out []Value
	for _, p := range t.find(path) {
		if p.twice != nil {
			return nil, p.refuse()
		}
		if p.node.Kind == yaml.ScalarNode {
			out = append(out, t.value(p))
		}
	}
	return out, nil
}

// Values returns every scalar of a file, in its order. An alias is one value;
// keys that are no scalars, and what is below them, are left out.
func Values(file []byte) ([]Value, error) {
	t, err := read(file)
	if err != nil {
		return nil, err
	}
	var out []Value
	for _, p := range t.places() {
		if p.node.Kind == yaml.ScalarNode && len(out) < maxValues {
			out = append(out, t.value(p))
		}
	}
	return out, nil
}

// Documents returns the root of each document, for those who compare whole trees.
// The nodes must not be changed.
func Documents(file []byte) ([]*yaml.Node, error) {
	t, err := read(file)
	if err != nil {
		return nil, err
	}
	return t.docs, nil
}

func (t *text) value(p place) Value {
	v := Value{Path: p.path, Line: p.node.Line, Column: p.node.Column, Text: p.node.Value, Tag: p.node.ShortTag(), Comment: p.node.LineComment, Alias: p.alias}
	if s, err := t.span(p); err == nil {
		v.Line, v.Column = t.position(s.from)
	}
	return v
}

// set makes one change.
func (t *text) set(c Change) (*text, Done, error) {
	if !utf8.ValidString(c.Value) || len(c.Value) > maxValue {
		return nil, Done{}, wrong(nil, "set %s: the value is no text, or larger than %d bytes", c.Path, maxValue)
	}
	p, err := t.one(c)
	if err != nil {
		return nil, Done{}, err
	}
	if p.node == nil {
		return t.create(c)
	}
	return t.replace(p, c.Value)
}

// one returns the only place that a change is about; without a node where it is
// to be created.
func (t *text) one(c Change) (place, error) {
	found := t.find(c.Path)
	switch {
	case len(found) == 0 && c.Create:
		return place{}, nil
	case len(found) == 0:
		return place{}, t.missing(c.Path)
	case len(found) > 1:
		first, second := found[0], found[1]
		return place{}, wrong(second.node, "set %s: it names %d values, the first are %s (line %d) and %s; name one of them",
			c.Path, len(found), first.path, first.node.Line, second.path)
	}
	p := found[0]
	if p.alias != "" && p.merged && c.Create {
		return place{}, nil // a key beside the merge key wins over it
	}
	return p, p.refuse()
}

// refuse says why a place cannot be changed.
func (p place) refuse() error {
	switch {
	case p.twice != nil:
		return wrong(p.twice, "the key %q stands twice in one mapping, first in line %d; remove one of them", p.twice.Value, p.first.Line)
	case p.alias != "":
		return wrong(p.at, "set %s: the value comes from the anchor &%s in line %d and is used in other places too; set it there, or write it out here", p.path, p.alias, p.node.Line)
	case p.node.Kind == yaml.MappingNode:
		return wrong(p.node, "set %s: there is a mapping, no single value; name a key of it", p.path)
	case p.node.Kind == yaml.SequenceNode:
		return wrong(p.node, "set %s: there is a list, no single value; name an item of it, as %s[0]", p.path, p.path)
	}
	return nil
}

// missing says up to where a path leads.
func (t *text) missing(path Path) error {
	if !path.anyDocument() && len(t.objects(path)) == 0 {
		return wrong(nil, "set %s: there is no such document among the %d of the file", path, len(t.docs))
	}
	for n := len(path.Steps) - 1; n >= 0; n-- {
		above := Path{Document: path.Document, Steps: path.Steps[:n]}
		if found := t.find(above); len(found) > 0 && n > 0 {
			return wrong(found[0].node, "set %s: %s is there, but has no %s; to add it create what is missing (--create)", path, above, path.Steps[n])
		}
	}
	return wrong(nil, "set %s: there is no %s; to add it create what is missing (--create)", path, path.Steps[0])
}

// replace changes a scalar where it stands: the first of the ways to write the
// value that reads back as it.
func (t *text) replace(p place, value string) (*text, Done, error) {
	s, err := t.span(p)
	if err != nil {
		return nil, Done{}, err
	}
	for _, way := range t.ways(p, s, value) {
		next, err := read(splice(t.data, s.from, s.to, way.text))
		if err != nil || !t.became(next, p.node, way.node(p.node, value)) {
			continue
		}
		d := Done{Path: p.path, Old: p.node.Value, New: value, Secret: t.secret(p)}
		d.Line, d.Column = next.position(min(s.from+way.skip, len(next.data)))
		return next, d, nil
	}
	return nil, Done{}, wrong(p.node, "set %s: there is no way to write the new value in place of this one without changing others; edit it by hand", p.path)
}

func splice(data []byte, from, to int, with string) []byte {
	out := make([]byte, 0, len(data)+len(with))
	out = append(out, data[:from]...)
	out = append(out, with...)
	return append(out, data[to:]...)
}
