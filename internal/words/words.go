// Package words puts lists, and what others wrote, into messages.
//
//	words.Some([]string{"a", "b"}) // a, b
//	words.Steers('\x1b')            // true
//	words.Plain("\x1b[2Jall fine")   // �[2Jall fine
package words

import (
	"fmt"
	"strings"
	"unicode"
)

// few is how many names a message bears.
const few = 8

// Some lists names, not too many of them; none are «nothing».
func Some(names []string) string {
	switch {
	case len(names) == 0:
		return "nothing"
	case len(names) > few:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
	default:
		return strings.Join(names, ", ")
	}
}

// Steers tells whether a character steers a terminal rather than shows: control
// characters, and those that turn the direction of what follows, so that it reads as
// something else (Unicode, UAX 9).
func Steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}

// Plain is what others wrote as a terminal may have it: what would steer it is
// replaced, but for the ends of lines and tabs.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if Steers(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
