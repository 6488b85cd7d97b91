// Package show writes what the flow finds, for people and for machines: text,
// markdown, HTML in one file, JSON.
//
//	fmt.Print(show.Matrix{Matrix: m}.Text(show.Style{Colour: true}))
//
// It is pure. What needs a look stands first; colour only underlines what a word or
// a sign says as well.
package show

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/words"
)

// Style is how text looks where it goes.
type Style struct{ Colour bool }

func (s Style) paint(code, text string) string {
	text = printable(text)
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// printable keeps what a repository says from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if words.Steers(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// signs stand before a pin in a table, with the colour of the state.
var signs = map[flow.State]struct{ sign, colour, class, words string }{
	flow.Dangling: {"✗", "31", "bad", "names what does not exist"},
	flow.Orphan:   {"✗", "31", "bad", "nothing consumes it"},
	flow.NotLive:  {"≠", "31", "bad", "something else runs"},
	flow.HotFix:   {"!", "35", "fix", "fixed beside the line"},
	flow.Ahead:    {"↑", "33", "warn", "ahead of what it follows"},
	flow.Differs:  {"~", "33", "warn", "not comparable with what it follows"},
	flow.Behind:   {"↓", "36", "info", "behind what it follows"},
	flow.Missing:  {"·", "2", "none", "not here"},
	flow.Alone:    {"+", "36", "info", "only here"},
	flow.Same:     {"=", "32", "good", "as what it follows"},
	flow.First:    {" ", "0", "", ""},
}

// Matrix is a matrix with what is told beside it.
type Matrix struct {
	flow.Matrix
	Notes []flow.Note
}

// MatrixVersion names the format of the JSON. Fields are only ever added to it.
const MatrixVersion = "leat.dev/matrix/v1"

type matrixJSON struct {
	APIVersion   string            `json:"apiVersion"`
	Environments []environmentJSON `json:"environments"`
	Rows         []flow.Row        `json:"rows"`
	Notes        []flow.Note       `json:"notes,omitempty"`
}

type environmentJSON struct {
	Name      string `json:"name"`
	Branch    string `json:"branch"`
	Directory string `json:"directory,omitempty"`
	Follows   string `json:"follows,omitempty"`
}

// JSON is the matrix for machines.
func (m Matrix) JSON() ([]byte, error) {
	out := matrixJSON{APIVersion: MatrixVersion, Environments: []environmentJSON{}, Rows: m.Rows, Notes: m.Notes}
	for _, e := range m.Environments {
		out.Environments = append(out.Environments, environmentJSON{e.Name, e.Branch, e.Directory, e.Follows})
	}
	data, err := json.MarshalIndent(out, "", "  ")
	return append(data, '\n'), err
}

// Text is the matrix for a terminal.
func (m Matrix) Text(s Style) string {
	var b strings.Builder
	looks := m.looks()
	b.WriteString(m.verdict() + "\n")
	for _, l := range looks {
		b.WriteString("\n" + s.paint(signs[l.state].colour, signs[l.state].sign+" "+string(l.state)) + "  " + printable(l.text))
	}
	if len(looks) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("\n" + table(m.cells(), s))
	for _, n := range m.Notes {
		b.WriteString("\n" + s.paint("2", "note: "+n.String()))
	}
	if len(m.Notes) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// verdict says in a line what there is.
func (m Matrix) verdict() string {
	bad := len(m.Failing())
	text := fmt.Sprintf("%s in %s", count(len(m.Rows), "pin"), count(len(m.Environments), "environment"))
	if bad == 0 {
		return text + ": nothing needs a look"
	}
	if bad == 1 {
		return text + ": 1 needs a look"
	}
	return fmt.Sprintf("%s: %d need a look", text, bad)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// look is something that somebody has to look at.
type look struct {
	state flow.State
	text  string
}

// looks are the failing states, the same thing in several environments once.
func (m Matrix) looks() []look {
	var out []look
	for _, r := range m.Rows {
		type alike struct {
			state       flow.State
			pinned, why string
		}
		var order []alike
		in := map[alike][]string{}
		at := map[alike]string{}
		for _, c := range r.Cells {
			for _, state := range c.States {
				if !state.Failing() {
					continue
				}
				k := alike{state, c.Pinned, c.Why[state]}
				if in[k] == nil {
					order = append(order, k)
					at[k] = c.At
				}
				in[k] = append(in[k], c.Environment)
			}
		}
		for _, k := range order {
			text := fmt.Sprintf("%s %s in %s: %s (%s)", name(r), r.Kind, strings.Join(in[k], ", "), k.pinned, at[k])
			if k.why != "" {
				text += ": " + k.why
			}
			out = append(out, look{k.state, text})
		}
	}
	slices.SortStableFunc(out, func(a, b look) int { return slices.Index(worst, a.state) - slices.Index(worst, b.state) })
	return out
}

var worst = []flow.State{flow.Dangling, flow.Orphan, flow.NotLive, flow.HotFix, flow.Ahead}

func name(r flow.Row) string {
	if r.In != "" {
		return r.Component + " (" + r.In + ")"
	}
	return r.Component
}

// cell is a text of a table with its colour.
type cell struct{ text, colour string }

// cells are the table.
func (m Matrix) cells() [][]cell {
	head := []cell{{"component", "1"}, {"kind", "1"}}
	for _, e := range m.Environments {
		head = append(head, cell{"  " + e.Name, "1"})
	}
	out := [][]cell{append(head, cell{"newest", "1"})}
	for _, r := range m.Rows {
		row := []cell{{name(r), ""}, {string(r.Kind), "2"}}
		for _, c := range r.Cells {
			sign := signs[c.Worst()]
			row = append(row, cell{strings.TrimRight(sign.sign+" "+short(c.Pinned), " "), sign.colour})
		}
		newest := cell{short(r.Newest), "2"}
		if slices.ContainsFunc(r.Cells, func(c flow.Cell) bool { return c.Outdated }) {
			newest.colour = "36"
		}
		out = append(out, append(row, newest))
	}
	return out
}

// short is a version without the path of its image.
func short(value string) string {
	if i := strings.LastIndex(value, "/"); strings.Contains(value[i+1:], ":") {
		return value[i+1:]
	}
	return value
}

// table aligns columns; the last one is as long as it is.
func table(rows [][]cell, s Style) string {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			pad := ""
			if i < len(row)-1 {
				pad = strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2)
			}
			line.WriteString(s.paint(c.colour, c.text) + pad)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// Markdown is the matrix for a comment or a page.
func (m Matrix) Markdown() string {
	var b strings.Builder
	b.WriteString("### Components and environments\n\n" + m.verdict() + ".\n")
	for _, l := range m.looks() {
		b.WriteString("\n- **" + string(l.state) + "** " + escape(l.text))
	}
	b.WriteString("\n\n")
	for i, row := range m.cells() {
		for _, c := range row {
			b.WriteString("| " + escape(strings.TrimSpace(c.text)) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	for _, n := range m.Notes {
		b.WriteString("\n- " + escape(n.String()))
	}
	return b.String() + "\n"
}

// escape keeps text from being markdown.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "`", "\\`", "~", `\~`, "[", `\[`, "@", "&#64;").Replace(printable(strings.ReplaceAll(text, "\n", " ")))
}
