package edit

import (
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/utils/diff"
)

// context is how many lines stand around a change in a diff.
const context = 3

// Unified is the change of a file as diff -u and git write it; empty where there
// is none.
func Unified(name, before, after string) string {
	lines := diffLines(before, after)
	var b strings.Builder
	for from := 0; from < len(lines); {
		first, end := nextHunk(lines, from)
		if first == len(lines) {
			break
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", name, name)
		}
		writeHunk(&b, lines, max(first-context, 0), min(end+context, len(lines)))
		from = min(end+context, len(lines))
	}
	return b.String()
}

// line is a line of a diff with its end; sign is a blank, - or +.
type line struct {
	sign byte
	text string
	// old and new are how many lines of each file stand before it.
	old, new int
}

func diffLines(before, after string) []line {
	var out []line
	at := line{}
	for _, d := range diff.Do(before, after) {
		for text := range strings.Lines(d.Text) {
			at.sign, at.text = " +-"[(int(d.Type)+3)%3], text
			out = append(out, at)
			if at.sign != '+' {
				at.old++
			}
			if at.sign != '-' {
				at.new++
			}
		}
	}
	return out
}

// nextHunk returns the first changed line, and the end of the changes that are
// too near to each other to stand apart.
func nextHunk(lines []line, from int) (first, end int) {
	for first = from; first < len(lines) && lines[first].sign == ' '; first++ {
	}
	end = first
	for i := first; i < len(lines) && i <= end+2*context; i++ {
		if lines[i].sign != ' ' {
			end = i + 1
		}
	}
	return first, end
}

func writeHunk(b *strings.Builder, lines []line, from, to int) {
	old, now := 0, 0
	for _, l := range lines[from:to] {
		if l.sign != '+' {
			old++
		}
		if l.sign != '-' {
			now++
		}
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", extent(lines[from].old, old), extent(lines[from].new, now))
	for _, l := range lines[from:to] {
		b.WriteByte(l.sign)
		b.WriteString(l.text)
		if !strings.HasSuffix(l.text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// extent is where lines begin, from 1, and how many they are.
func extent(before, count int) string {
	if count > 0 {
		before++
	}
	return fmt.Sprintf("%d,%d", before, count)
}
