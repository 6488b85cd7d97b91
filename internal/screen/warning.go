package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/words"
)

// Finding is one warning with every unit that it stands on.
type Finding struct {
	report.Warning
	Units []string `json:"units,omitempty"` // sorted
	// Text is the warning in a line, for people.
	Text string `json:"text"`
}

// Findings returns what is warned of, each cause once, notes last.
func (b Board) Findings() []Finding {
	byCause := map[string]*Finding{}
	add := func(w report.Warning, unit string) {
		id := fmt.Sprint(w.Note, " ", cmp.Or(w.Cause, w.Reason+" "+w.Message))
		f := byCause[id]
		if f == nil {
			f = &Finding{Warning: w}
			byCause[id] = f
		}
		if w.Reason == report.ReasonFloating { // it says what follows
			f.Warning = w
		}
		if unit != "" && !slices.Contains(f.Units, unit) {
			f.Units = append(f.Units, unit)
		}
	}
	for _, r := range b.Rows {
		for _, w := range r.Warnings {
			add(w, r.Key.String())
		}
	}
	for _, w := range b.Warnings {
		add(w, "")
	}
	out := make([]Finding, 0, len(byCause))
	for _, f := range byCause {
		slices.Sort(f.Units)
		f.Text = f.text()
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(noteLast(a)-noteLast(b), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Text, b.Text))
	})
	return out
}

func noteLast(f Finding) int {
	if f.Note {
		return 1
	}
	return 0
}

func (f Finding) text() string {
	text := oneLine(f.Warning.String())
	switch {
	case !slices.ContainsFunc(f.Units, func(unit string) bool { return !strings.Contains(text, unit) }):
		return text
	case len(f.Units) == 1:
		return text + " (" + f.Units[0] + ")"
	default:
		return fmt.Sprintf("%s (%d units: %s)", text, len(f.Units), few(f.Units))
	}
}

// maxNotes bounds the notes of one kind that are listed.
const maxNotes = 3

// WarningLines lists what is warned of, each cause in a line; of notes of a kind
// only the first few.
func (b Board) WarningLines(s Style) []string {
	var out []string
	notes := map[string]int{}
	for _, f := range b.Findings() {
		if !f.Note {
			out = append(out, s.paint(warningColour, s.line("! "+f.Text)))
			continue
		}
		if notes[f.Reason]++; notes[f.Reason] <= maxNotes {
			out = append(out, s.line("· "+f.Text))
		}
	}
	more := 0
	for _, n := range notes {
		more += max(n-maxNotes, 0)
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("· and %d more notes; --output json has all", more))
	}
	return out
}

const warningColour = "33"

// loud counts the warnings of a unit that are no notes.
func (r Row) loud() (out []report.Warning) {
	for _, w := range r.Warnings {
		if !w.Note {
			out = append(out, w)
		}
	}
	return out
}

// warned are the lines below a row. While the tree must fit a screen, the row
// itself says how many there are.
func (t *treeText) warned(r Row, indent string) []string {
	if t.style.Height > 0 {
		return nil
	}
	var out []string
	for _, w := range r.loud() {
		out = append(out, cut(indent+"    ! "+oneLine(w.String()), cmp.Or(t.style.Width, maxLine)))
	}
	return out
}

// oneLine is what others wrote, in one line that steers no terminal.
func oneLine(text string) string { return words.Plain(strings.Join(strings.Fields(text), " ")) }

// line cuts a line to the screen.
func (s Style) line(text string) string { return fit(text, s.Width) }
