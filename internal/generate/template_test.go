package generate

import (
	"strings"
	"testing"
)

// What parses is made of its parts, and renders without placeholders left.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"", "a", "{a}", "x{a}y{b}", "{a", "a}", "{}", "{{a}}", "{1}", "é{a}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := parse(text)
		if err != nil {
			return
		}
		var b strings.Builder
		values := map[string]string{}
		for _, p := range parts {
			b.WriteString(p.text)
			if p.name != "" {
				b.WriteString("{" + p.name + "}")
				values[p.name] = "v"
			}
		}
		if b.String() != text {
			t.Errorf("%q is read as %q", text, b.String())
		}
		out, err := render(text, values)
		if err != nil || strings.ContainsAny(out, "{}") {
			t.Errorf("render(%q) = %q, %v", text, out, err)
		}
	})
}
