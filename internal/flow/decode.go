package flow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds leat.yaml, in bytes; maxErrors what is said of it at once.
const (
	maxFile   = 1 << 20
	maxErrors = 50
)

// decoder fills the types from nodes, remembers where each value stands, and
// collects what is wrong.
type decoder struct {
	file  string
	nodes map[string]*yaml.Node // by place in the types: environments[0].name
	errs  []wrong
}

type wrong struct {
	pos  Pos
	text string
}

var (
	posType      = reflect.TypeFor[Pos]()
	durationType = reflect.TypeFor[Duration]()
)

// document reads the only document of a file.
func (d *decoder) document(data []byte) *yaml.Node {
	r := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := r.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		d.errs = append(d.errs, wrong{Pos{d.file, 1, 1}, "it is empty; want apiVersion: " + Version + ", kind: " + Kind + " and environments"})
		return nil
	} else if err != nil {
		pos := syntaxAt(d.file, err)
		d.errs = append(d.errs, wrong{pos, strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), fmt.Sprintf("line %d: ", pos.Line))})
		return nil
	}
	if err := r.Decode(&more); !errors.Is(err, io.EOF) {
		d.fail(&more, "there is a second document; want one")
	}
	return doc.Content[0]
}

// syntaxAt finds the line in an error of the YAML reader.
func syntaxAt(file string, err error) Pos {
	_, rest, ok := strings.Cut(err.Error(), "line ")
	digits, _, _ := strings.Cut(rest, ":")
	if line, bad := strconv.Atoi(digits); ok && bad == nil {
		return Pos{file, line, 1}
	}
	return Pos{file, 1, 1}
}

func (d *decoder) pos(n *yaml.Node) Pos { return Pos{d.file, max(n.Line, 1), max(n.Column, 1)} }

func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, wrong{d.pos(n), fmt.Sprintf(format, args...)})
}

// failAt fails a value by its place in the types; where the file does not have it,
// what would hold it is blamed.
func (d *decoder) failAt(at, format string, args ...any) {
	for ; ; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if n := d.nodes[at]; n != nil {
			d.fail(n, format, args...)
			return
		}
	}
}

// err is all that is wrong, in the order of the file.
func (d *decoder) err() error {
	slices.SortStableFunc(d.errs, func(a, b wrong) int {
		if a.pos.Line != b.pos.Line {
			return a.pos.Line - b.pos.Line
		}
		return a.pos.Column - b.pos.Column
	})
	var all []error
	for i, w := range d.errs {
		if i == maxErrors {
			all = append(all, fmt.Errorf("%s: and %d more", d.file, len(d.errs)-maxErrors))
			break
		}
		all = append(all, fmt.Errorf("%s: %s", w.pos, w.text))
	}
	return errors.Join(all...)
}

// value decodes a node into v, which stands at a place.
func (d *decoder) value(at string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.nodes[at] = n
	switch {
	case v.Type() == durationType:
		d.duration(n, v)
	case v.Type() == memberType:
		d.member(at, n, v)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(at, n, v.Elem())
	case v.Kind() == reflect.Struct:
		d.object(at, n, v)
	case v.Kind() == reflect.Slice:
		d.list(at, n, v)
	case v.Kind() == reflect.Map:
		d.table(at, n, v)
	default:
		d.scalar(n, v)
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fail(n, "want a %s", kindWord(v))
	case v.Kind() == reflect.String && (n.Tag == "!!null" || n.Value == ""):
		d.fail(n, "want a text")
	case v.Kind() == reflect.String:
		v.SetString(n.Value)
	default:
		number, err := strconv.Atoi(n.Value)
		if err != nil {
			d.fail(n, "%q: want a number", n.Value)
		}
		v.SetInt(int64(number))
	}
}

func kindWord(v reflect.Value) string {
	if v.Kind() == reflect.String {
		return "text"
	}
	return "number"
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value) {
	length, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || length <= 0 {
		d.fail(n, "%q: want a length of time, such as 10m", n.Value)
	}
	v.SetInt(int64(length))
}

func (d *decoder) list(at string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "want a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(fmt.Sprintf("%s[%d]", at, i), item, v.Index(i))
	}
}

// pairs calls f for the entries of a mapping; keys that stand twice are wrong.
func (d *decoder) pairs(n *yaml.Node, f func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "want a mapping")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			d.fail(key, "%s stands twice", key.Value)
			continue
		}
		seen[key.Value] = true
		f(key, n.Content[i+1])
	}
}

func (d *decoder) table(at string, n *yaml.Node, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, func(key, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(at+"."+key.Value, value, item)
		d.nodes[at+"."+key.Value+"#key"] = key
		v.SetMapIndex(reflect.ValueOf(key.Value), item)
	})
}

func (d *decoder) object(at string, n *yaml.Node, v reflect.Value) {
	fields := fieldsOf(v.Type())
	d.pairs(n, func(key, value *yaml.Node) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == key.Value })
		if i < 0 {
			d.fail(key, "there is no field %q; want one of %s", key.Value, strings.Join(namesOf(fields), ", "))
			return
		}
		d.value(below(at, key.Value), value, v.FieldByIndex(fields[i].Index))
	})
	if pos := v.FieldByName("At"); pos.IsValid() && pos.Type() == posType {
		pos.Set(reflect.ValueOf(d.pos(n)))
	}
	for _, f := range fields {
		d.wants(below(at, f.name), f, v.FieldByIndex(f.Index))
	}
}

func below(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// field is a field of the file.
type field struct {
	reflect.StructField
	name string
	want []string // what its tag wants of it
}

// fieldsOf are the fields of a type that the file can have.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		if name := f.Tag.Get("json"); name != "-" && name != "" {
			out = append(out, field{f, name, strings.Split(f.Tag.Get("want"), ",")})
		}
	}
	return out
}

func namesOf(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}
