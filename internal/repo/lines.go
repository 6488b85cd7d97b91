package repo

import (
	"strings"

	"github.com/go-git/go-git/v5/utils/diff"
)

// sign says what became of a line.
type sign byte

const (
	same    sign = ' '
	removed sign = '-'
	added   sign = '+'
)

// line is a line of a diff, with its end.
type line struct {
	sign sign
	text string
}

// diffLines returns how a becomes b, by lines.
func diffLines(a, b string) []line {
	var out []line
	for _, d := range diff.Do(a, b) {
		s := same
		switch {
		case d.Type < 0:
			s = removed
		case d.Type > 0:
			s = added
		}
		for l := range strings.Lines(d.Text) {
			out = append(out, line{s, l})
		}
	}
	return out
}

// hunk replaces the lines [from, to) of a base.
type hunk struct {
	from, to int
	with     []string
}

func hunks(base, to string) []hunk {
	var out []hunk
	at, open := 0, false
	for _, l := range diffLines(base, to) {
		if l.sign == same {
			at, open = at+1, false
			continue
		}
		if !open {
			out, open = append(out, hunk{from: at, to: at}), true
		}
		h := &out[len(out)-1]
		if l.sign == removed {
			at++
			h.to = at
		} else {
			h.with = append(h.with, l.text)
		}
	}
	return out
}

// mergeLines makes of a base and two texts that came of it one that has both
// changes; false when they touch each other and are not the same.
func mergeLines(base, ours, theirs string) (string, bool) {
	a, b := hunks(base, ours), hunks(base, theirs)
	var lines []string
	for l := range strings.Lines(base) {
		lines = append(lines, l)
	}
	var out strings.Builder
	at := 0
	take := func(h hunk) {
		for ; at < h.from; at++ {
			out.WriteString(lines[at])
		}
		for _, l := range h.with {
			out.WriteString(l)
		}
		at = h.to
	}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].to < b[0].from:
			take(a[0])
			a = a[1:]
		case len(a) == 0 || b[0].to < a[0].from:
			take(b[0])
			b = b[1:]
		case a[0].equal(b[0]):
			take(a[0])
			a, b = a[1:], b[1:]
		default:
			return "", false // they overlap, or stand side by side
		}
	}
	for _, l := range lines[at:] {
		out.WriteString(l)
	}
	return out.String(), true
}

func (h hunk) equal(o hunk) bool {
	return h.from == o.from && h.to == o.to && strings.Join(h.with, "") == strings.Join(o.with, "")
}
