package forge

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/hash"
)

// section is our part of a pull request's body. It stands between two comments
// that no forge shows:
//
//	<!-- leat:begin digest=<what is proposed> title=<mark of the title that we set> -->
//	…
//	<!-- leat:end -->
type section struct{ digest, title, text string }

var sectionBegin = regexp.MustCompile(`<!-- leat:begin digest=([0-9A-Za-z:+/=._-]{0,128}) title=([0-9a-f]{16}) -->`)

const (
	sectionEnd  = "<!-- leat:end -->"
	sectionNote = "<!-- written anew by leat with every run; write above or below -->"
)

// titleMark stands for a title: it tells whether a person changed it since.
func titleMark(title string) string { return hash.Of([]byte(title)).Hex()[:16] }

// whole returns the section with its marks.
func (s section) whole() string {
	text := strings.ReplaceAll(s.text, sectionEnd, "<!-- leat: end -->")
	return fmt.Sprintf("<!-- leat:begin digest=%s title=%s -->\n%s\n%s\n%s", s.digest, s.title, sectionNote, strings.TrimSpace(text), sectionEnd)
}

// bounds finds the section in a body: the first begin and the end after it.
func bounds(body string) (begin []int, end int, ok bool) {
	begin = sectionBegin.FindStringSubmatchIndex(body)
	if begin == nil {
		return nil, 0, false
	}
	at := strings.Index(body[begin[1]:], sectionEnd)
	if at < 0 {
		return begin, len(body), true // the end was cut off or edited away: what follows is ours
	}
	return begin, begin[1] + at + len(sectionEnd), true
}

// sectionOf reads what an earlier run wrote.
func sectionOf(body string) (section, bool) {
	begin, end, ok := bounds(body)
	if !ok {
		return section{}, false
	}
	return section{digest: body[begin[2]:begin[3]], title: body[begin[4]:begin[5]], text: body[begin[1]:end]}, true
}

// into puts the section into a body in place of the one there, or below
// everything where a person removed it.
func (s section) into(body string) string {
	body = strings.ReplaceAll(body, "\r\n", "\n")
	begin, end, ok := bounds(body)
	switch {
	case ok:
		return body[:begin[0]] + s.whole() + body[end:]
	case strings.TrimSpace(body) == "":
		return s.whole()
	default:
		return strings.TrimRight(body, "\n") + "\n\n" + s.whole()
	}
}

// commentMark is what stands first in a comment of ours.
func commentMark(marker string) string {
	return "<!-- leat:" + strings.ReplaceAll(marker, "--", "- -") + " -->"
}

func bears(body, marker string) bool {
	return strings.HasPrefix(strings.TrimSpace(body), commentMark(marker))
}

// sameText compares as forges keep texts: some change line ends and trim.
func sameText(a, b string) bool {
	norm := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return norm(a) == norm(b)
}

const clipped = "\n\n… the rest is left out: the forge takes no longer texts."

// clip cuts a text to at most n bytes, at a line where there is one.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[:max(0, n-len(clipped)-8)]
	if at := strings.LastIndexByte(s, '\n'); at > len(s)/2 {
		s = s[:at]
	}
	s = strings.ToValidUTF8(s, "")
	if strings.Count(s, "```")%2 == 1 {
		s += "\n```"
	}
	return s + clipped
}

// Describe cuts a status's description to what every forge takes.
func Describe(s string) string {
	if utf8.RuneCountInString(s) <= MaxDescription {
		return s
	}
	return string([]rune(s)[:MaxDescription-1]) + "…"
}
