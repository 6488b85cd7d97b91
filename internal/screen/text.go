package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/words"
)

// Style is how text is laid out.
type Style struct {
	Width  int // columns; 0 is unlimited
	Height int // lines; 0 is unlimited
	Colour bool
}

var colours = map[State]string{
	Failed: "31", Unsupported: "35", Waiting: "33", Progressing: "36", Unknown: "36", Suspended: "90", Ready: "32",
}

var signs = map[State]string{
	Failed: "✗", Unsupported: "?", Waiting: "…", Progressing: "⟳", Unknown: "·", Suspended: "‖", Ready: "✓",
}

// paint colours text where that is wanted.
func (s Style) paint(code, text string) string {
	if !s.Colour || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// fit cuts text to a number of columns.
func fit(text string, width int) string {
	text = oneLine(text)
	if width <= 0 || utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(width-1, 0)]) + "…"
}

// Tree returns the units as a tree of who made whom, branches with failures
// first.
func (b Board) Tree(s Style) []string {
	children := map[object.Key][]Row{}
	known := map[object.Key]bool{}
	for _, r := range b.Rows {
		known[r.Key] = true
	}
	for _, r := range b.Rows {
		parent := r.Parent
		if !known[parent] {
			parent = object.Key{}
		}
		children[parent] = append(children[parent], r)
	}
	t := treeText{children: children, style: s, worst: map[object.Key]int{}, seen: map[object.Key]bool{}, name: nameWidth(b.Rows, s.Width)}
	t.print(object.Key{}, "")
	return t.clip()
}

type treeText struct {
	children map[object.Key][]Row
	style    Style
	worst    map[object.Key]int
	seen     map[object.Key]bool
	name     int
	lines    []string
}

// rank is the worst state in a branch.
func (t *treeText) rank(r Row) int {
	if w, ok := t.worst[r.Key]; ok {
		return w
	}
	w := slices.Index(order, r.State)
	t.worst[r.Key] = w // ends cycles
	for _, c := range t.children[r.Key] {
		w = min(w, t.rank(c))
	}
	t.worst[r.Key] = w
	return w
}

func (t *treeText) print(parent object.Key, indent string) {
	rows := slices.Clone(t.children[parent])
	slices.SortStableFunc(rows, func(a, b Row) int { return t.rank(a) - t.rank(b) })
	for _, r := range rows {
		if t.seen[r.Key] {
			continue
		}
		t.seen[r.Key] = true
		t.lines = append(t.lines, t.line(r, indent))
		t.lines = append(t.lines, t.warned(r, indent)...)
		t.print(r.Key, indent+"  ")
	}
}

func (t *treeText) line(r Row, indent string) string {
	label := indent + signs[r.State] + " " + r.Kind + "/" + r.Space + "/" + r.Name
	if t.style.Width > 0 {
		label = cut(label, t.style.Width)
	}
	pad := max(t.name-utf8.RuneCountInString(label), 0)
	rest := fmt.Sprintf("  %-11s %-18s %7s  %s", r.State, words.Plain(ShortRevision(r.Revision)), took(r.Took), t.detail(r))
	if w := t.style.Width; r.State.Bad() && w > 0 && w < narrow {
		rest = fmt.Sprintf("  %-11s %s", r.State, t.detail(r))
	}
	room := cmp.Or(t.style.Width, max(maxLine, t.name+minDetail)) - utf8.RuneCountInString(label) - pad
	if room < 2 {
		return t.style.paint(colours[r.State], label)
	}
	text := strings.Repeat(" ", pad) + strings.TrimRight(cut(rest, room), " ")
	return t.style.paint(colours[r.State], label) + text
}

// narrow is a screen on which a unit that is not as it should be says why in the place
// of its revision and time.
const narrow = 120

// maxLine is how long a line of a tree may be where there is no terminal, and
// minDetail what is left of it beside a long name; the causes below the tree say
// all.
const (
	maxLine   = 220
	minDetail = 120
)

// cut cuts to a width and keeps the columns.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// detail is the last column: what a row waits for, or says.
func (t *treeText) detail(r Row) string {
	text := detail(r)
	n := len(r.loud())
	if t.style.Height <= 0 || n == 0 {
		return text
	}
	return strings.TrimSpace(fmt.Sprintf("! %d warnings  %s", n, text))
}

func detail(r Row) string {
	switch {
	case r.State == Ready && r.Simulated:
		return "on simulated pods"
	case r.State == Ready:
		return ""
	case len(r.On) > 0 && r.State != Failed:
		return "waiting for " + few(r.On)
	default:
		return oneLine(r.Message)
	}
}

func (t *treeText) clip() []string {
	if t.style.Height <= 0 || len(t.lines) <= t.style.Height {
		return t.lines
	}
	keep := max(t.style.Height-1, 1)
	return append(t.lines[:keep:keep], fmt.Sprintf("… and %d more", len(t.lines)-keep))
}

func nameWidth(rows []Row, width int) int {
	most := 96
	if width > 0 {
		most = min(most, max(width/2, 32))
	}
	w := 0
	for _, r := range rows {
		w = max(w, utf8.RuneCountInString(r.Kind)+len(r.Space)+len(r.Name)+8)
	}
	return min(w, most)
}

// ShortRevision writes main@sha1:3f2a91bc… as main@3f2a91bc.
func ShortRevision(r string) string {
	label, sum, ok := strings.Cut(r, "@")
	if !ok {
		label, sum = "", r
	}
	_, digits, found := strings.Cut(sum, ":")
	if !found {
		return r
	}
	if len(digits) > 8 {
		digits = digits[:8]
	}
	if label == "" {
		return digits
	}
	return label + "@" + digits
}

func took(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
}

// CauseLines tells every root cause once, with what it holds up.
func (b Board) CauseLines(s Style) []string { return LinesOf(b.Causes(), s) }

// LinesOf tells causes, each with what it holds up.
func LinesOf(causes []Cause, s Style) []string {
	var out []string
	for _, c := range causes {
		out = append(out, c.lines(s)...)
		if len(c.Units) > 0 {
			out = append(out, fmt.Sprintf("    %d of them: %s", len(c.Units), few(c.Units)))
		}
		if len(c.Blocking) > 0 {
			out = append(out, fmt.Sprintf("    holds up %d: %s", len(c.Blocking), few(c.Blocking)))
		}
	}
	return out
}

// lines is the cause without what it holds up. That of a kind or of a missing
// thing names it; that of a unit stands below the unit's name.
func (c Cause) lines(s Style) []string {
	if strings.HasPrefix(c.Message, c.Unit+" ") {
		return []string{s.paint(colours[c.State], signs[c.State]+" "+oneLine(c.Message))}
	}
	out := []string{s.paint(colours[c.State], fmt.Sprintf("%s %s (%s)", signs[c.State], c.Unit, c.State))}
	for line := range strings.SplitSeq(strings.TrimSpace(c.Message), "\n") {
		out = append(out, "    "+words.Plain(line))
	}
	if len(c.On) > 0 && c.State != Failed {
		out = append(out, "    waiting for "+few(c.On))
	}
	return out
}

// few lists names, not too many of them.
func few(names []string) string {
	const most = 6
	text := strings.Join(names[:min(len(names), most)], ", ")
	if n := len(names) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// Line is one unit in a line of plain output, where there is no terminal.
func (r Row) Line() string {
	parts := []string{string(r.State), r.Key.String()}
	if r.Revision != "" {
		parts = append(parts, ShortRevision(r.Revision))
	}
	if r.Took > 0 {
		parts = append(parts, took(r.Took))
	}
	if d := detail(r); d != "" {
		parts = append(parts, d)
	}
	if r.Why != "" && r.State == Ready {
		parts = append(parts, "(rebuilt: "+r.Why+")")
	}
	return fit(strings.Join(parts, "  "), 0)
}
