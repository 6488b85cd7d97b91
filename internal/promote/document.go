package promote

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/edit"
)

// appended adds a document of a source at the end of a text.
func appended(text, source []byte, id edit.Document) ([]byte, error) {
	byHand := &edit.Error{Text: fmt.Sprintf("the document %s is new and cannot be added; copy it by hand", id)}
	docs, err := edit.Documents(source)
	if err != nil {
		return nil, err
	}
	parts := split(string(source))
	have, err := edit.Documents(text)
	if err != nil || len(parts) != len(docs) {
		return nil, byHand
	}
	named := documents(docs, nil, have)[0]
	for i, d := range named {
		if d.id != id && !(len(docs) > 1 && identity(docs, i) == id) {
			continue
		}
		out := bytes.TrimRight(text, "\n")
		out = append(append(bytes.Clone(out), "\n---\n"...), strings.TrimLeft(parts[i], "\n")...)
		after, err := edit.Documents(out)
		if err == nil && len(after) == len(have)+1 && equal(after[len(have)], d.root) {
			return out, nil
		}
	}
	return nil, byHand
}

// split returns the texts of the documents without the lines between them.
func split(text string) []string {
	var out []string
	var part strings.Builder
	said := false
	end := func() {
		if said {
			out = append(out, part.String())
			part.Reset()
		}
		said = false
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "---") {
			end()
			continue
		}
		part.WriteString(line)
		if trimmed := strings.TrimSpace(line); trimmed != "" && trimmed[0] != '#' {
			said = true
		}
	}
	end()
	return out
}
