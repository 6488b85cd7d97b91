package promote

import (
	"strings"

	"github.com/leat-dev/leat/internal/edit"
)

// maxUnmapped bounds how many words are told of in one file.
const maxUnmapped = 20

// newValues tells of a new file what is not as in the source: other words, and
// what was left out.
func (w *work) newValues() {
	values, err := edit.Values(w.sides.source)
	if !w.yaml || err != nil {
		w.unmapped(w.f.After)
		return
	}
	docs, err := edit.Documents(w.sides.source)
	if err != nil {
		return
	}
	for _, v := range values {
		if to, names := swapped(v.Text, w.wordsFor(&v.Path)); names != "" && v.Alias == "" {
			at := spot{v.Path, scalar(edit.Child(docs[max(v.Path.Document.Number, 1)-1], "kind"))}
			w.f.Values = append(w.f.Values, Value{Path: v.Path.String(), Line: v.Line, From: at.shown(v.Text), To: at.shown(to), Rule: Mapped, Map: names})
		}
	}
	for _, s := range w.staying(documents(docs)[0]) {
		w.f.Values = append(w.f.Values, Value{Path: s.path.String(), Line: s.node.Line, From: s.brief(s.node), Rule: LeftOut})
	}
}

// unmapped tells of words in a text that is no YAML, which stay as they are unless
// a map names the file: there a word may be anything.
func (w *work) unmapped(text []byte) {
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		for _, m := range w.m.Flow.Maps {
			from, to := m.Values[w.m.From.Name], m.Values[w.m.To.Name]
			if m.Path != "" || len(m.Files) > 0 || from == "" || to == "" || from == to {
				continue
			}
			if _, found := swapped(line, []word{{from, to, m.Name}}); found != "" && len(w.f.Values) < maxUnmapped {
				w.f.Values = append(w.f.Values, Value{Path: w.f.Name, Line: n, From: from, To: from, Rule: Unmapped, Map: m.Name})
			}
		}
	}
}
