package generate

import (
	"fmt"
	"regexp"
	"strings"
)

// part is a piece of a text with placeholders: a plain text, or a name.
type part struct{ text, name string }

var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parse reads a text with placeholders such as "apps/{app}".
func parse(text string) ([]part, error) {
	var out []part
	for rest := text; rest != ""; {
		at := strings.IndexAny(rest, "{}")
		if at < 0 {
			return append(out, part{text: rest}), nil
		}
		if rest[at] == '}' {
			return nil, fmt.Errorf("%q has a } without a {", text)
		}
		name, after, ok := strings.Cut(rest[at+1:], "}")
		if !ok {
			return nil, fmt.Errorf("%q has a { without a }", text)
		}
		if !validName.MatchString(name) {
			return nil, fmt.Errorf("%q: {%s} is no name of letters, digits and underscores", text, name)
		}
		if at > 0 {
			out = append(out, part{text: rest[:at]})
		}
		out, rest = append(out, part{name: name}), after
	}
	return out, nil
}

// render puts values in the place of the placeholders.
func render(text string, values map[string]string) (string, error) {
	parts, err := parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range parts {
		value, known := values[p.name]
		if p.name != "" && !known {
			return "", fmt.Errorf("%q: the pathPattern has no {%s}", text, p.name)
		}
		b.WriteString(p.text + value)
	}
	return b.String(), nil
}
