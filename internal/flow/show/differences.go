package show

import (
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
)

// Differences are those between two environments.
type Differences struct {
	Before, Name string
	All          []flow.Difference
}

var classSigns = map[flow.Class]struct{ sign, colour string }{
	flow.Drifted: {"!", "35"}, flow.Moves: {"↓", "36"}, flow.Declared: {"=", "2"},
}

// Text tells the files by class, those to look at first; of what differs by
// declaration only the files.
func (d Differences) Text(s Style) string {
	if len(d.All) == 0 {
		return fmt.Sprintf("%s and %s have the same files\n", d.Before, d.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s and %s differ in %s: %s\n", d.Before, d.Name, count(len(d.All), "file"), flow.Counts(d.All))
	class := flow.Class("")
	for _, diff := range d.All {
		if diff.Class != class {
			class = diff.Class
			b.WriteString("\n" + s.paint(classSigns[class].colour, string(class)) + "\n")
		}
		b.WriteString(lines(diff, s))
	}
	return b.String()
}

func lines(d flow.Difference, s Style) string {
	var b strings.Builder
	text := d.File
	if d.Only != "" {
		text += ", only in " + d.Only
	}
	if d.Why != "" {
		text += ": " + d.Why
	}
	b.WriteString("  " + s.paint(classSigns[d.Class].colour, classSigns[d.Class].sign) + " " + printable(text) + "\n")
	for _, f := range d.Fields {
		if d.Class == flow.Declared {
			break
		}
		line := fmt.Sprintf("%d: %s: %s → %s", f.Line, f.Path, value(f.From), value(f.To))
		why := f.Why
		if f.Class == flow.Declared {
			why = strings.TrimSuffix("by declaration: "+why, ": ")
		} else if f.Class != d.Class {
			why = string(f.Class)
		}
		if why != "" {
			line += "  (" + why + ")"
		}
		b.WriteString("      " + s.paint(classSigns[f.Class].colour, line) + "\n")
	}
	return b.String()
}

// maxValue bounds how much of a value is shown, in letters.
const maxValue = 60

func value(text string) string {
	if text == "" {
		return "(none)"
	}
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > maxValue {
		return string(r[:maxValue]) + "…"
	}
	return text
}
