package edit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hidden stands for a value that must not be shown.
const hidden = "«secret»"

// secret tells whether a place is a value of a Secret's data.
func (t *text) secret(p place) bool {
	return len(p.path.Steps) > 1 && slices.Contains([]string{"data", "stringData"}, p.path.Steps[0].Key) &&
		Document{Kind: "Secret"}.is(t.docs[max(p.path.Document.Number, 1)-1])
}

// Shown is a file as it may be shown: the values of Secrets read «secret». Those
// of changes that were made say that they are new.
func Shown(file []byte, made ...Done) (string, error) {
	t, err := read(file)
	if err != nil {
		return "", err
	}
	changed := map[string]bool{}
	for _, d := range made {
		changed[d.Path.String()] = true
	}
	var spans []span
	var texts []string
	for _, p := range t.places() {
		if p.node.Kind != yaml.ScalarNode || p.alias != "" || !t.secret(p) {
			continue
		}
		s, err := t.span(p)
		if err != nil {
			return "", err
		}
		as := hidden
		if changed[p.path.String()] {
			as = strings.Replace(hidden, "»", ", new»", 1)
		}
		spans, texts = append(spans, s), append(texts, as)
	}
	for i := len(spans) - 1; i >= 0; i-- {
		file = splice(file, spans[i].from, spans[i].to, texts[i])
	}
	return string(file), nil
}
