package present

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/change"
)

// blocks are the units of a cluster, each in a folded section.
func (c folded) blocks(clusters int) []block {
	head := ""
	if clusters > 1 || c.Path != "" {
		head = "### " + code(c.Path) + "\n\n"
	}
	head += code(c.revisions()) + "\n\n"
	keep := keepCluster // more than its units, so that none stands under another's
	if len(c.Units) == 0 {
		head += "Nothing changes.\n\n"
		keep = keepQuiet
	}
	out := []block{blockOf(keep, head, "")}
	if len(c.Everywhere) > 0 {
		out = append(out, c.everywhereBlock())
	}
	loud := c.loudUnits()
	for _, u := range c.Units {
		out = append(out, u.block(loud[u.String()]))
	}
	return append(out, c.footBlock())
}

// loudUnits says how important units with findings are.
func (c folded) loudUnits() map[string][]int {
	out := map[string][]int{}
	for _, f := range c.Findings {
		if f.Old || f.Allowed || f.Severity == "info" {
			continue
		}
		unit := f.Unit.String()
		switch {
		case f.Severity == "danger":
			out[unit] = keepDanger
		case out[unit] == nil:
			out[unit] = keepNotice
		}
	}
	return out
}

// block is a unit: with its fields, with the names of its objects, in a line.
func (u foldedUnit) block(keep []int) block {
	text := u.standing()
	switch {
	case slices.ContainsFunc(u.Groups, func(g group) bool { return dangerous(g.Op) }), text != "" && u.turn() == change.Refuse:
		keep = keepDanger
	case keep == nil:
		keep = keepQuiet
	}
	head := fmt.Sprintf("%d. %s %s %s", u.Number, sign(u.Op), u.String(), u.summary())
	if u.SameAs != "" {
		return blockOf(keepQuiet, "- "+code(head)+": the very same as in "+code(u.SameAs)+"\n\n", "")
	}
	full := u.details(text, func(g group) []string { return append(g.headLines(), fieldLines(g.Fields)...) })
	brief := u.details(text, group.headLines)
	return blockOf(keep, full, brief, "- "+code(head)+"\n\n", "")
}

// details is the folded section of a unit.
func (u foldedUnit) details(standing string, lines func(group) []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "<details><summary>%d. %s <b><code>%s</code></b> %s</summary>\n\n", u.Number, sign(u.Op), inline(u.String()), inline(u.summary()))
	if at := u.where(); at != "" {
		out.WriteString(code(at) + "\n\n")
	}
	if standing != "" {
		out.WriteString("**" + prose(standing) + "**\n\n")
	}
	for _, w := range u.Warnings {
		out.WriteString("- 🟡 " + prose(w) + "\n")
	}
	if r := u.Release; r != nil {
		out.WriteString("\nRelease " + code(r.Name) + ": " + code(r.charts()) + "\n\n")
	}
	diff := fieldLines(u.Spec)
	if u.Release != nil {
		diff = append(diff, fieldLines(u.Release.Values)...)
	}
	for _, g := range u.Groups {
		diff = append(diff, lines(g)...)
	}
	if len(diff) > 0 {
		out.WriteString("\n" + fenced("diff", diff))
	}
	out.WriteString("\n</details>\n\n")
	return out.String()
}

// headLines name the objects of a group.
func (g group) headLines() []string {
	most := maxNames
	if dangerous(g.Op) {
		most = maxGone
	}
	name := names(namesOf(g.Objects), most)
	if len(g.Objects) > 1 {
		name = fmt.Sprintf("%d × %s", len(g.Objects), name)
	} else if at := g.Objects[0].where(); at != "" {
		name += " · " + at
	}
	if why := g.reason(); why != "" {
		name += " · " + why
	}
	name = printable(shorten(name, maxProse))
	switch g.Op {
	case change.Create:
		return []string{"+ " + name}
	case change.Delete:
		return []string{"- " + name}
	case change.Change:
		return []string{"@@ " + name + " @@"}
	}
	return []string{"! " + word(g.Op) + " " + name}
}

func word(op change.Op) string {
	for _, o := range ops {
		if o.op == op {
			return o.word
		}
	}
	return string(op)
}

// fieldLines are fields as lines of a diff.
func fieldLines(fields []Field) []string {
	var out []string
	for i, f := range fields {
		if i == maxFields {
			return append(out, fmt.Sprintf("  … and %d more fields", len(fields)-i))
		}
		out = append(out, f.lines()...)
		if at := f.where(); at != "" {
			out = append(out, "      ← "+printable(shorten(at, maxProse)))
		}
	}
	return out
}

// lines is a field as lines of a diff: a line a side for short values, else the
// lines that differ.
func (f Field) lines() []string {
	name := printable(f.Name)
	side := func(sign string, value json.RawMessage) []string {
		lines := valueLines(value)
		if len(lines) == 1 {
			return []string{fmt.Sprintf("%s %s: %s", sign, name, printable(shorten(lines[0], maxProse)))}
		}
		out := []string{fmt.Sprintf("%s %s:", sign, name)}
		for _, l := range lines {
			out = append(out, sign+"   "+printable(shorten(l, maxProse)))
		}
		return out
	}
	switch {
	case f.Before == nil:
		return side("+", f.After)
	case f.After == nil:
		return side("-", f.Before)
	case len(valueLines(f.Before)) == 1 && len(valueLines(f.After)) == 1:
		return append(side("-", f.Before), side("+", f.After)...)
	}
	out := []string{"  " + name + ":"}
	for _, e := range fieldEdits(f) {
		text := printable(shorten(e.text, maxProse))
		if e.sign == '…' {
			out = append(out, "    … "+text)
			continue
		}
		out = append(out, string(e.sign)+"   "+text)
	}
	return out
}

func (c folded) everywhereBlock() block {
	var lines []string
	for _, e := range c.Everywhere {
		lines = append(lines, fmt.Sprintf("@@ in %s of %s: %s @@", count(len(e.Objects), "object"), count(e.Units, "unit"),
			printable(shorten(names(refNames(e.Objects), maxNames), maxProse))))
		lines = append(lines, e.lines()...)
	}
	head := fmt.Sprintf("<details><summary>≡ %s the same in many objects</summary>\n\n", count(len(c.Everywhere), "change"))
	return blockOf(keepCommon, head+fenced("diff", lines)+"\n</details>\n\n", "- "+count(len(c.Everywhere), "change")+" the same in many objects\n\n")
}

// footBlock says how far the plan can be trusted, and what was made up.
func (c folded) footBlock() block {
	var out strings.Builder
	out.WriteByte('\n')
	for _, line := range c.footer() {
		out.WriteString("<sub>" + inline(line) + "</sub>\n")
	}
	for i, line := range c.placeholders() {
		if i == 0 {
			out.WriteString("\n- 🟡 " + prose(line) + "\n")
			continue
		}
		out.WriteString("  - " + prose(strings.TrimSpace(line)) + "\n")
	}
	out.WriteByte('\n')
	return blockOf(keepCommon, out.String(), "")
}
