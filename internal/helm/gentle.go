package helm

import (
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// maxGentle bounds the bytes of the templates of a chart, with its subcharts',
// that is rendered in this process.
const maxGentle = 256 << 10

// gentleWords are the keywords and functions of templates that cannot make much
// of little: what they return is about as large as what they are given, or is
// bounded (see functions), and they build no maps or lists that could hold
// themselves. tpl is none of them.
var gentleWords = wordSet(`
	if else end with range template define block break continue nil true false
	include required fail default empty coalesce ternary lookup
	and or not eq ne lt le gt ge len index kindIs typeIs kindOf hasKey get dig has first last
	quote squote printf print indent nindent replace repeat until untilStep
	trim trimAll trimSuffix trimPrefix trunc lower upper title contains hasPrefix hasSuffix
	toYaml toJson toString b64enc sha256sum regexMatch semverCompare
	int int64 float64 add add1 sub mul div mod max min ceil floor round
`)

func wordSet(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

// gentle tells whether a chart is small and its templates use nothing but
// gentleWords. Other charts are rendered in a child process, where there is one.
func gentle(c *chart.Chart) bool {
	size, _ := weigh(c)
	return size <= maxGentle && each(c, gentleChart)
}

func each(c *chart.Chart, holds func(*chart.Chart) bool) bool {
	if !holds(c) {
		return false
	}
	for _, sub := range c.Dependencies() {
		if !each(sub, holds) {
			return false
		}
	}
	return true
}

func gentleChart(c *chart.Chart) bool {
	for _, f := range c.Templates {
		if !gentleText(string(f.Data)) {
			return false
		}
	}
	return true
}

func gentleText(text string) bool {
	for {
		start := strings.Index(text, "{{")
		if start < 0 {
			return true
		}
		end := actionEnd(text, start+2)
		if end < 0 {
			return true // it cannot be parsed, which costs nothing
		}
		if !gentleAction(text[start+2 : end-2]) {
			return false
		}
		text = text[end:]
	}
}

// gentleAction looks at the words of an action that are neither fields, nor
// variables, nor within quotes.
func gentleAction(action string) bool {
	if inner := strings.TrimLeft(strings.TrimPrefix(action, "-"), " \t\r\n"); strings.HasPrefix(inner, "/*") {
		return true
	}
	for i := 0; i < len(action); {
		switch c := action[i]; {
		case c == '"' || c == '\'' || c == '`':
			if i = quoteEnd(action, i+1, c); i < 0 {
				return true
			}
		case c == '.' || c == '$' || c >= '0' && c <= '9':
			i = wordEnd(action, i+1)
		case wordByte(c):
			end := wordEnd(action, i)
			if !gentleWords[action[i:end]] {
				return false
			}
			i = end
		default:
			i++
		}
	}
	return true
}

func wordEnd(text string, i int) int {
	for i < len(text) && wordByte(text[i]) {
		i++
	}
	return i
}

// wordByte tells whether c is part of a name; so is all that is not ASCII.
func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
