package access

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// marks are printable characters with a meaning to chats, forges and terminals:
// mentions, links, and markup.
const marks = "<>&@`[]|*_~"

// Quote words text of others so that it can be announced anywhere: between quotation
// marks, with everything that does not print, or means something to a chat, written
// as its code. A plain name stays as it is.
func Quote(text string) string {
	if plain(text) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case !strconv.IsPrint(r):
			b.WriteString(code(r))
		case strings.ContainsRune(marks, r):
			b.WriteString(code(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func code(r rune) string {
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// plain tells whether text is a name as users and groups usually have it. An address
// of e-mail is one: it mentions nobody, because the at sign stands inside a word.
func plain(text string) bool {
	for i, r := range text {
		inside := i > 0 && i < len(text)-1
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		case inside && strings.ContainsRune("-.:/@", r):
		default:
			return false
		}
	}
	return text != ""
}

func quoteAll(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = Quote(n)
	}
	return strings.Join(out, ", ")
}
