package present

import (
	"fmt"
	"iter"
	"maps"
	"strings"

	"github.com/leat-dev/leat/internal/change"
)

func mapKeys(m map[string]int) iter.Seq[string] { return maps.Keys(m) }

// unit writes what happens to one unit.
func (s *sheet) unit(u foldedUnit) {
	s.blank()
	s.line(8, span{fmt.Sprintf("%3d ", u.Number), dim}, span{sign(u.Op) + " ", look(u.Op)}, span{u.String(), bold},
		span{"  " + u.summary(), plain}, span{"  " + u.where(), dim})
	if text := u.standing(); text != "" {
		s.line(8, span{"      " + text, look(u.turn())})
	}
	if u.SameAs != "" {
		s.line(8, span{"      the very same as in " + u.SameAs, dim})
		return
	}
	for _, w := range u.Warnings {
		s.line(8, span{"      ! " + w, yellow})
	}
	s.fields(u.Spec, 6)
	if u.Release != nil {
		s.release(*u.Release)
	}
	for _, g := range u.Groups {
		s.group(g)
	}
}

// summary counts the objects of a unit: «2 pruned, 12 changed».
func (u *Unit) summary() string {
	var c Counts
	for _, o := range u.Objects {
		c.add(o.Op)
	}
	words := c.words()
	if words == "" {
		for _, o := range ops {
			if o.op == u.Op {
				words = o.word
			}
		}
	}
	if u.KubeConfig != "" {
		words += " in the cluster of " + u.KubeConfig
	}
	if u.Why != "" {
		words += " (" + u.Why + ")"
	}
	return words
}

// turn is what a new standing is like: a prune is red, so is what breaks.
func (u *Unit) turn() change.Op {
	if u.After != nil && (u.After.State == "ready" || u.After.State == "suspended") {
		return change.Create
	}
	return change.Refuse
}

// standing says how a unit stands, where that changes or it is not ready.
func (u foldedUnit) standing() string {
	switch {
	case u.After == nil || u.Before == nil && u.After.State == "ready":
		return ""
	case u.Before != nil && u.Before.State == u.After.State:
		return ""
	case u.After.State == "ready":
		return "becomes ready; it was " + u.Before.State
	}
	text := "becomes " + u.After.State
	switch {
	case u.Told:
		text += ", for the cause above"
	case u.After.Message != "":
		text += ": " + u.After.Message
	}
	return text
}

func (s *sheet) release(r Release) {
	s.line(8, span{"      release " + r.Name + ": ", plain}, span{r.charts(), bold})
	if len(r.Values) > 0 {
		s.line(8, span{"      values", dim})
		s.fields(r.Values, 8)
	}
}

// charts is what happens to the chart of a release: «cache 1.2.0 → 1.3.0».
func (r Release) charts() string {
	switch {
	case r.Before == (Chart{}):
		return "installs " + r.After.String()
	case r.After == (Chart{}):
		return "uninstalls " + r.Before.String()
	case r.Before == r.After:
		return r.After.String() + ", as before"
	case r.Before.Name == r.After.Name:
		return fmt.Sprintf("%s %s → %s", r.After.Name, r.Before.Version, r.After.Version)
	}
	return r.Before.String() + " → " + r.After.String()
}

// String is name and version.
func (c Chart) String() string { return c.Name + " " + c.Version }

// maxGone is how many objects that go are told by name: those matter most.
const maxGone = 12

func (s *sheet) group(g group) {
	most := maxNames
	if dangerous(g.Op) {
		most = maxGone
	}
	head := []span{{"    " + sign(g.Op) + " ", look(g.Op)}}
	if len(g.Objects) > 1 {
		head = append(head, span{fmt.Sprintf("%d × ", len(g.Objects)), bold})
	}
	name := span{names(namesOf(g.Objects), most), plain}
	if dangerous(g.Op) {
		name.colour = look(g.Op)
	}
	head = append(head, name)
	if why := g.reason(); why != "" {
		head = append(head, span{"  " + why, look(g.Op)})
	}
	if at := g.Objects[0].where(); at != "" && len(g.Objects) == 1 {
		head = append(head, span{"  " + at, dim})
	}
	s.line(8, head...)
	s.fields(g.Fields, 8)
}

// reason says why, where the sign does not.
func (g group) reason() string {
	if len(g.Fields) == 0 && g.Elided {
		return strings.TrimSpace(g.Why + " as in many objects, above")
	}
	if g.Why != "" {
		return "(" + g.Why + ")"
	}
	return ""
}

// maxFields bounds the fields of one object that are written.
const maxFields = 60

// maxName is the longest name that values are aligned to.
const maxName = 32

func (s *sheet) fields(fields []Field, indent int) {
	wide := 0
	for _, f := range fields {
		if n := width(f.Name); n <= maxName {
			wide = max(wide, n)
		}
	}
	for i, f := range fields {
		if i == maxFields {
			s.line(indent, span{fmt.Sprintf("%*s… and %d more fields", indent, "", len(fields)-i), dim})
			return
		}
		s.field(f, indent, wide)
	}
}

// field writes how one field changes: in a line where both values are short,
// else line by line.
func (s *sheet) field(f Field, indent, wide int) {
	mark, colour := "~", yellow
	switch {
	case f.Before == nil:
		mark, colour = "+", green
	case f.After == nil:
		mark, colour = "-", red
	}
	before, after := valueLines(f.Before), valueLines(f.After)
	lead := []span{{strings.Repeat(" ", indent) + mark + " ", colour}, {pad(f.Name+":", wide+1), plain}}
	if line := oneLine(f, before, after); line != nil && s.fits(indent+3+max(wide, width(f.Name)), line) {
		s.value(append(lead, line...), indent+2, f.where())
		return
	}
	s.value(lead, indent+2, f.where())
	for _, e := range fieldEdits(f) {
		s.line(indent+6, span{strings.Repeat(" ", indent+4) + string(e.sign) + " " + e.text, editLook(e.sign)})
	}
}

// value writes a line and where it comes from, below it where both do not fit.
func (s *sheet) value(line []span, indent int, at string) {
	if at == "" {
		s.line(indent+4, line...)
		return
	}
	note := span{"   " + at, dim}
	used := 0
	for _, sp := range line {
		used += width(sp.text)
	}
	if s.style.Width <= 0 || used+width(note.text) <= s.style.Width {
		s.line(indent+4, append(line, note)...)
		return
	}
	s.line(indent+4, line...)
	s.line(indent+6, span{strings.Repeat(" ", indent+2) + at, dim})
}

func (s *sheet) fits(used int, line []span) bool {
	for _, sp := range line {
		used += width(sp.text)
	}
	return s.style.Width <= 0 || used <= s.style.Width
}

// oneLine is both values in a line, nil where one takes several.
func oneLine(f Field, before, after []string) []span {
	switch {
	case len(before) > 1 || len(after) > 1:
		return nil
	case f.Before == nil:
		return []span{{" " + after[0], green}}
	case f.After == nil:
		return []span{{" " + before[0], red}}
	}
	return []span{{" " + before[0], red}, {" → ", dim}, {after[0], green}}
}

func editLook(sign rune) string {
	switch sign {
	case '+':
		return green
	case '-':
		return red
	}
	return dim
}
