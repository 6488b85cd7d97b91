package present

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxProse bounds a message within a comment, in characters.
const maxProse = 600

// prose escapes a text so that markdown shows it as it is: nothing in it is
// markup, HTML, a mention, a reference or a link.
func prose(text string) string {
	text = calm(shorten(printable(text), maxProse))
	var out strings.Builder
	leading := true
	for _, r := range text {
		if strings.ContainsRune("\\`*_[]|~$", r) || leading && strings.ContainsRune("-+=.)", r) {
			out.WriteByte('\\')
		}
		leading = leading && strings.ContainsRune("0123456789 ", r)
		out.WriteString(tags.Replace(string(r)))
	}
	return out.String()
}

// tags makes of what could be a tag or an entity what it looks like.
var tags = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// apart keeps two characters from being read as one thing; it does not show.
const apart = "\u200b"

// calm keeps a forge from making mentions, references and links of a text.
var calm = strings.NewReplacer("@", "@"+apart, "#", "#"+apart, ":/", ":"+apart+"/", "www", "www"+apart, "WWW", "WWW"+apart).Replace

// inline escapes a text for HTML within markdown, as in a summary.
func inline(text string) string {
	return entities.Replace(calm(shorten(printable(text), maxProse)))
}

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "]", "&#93;",
	"`", "&#96;", "\\", "&#92;", "~", "&#126;", "$", "&#36;", "|", "&#124;")

// code is a text as it is, in a code span whose fence is longer than any run of
// backticks in it.
func code(text string) string {
	text = shorten(strings.TrimSpace(printable(text)), maxProse)
	if text == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(text)+1)
	if text[0] == '`' || text[len(text)-1] == '`' {
		text = " " + text + " "
	}
	return fence + text + fence
}

// column is a text in a cell of a table, where a bar is escaped even in code.
func column(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// fenced is a block of code that nothing in its lines can end.
func fenced(info string, lines []string) string {
	text := strings.Join(lines, "\n")
	fence := strings.Repeat("`", max(longestRun(text)+1, 3))
	return fence + info + "\n" + text + "\n" + fence + "\n"
}

func longestRun(text string) int {
	longest, run := 0, 0
	for i := range len(text) {
		run++
		if text[i] != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// shorten cuts a text to a number of characters and says how many are gone.
func shorten(text string, most int) string {
	n := utf8.RuneCountInString(text)
	if n <= most {
		return text
	}
	return fmt.Sprintf("%s… (%s more)", string([]rune(text)[:most]), count(n-most, "character"))
}

// Fenced are the lines of a text as a block of code that none of them can end.
func Fenced(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return fenced("", lines)
}

// Prose, Inline and Code escape a text for Markdown that is put around plans: as
// words, within HTML such as a summary, and in a code span. Nothing in it is markup, a
// mention or a link, and it has an end.
func Prose(text string) string { return prose(text) }

// Inline is Prose within HTML.
func Inline(text string) string { return inline(text) }

// Code is a text in a code span.
func Code(text string) string { return code(text) }
