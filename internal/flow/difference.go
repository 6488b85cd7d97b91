package flow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/tree"
)

// Class says what a difference between two environments is.
type Class string

// The classes, the one to look at first.
const (
	// Drifted: the environment was changed by itself, and nothing that follows the
	// way of changes would bring it there.
	Drifted Class = "drifted apart"
	// Moves: the environment before it has it, and it would be promoted.
	Moves Class = "would be promoted"
	// Declared: leat.yaml says that it differs.
	Declared Class = "differs by declaration"
)

var classes = []Class{Drifted, Moves, Declared}

// Side is one of two environments.
type Side struct {
	Environment Environment
	Tree        tree.Tree // of its directory
}

// Difference is a file that differs between two environments.
type Difference struct {
	File  string `json:"file"` // from the environments' directories
	Class Class  `json:"class"`
	// Only names the environment that alone has the file; empty where both do.
	Only string `json:"only,omitempty"`
	// Fields are the values that differ; none where the file is no YAML.
	Fields []FieldDifference `json:"fields,omitempty"`
	Why    string            `json:"why,omitempty"`
}

// Has tells whether a difference, or a field of it, is of a class.
func (d Difference) Has(c Class) bool {
	return d.Class == c || slices.ContainsFunc(d.Fields, func(f FieldDifference) bool { return f.Class == c })
}

// FieldDifference is a value that differs.
type FieldDifference struct {
	Path  string `json:"path"`
	Line  int    `json:"line,omitempty"` // in the target's file; in the source's where it has none
	From  string `json:"from,omitempty"` // in the environment before
	To    string `json:"to,omitempty"`
	Class Class  `json:"class"`
	Why   string `json:"why,omitempty"`
}

// maxFields bounds how many fields of one file are told.
const maxFields = 500

// Differences returns the files that differ between an environment and the one
// before it. base is the tree of the one before when something last moved from it; it
// tells who changed a value since then. Where it is empty, everything that is not
// declared counts as to be promoted, and what only the target has as its own.
func (f Flow) Differences(from, to Side, base tree.Tree) []Difference {
	var out []Difference
	for _, file := range tree.Changed(from.Tree, to.Tree) {
		if d, differs := f.difference(file, from, to, base); differs {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b Difference) int {
		return slices.Index(classes, a.Class) - slices.Index(classes, b.Class)
	})
	return out
}

// texts are a file in the three trees; nil where it is not there.
type texts struct{ from, to, base []byte }

func read(t tree.Tree, file string) []byte {
	data, err := t.ReadFile(file)
	if err != nil {
		return nil
	}
	return append([]byte{}, data...)
}

func (f Flow) difference(file string, from, to Side, base tree.Tree) (Difference, bool) {
	d := Difference{File: file}
	t := texts{read(from.Tree, file), read(to.Tree, file), read(base, file)}
	switch {
	case f.stays(file, "", ""):
		d.Class, d.Why = Declared, "the file stays"
	case t.to == nil && t.base != nil:
		d.Class, d.Only, d.Why = Drifted, from.Environment.Name, "it was removed from "+to.Environment.Name+" alone"
	case t.to == nil:
		d.Class, d.Only = Moves, from.Environment.Name
	case t.from == nil && t.base != nil:
		d.Class, d.Only, d.Why = Moves, to.Environment.Name, "it is gone from "+from.Environment.Name
	case t.from == nil:
		d.Class, d.Only = Declared, to.Environment.Name
		d.Why = "files that only the target has are its own"
	default:
		return f.changed(d, t, [2]string{from.Environment.Name, to.Environment.Name})
	}
	return d, true
}

// changed compares a file that both have, value by value.
func (f Flow) changed(d Difference, t texts, names [2]string) (Difference, bool) {
	a, err1 := valuesOf(t.from)
	b, err2 := valuesOf(t.to)
	if err1 != nil || err2 != nil || !isYAML(d.File) {
		d.Class, d.Why = side(string(t.from), string(t.to), string(t.base), t.base != nil)
		return d, true
	}
	base, _ := valuesOf(t.base)
	kinds := objectsOf(t.from)
	for path, kind := range objectsOf(t.to) {
		kinds[path] = kind
	}
	for _, place := range union(a, b) {
		va, vb := a[place], b[place]
		path, _, _ := strings.Cut(place, listMark)
		if va.Text == vb.Text && (va.Line > 0) == (vb.Line > 0) {
			continue
		}
		field := FieldDifference{Path: path, Line: max(vb.Line, 0), From: va.Text, To: vb.Text}
		if field.Line == 0 {
			field.Line = va.Line
		}
		kind := kinds[number(va, vb)].kind
		field.Class, field.Why = side(va.Text, vb.Text, base[place].Text, t.base != nil)
		if why := f.declares(d.File, kind, path, field, names); why != "" {
			field.Class, field.Why = Declared, why
		}
		if kind == "Secret" {
			field.From, field.To = hidden(field.From), hidden(field.To)
		}
		if d.Fields = append(d.Fields, field); len(d.Fields) == maxFields {
			break
		}
	}
	d.Class = Declared
	for _, field := range d.Fields {
		if slices.Index(classes, field.Class) < slices.Index(classes, d.Class) {
			d.Class = field.Class
		}
	}
	if len(d.Fields) == 0 {
		return d, false // comments, spaces and the order of keys
	}
	return d, true
}

func hidden(text string) string {
	if text == "" {
		return ""
	}
	return "(hidden)"
}

func number(a, b edit.Value) int {
	if b.Line > 0 {
		return b.Path.Document.Number
	}
	return a.Path.Document.Number
}

// side tells who changed a value since something last moved.
func side(from, to, base string, known bool) (Class, string) {
	switch {
	case !known:
		return Moves, ""
	case to == base:
		return Moves, ""
	case from == base:
		return Drifted, "unchanged in the source since"
	}
	return Drifted, "both were changed"
}

// declares says by which declaration a field differs; empty where by none.
func (f Flow) declares(file, kind, path string, d FieldDifference, names [2]string) string {
	if f.stays(file, kind, path) {
		return "it stays"
	}
	for _, m := range f.Maps {
		a, b := m.Values[names[0]], m.Values[names[1]]
		if a == "" || b == "" || len(m.Files) > 0 && !MatchAny(m.Files, file) || m.Path != "" && !covers(m.Path, path) {
			continue
		}
		if d.From != d.To && Swap(d.From, a, b) == d.To {
			return "map " + m.Name
		}
	}
	return ""
}

// Swap replaces a word by another wherever it stands as a word: between signs, or at
// an end.
func Swap(text, a, b string) string {
	var out strings.Builder
	for rest := text; ; {
		i := strings.Index(rest, a)
		if i < 0 || a == "" {
			out.WriteString(rest)
			return out.String()
		}
		end := i + len(a)
		begins := i == 0 && (out.Len() == 0 || !letter(out.String()[out.Len()-1])) || i > 0 && !letter(rest[i-1])
		ends := end == len(rest) || !letter(rest[end])
		out.WriteString(rest[:i])
		if begins && ends {
			out.WriteString(b)
		} else {
			out.WriteString(a)
		}
		rest = rest[end:]
	}
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// stays tells whether something is declared never to move.
func (f Flow) stays(file, kind, path string) bool {
	for _, s := range f.Stays {
		if len(s.Files) > 0 && !MatchAny(s.Files, file) || s.Kind != "" && s.Kind != kind || s.Path != "" && (path == "" || !covers(s.Path, path)) {
			continue
		}
		return true
	}
	return false
}

// covers tells whether a pattern of paths names a path or something above it.
func covers(pattern, path string) bool {
	p, err1 := edit.ParsePath(pattern)
	c, err2 := edit.ParsePath(path)
	return err1 == nil && err2 == nil && p.Covers(c)
}

// valuesOf are the values of a file by their paths.
func valuesOf(data []byte) (map[string]edit.Value, error) {
	values, err := edit.Values(data)
	if err != nil {
		return nil, err
	}
	out := make(map[string]edit.Value, len(values))
	for _, v := range values {
		out[placeOf(v)] = v
	}
	return out, nil
}

// placeOf is the path of a value; of one that stands in a list itself the list and
// the value, so that an item more is one difference and not many.
func placeOf(v edit.Value) string {
	last := len(v.Path.Steps) - 1
	if last < 0 || !v.Path.Steps[last].Item {
		return v.Path.String()
	}
	list := edit.Path{Document: v.Path.Document, Steps: v.Path.Steps[:last]}
	return list.String() + listMark + v.Text
}

// listMark stands between a list and its item.
const listMark = "[]\x00"

// union are the paths of both, in the order of their lines.
func union(a, b map[string]edit.Value) []string {
	line := map[string]int{}
	for path, v := range a {
		line[path] = v.Line
	}
	for path, v := range b {
		line[path] = v.Line
	}
	out := make([]string, 0, len(line))
	for path := range line {
		out = append(out, path)
	}
	slices.SortFunc(out, func(x, y string) int {
		if line[x] != line[y] {
			return line[x] - line[y]
		}
		return strings.Compare(x, y)
	})
	return out
}

// Counts says how many differences there are of each class.
func Counts(all []Difference) string {
	n := map[Class]int{}
	for _, d := range all {
		n[d.Class]++
	}
	var parts []string
	for _, c := range classes {
		if n[c] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[c], c))
		}
	}
	return strings.Join(parts, ", ")
}
