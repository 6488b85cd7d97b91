package promote

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/flow"
)

// word is what becomes of a word.
type word struct{ from, to, name string }

// wordsFor are the words that count for a value of the file; with a nil path for
// the whole text.
func (w *work) wordsFor(at *edit.Path) []word {
	var out []word
	for _, m := range w.m.Flow.Maps {
		from, to := m.Values[w.m.From.Name], m.Values[w.m.To.Name]
		if from == "" || to == "" || from == to || !w.counts(m.Files) {
			continue
		}
		if at == nil && (m.Path != "" || len(m.Files) == 0) || at != nil && !w.matches(m, *at) {
			continue
		}
		out = append(out, word{from, to, m.Name})
	}
	return out
}

func (w *work) matches(m flow.Map, at edit.Path) bool {
	if m.Path == "" {
		return true
	}
	p := w.path(m.Path)
	return p != nil && p.Match(at)
}

// otherWords replaces words in the values of a text; comments and keys stay.
func (w *work) otherWords(source []byte) ([]byte, error) {
	if !w.mentions(source) {
		_, err := edit.Documents(source)
		return source, err
	}
	values, err := edit.Values(source)
	if err != nil {
		return nil, err
	}
	var changes []edit.Change
	for _, v := range values {
		if v.Alias != "" {
			continue
		}
		if to, name := swapped(v.Text, w.wordsFor(&v.Path)); name != "" {
			changes = append(changes, edit.Change{Path: v.Path, Value: to})
		}
	}
	out, _, err := edit.Apply(source, changes...)
	return out, err
}

// mentions tells whether a text has any of the words in it, wherever.
func (w *work) mentions(text []byte) bool {
	return slices.ContainsFunc(w.m.Flow.Maps, func(m flow.Map) bool {
		from := m.Values[w.m.From.Name]
		return from != "" && from != m.Values[w.m.To.Name] && bytes.Contains(text, []byte(from))
	})
}

// words replaces words in a text that is no YAML: those of maps that name its
// file.
func (w *work) words(source []byte) []byte {
	if !utf8.Valid(source) || bytes.IndexByte(source, 0) >= 0 {
		return source
	}
	words := w.wordsFor(nil)
	if len(words) == 0 {
		return source
	}
	out, _ := swapped(string(source), words)
	return []byte(out)
}

// swapped replaces whole words, all at once: what came of one is not looked at
// again. It returns the names of the maps too; empty where nothing was found.
func swapped(text string, words []word) (out, names string) {
	var b strings.Builder
	for i := 0; i < len(text); {
		best := word{}
		for _, w := range words {
			if len(w.from) > len(best.from) && strings.HasPrefix(text[i:], w.from) && whole(text, i, i+len(w.from)) {
				best = w
			}
		}
		if best.from == "" {
			b.WriteByte(text[i])
			i++
			continue
		}
		b.WriteString(best.to)
		i += len(best.from)
		if !strings.Contains(names, best.name) {
			names = strings.TrimPrefix(names+", "+best.name, ", ")
		}
	}
	return b.String(), names
}

// whole tells whether text[from:to] neither begins nor ends inside a word of
// letters, digits and _.
func whole(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	first, _ := utf8.DecodeRuneInString(text[from:])
	last, _ := utf8.DecodeLastRuneInString(text[:to])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return !(inWord(before) && inWord(first)) && !(inWord(last) && inWord(after))
}

func inWord(r rune) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
