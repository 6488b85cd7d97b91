// Package migrate brings manifests of Flux objects to the API versions of a
// release, byte for byte as a person would edit them: comments, order, quotes
// and everything else stay.
//
//	versions, err := migrate.VersionsOf("")       // of the newest release
//	out := migrate.File(text, versions)
//	out.Text, out.Changes, out.Notes
//
// apiVersion lines are found in the text itself, so that manifests inside of
// patches, lists and templates are found too. Fields that a newer version no
// longer has are rewritten where the document can be parsed: an object of an old
// version that keeps them would be refused by a server-side apply. What cannot
// be rewritten safely becomes a note. It is pure: text in, text out.
package migrate

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Change is one thing that was rewritten.
type Change struct {
	Line     int // from 1, in the text as it was
	Kind     string
	Old, New string // versions, or field paths; New is empty for what was removed
}

// String is how flux migrate tells of it, without the file.
func (c Change) String() string {
	if c.New == "" {
		return fmt.Sprintf("%s %s removed", c.Kind, c.Old)
	}
	return fmt.Sprintf("%s %s -> %s", c.Kind, c.Old, c.New)
}

// Note is something that a person has to look at.
type Note struct {
	Line int
	Text string
}

// Result is a migrated file.
type Result struct {
	Text    []byte
	Changes []Change // by line
	Notes   []Note
}

// File migrates the text of one file.
func File(text []byte, v Versions) Result {
	lines := strings.Split(string(text), "\n")
	var r Result
	var edits []edit
	for _, found := range versionLines(lines) {
		gv, err := schema.ParseGroupVersion(found.apiVersion)
		if err != nil {
			continue
		}
		newest, known := v[schema.GroupKind{Group: gv.Group, Kind: found.kind}]
		if !known || newest == gv.Version {
			continue
		}
		line := lines[found.line]
		line = line[:found.at] + gv.Group + "/" + newest + line[found.at+len(found.apiVersion):]
		edits = append(edits, edit{from: found.line, to: found.line + 1, with: []string{line}})
		r.Changes = append(r.Changes, Change{found.line + 1, found.kind, gv.Version, newest})
	}
	if len(edits) > 0 {
		edits = append(edits, r.fields(lines, edits)...)
	}
	slices.SortStableFunc(r.Changes, func(a, b Change) int { return a.Line - b.Line })
	r.Text = text
	if len(edits) > 0 {
		r.Text = []byte(strings.Join(apply(lines, edits), "\n"))
	}
	return r
}

// edit replaces lines[from:to].
type edit struct {
	from, to int
	with     []string
}

// apply makes edits, which do not overlap, from the end to the front.
func apply(lines []string, edits []edit) []string {
	slices.SortFunc(edits, func(a, b edit) int { return b.from - a.from })
	out := slices.Clone(lines)
	for _, e := range edits {
		out = slices.Replace(out, e.from, e.to, e.with...)
	}
	return out
}

// versionLine is an apiVersion with the kind that stands beside it.
type versionLine struct {
	line, at   int // of apiVersion's value
	apiVersion string
	kind       string
}

// A key of a mapping at the begin of a line, maybe as the first of list items.
var (
	versionKey = regexp.MustCompile(`^([ ]*(?:- +)*)["']?apiVersion["']?:[ ]+["']?([a-z0-9.-]+/[a-z0-9]+)`)
	kindKey    = regexp.MustCompile(`^([ ]*(?:- +)*)["']?kind["']?:[ ]+["']?([A-Za-z0-9]+)`)
	indented   = regexp.MustCompile(`^[ ]*(?:- +)*`)
)

// versionLines finds every apiVersion that has a kind in the same mapping.
func versionLines(lines []string) []versionLine {
	var out []versionLine
	for i, line := range lines {
		m := versionKey.FindStringSubmatchIndex(line)
		if m == nil {
			continue
		}
		if kind := kindBeside(lines, i, m[3]); kind != "" {
			out = append(out, versionLine{i, m[4], line[m[4]:m[5]], kind})
		}
	}
	return out
}

// kindBeside returns the kind in the mapping whose keys stand at a column, and
// one of them in line i.
func kindBeside(lines []string, i, column int) string {
	for _, line := range lines[i+1:] {
		if blank(line) {
			continue
		}
		if indent(line) < column || strings.HasPrefix(line, "---") {
			break
		}
		if m := kindKey.FindStringSubmatch(line); m != nil && len(m[1]) == column && !strings.Contains(m[1], "-") {
			return m[2]
		}
	}
	for ; i > 0 && !strings.Contains(indented.FindString(lines[i]), "-"); i-- {
		above := lines[i-1]
		if blank(above) {
			continue
		}
		start := len(indented.FindString(above))
		if start < column || strings.HasPrefix(above, "---") {
			break
		}
		if m := kindKey.FindStringSubmatch(above); m != nil && len(m[1]) == column {
			return m[2]
		}
		if start == column && indent(above) < column {
			break // another first key of the item
		}
	}
	return ""
}

func blank(line string) bool {
	text := strings.TrimSpace(line)
	return text == "" || text[0] == '#'
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// crlf keeps line ends of Windows in lines that are made anew.
func crlf(like string, lines []string) []string {
	if !strings.HasSuffix(like, "\r") {
		return lines
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r") + "\r"
	}
	return lines
}

// document is the part of a file between two separators.
type document struct{ from, to int }

func documents(lines []string) []document {
	var out []document
	from := 0
	for i, line := range lines {
		if line == "---" || strings.HasPrefix(line, "--- ") || line == "---\r" {
			out = append(out, document{from, i})
			from = i + 1
		}
	}
	return append(out, document{from, len(lines)})
}

func (d document) text(lines []string) []byte {
	var b bytes.Buffer
	for _, line := range lines[d.from:d.to] {
		b.WriteString(strings.TrimSuffix(line, "\r"))
		b.WriteByte('\n')
	}
	return b.Bytes()
}
