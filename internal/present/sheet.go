package present

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style is how text is laid out.
type Style struct {
	Width  int // columns; 0 is unlimited
	Colour bool
	// Every lists the findings that stood before, and those that are allowed, too.
	Every bool
}

// Colours, as ANSI codes.
const (
	plain  = ""
	bold   = "1"
	dim    = "90"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	loud   = "1;31"
)

// span is a piece of a line in one colour.
type span struct{ text, colour string }

// sheet is text being laid out.
type sheet struct {
	style Style
	out   strings.Builder
}

// cell is a character in a colour.
type cell struct {
	r      rune
	colour string
}

// line writes a line; what does not fit the width goes on below, indented by hang.
func (s *sheet) line(hang int, spans ...span) {
	cells := cellsOf(spans)
	for first := true; first || len(cells) > 0; first = false {
		room := s.style.Width
		if !first {
			hang = min(hang, max(room-minRoom, 0))
			room -= hang
			s.out.WriteString(strings.Repeat(" ", hang))
		}
		var now []cell
		now, cells = s.cut(cells, room)
		s.write(now)
		s.out.WriteByte('\n')
	}
}

// minRoom is what an indent leaves of a narrow screen.
const minRoom = 20

// blank writes an empty line.
func (s *sheet) blank() { s.out.WriteByte('\n') }

// title writes the head of a section.
func (s *sheet) title(text, note string) {
	s.blank()
	s.line(2, span{text, bold}, span{note, dim})
}

// cut splits cells where a line ends: at a space where there is one.
func (s *sheet) cut(cells []cell, room int) (now, rest []cell) {
	if s.style.Width <= 0 {
		return cells, nil
	}
	used, space, i := 0, -1, 0
	text := false
	for ; i < len(cells); i++ {
		used += columns(cells[i].r)
		if used > room {
			break
		}
		if cells[i].r != ' ' {
			text = true
		} else if text {
			space = i
		}
	}
	switch {
	case i == len(cells):
		return cells, nil
	case cells[i].r == ' ':
		space = i
	case space < 0:
		i = max(i, 1)
		return cells[:i], cells[i:]
	}
	rest = cells[space:]
	for len(rest) > 0 && rest[0].r == ' ' {
		rest = rest[1:]
	}
	return cells[:space], rest
}

func (s *sheet) write(cells []cell) {
	for len(cells) > 0 && cells[len(cells)-1].r == ' ' {
		cells = cells[:len(cells)-1]
	}
	colour := plain
	for _, c := range cells {
		if s.style.Colour && c.colour != colour {
			if colour != plain {
				s.out.WriteString("\x1b[0m")
			}
			if colour = c.colour; colour != plain {
				s.out.WriteString("\x1b[" + colour + "m")
			}
		}
		s.out.WriteRune(c.r)
	}
	if colour != plain {
		s.out.WriteString("\x1b[0m")
	}
}

func cellsOf(spans []span) []cell {
	var out []cell
	for _, sp := range spans {
		for _, r := range printable(sp.text) {
			out = append(out, cell{r, sp.colour})
		}
	}
	return out
}

// printable writes control characters, and those that turn the direction of a
// text or do not show, as escapes: what comes out of Git must not steer a
// terminal nor look like something else.
func printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			out.WriteString("⏎ ")
		case r == '\t':
			out.WriteString("    ")
		case hidden(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// hidden tells of a character that steers rather than shows.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}

// columns is how many columns of a terminal a character takes.
func columns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul), r >= 0x1f300 && r < 0x1fb00, r >= 0xff01 && r <= 0xff60:
		return 2
	}
	return 1
}

func width(text string) int {
	n := 0
	for _, r := range printable(text) {
		n += columns(r)
	}
	return n
}

func pad(text string, to int) string {
	return text + strings.Repeat(" ", max(to-width(text), 0))
}
