package chart

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"

	"sigs.k8s.io/yaml"
)

// An index in YAML is cut into its versions by indentation, and every version is
// read by a YAML parser on its own. What is cut wrongly (a quoted text that goes
// on in the first column, a map in braces over several lines, an alias) does
// not parse, and then the index is read as a whole.

var errUnusual = errors.New("the YAML is written in an unusual way")

// readYAML reads an index in YAML.
func readYAML(r *indexReader, data []byte) error {
	for block := range blocks(data, 0, isKey) {
		key, rest, ok := cutKey(block.head)
		switch {
		case !ok && bytes.HasPrefix(block.head, []byte("---")) && block.first:
			continue
		case !ok:
			return errUnusual
		case key == "entries" && len(rest) == 0:
			if err := readEntries(r, block.body); err != nil {
				return err
			}
		default:
			if err := readOther(r, block.text, key == "entries"); err != nil {
				return err
			}
		}
	}
	return nil
}

// readOther takes a top-level key that is not the long one.
func readOther(r *indexReader, text []byte, entries bool) error {
	raw, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	if entries {
		return readJSON(r, raw)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return err
	}
	for key, value := range keys {
		r.other[key] = value
	}
	return nil
}

// readEntries reads what stands under entries.
func readEntries(r *indexReader, body []byte) error {
	indent, ok := indentation(body)
	if !ok {
		return nil // nothing but blanks and comments
	}
	if indent == 0 {
		return errUnusual
	}
	for block := range blocks(body, indent, isKey) {
		name, rest, ok := cutKey(block.head)
		if !ok || block.depth != indent {
			return errUnusual
		}
		if err := readChart(r, name, rest, block); err != nil {
			return err
		}
	}
	return nil
}

func readChart(r *indexReader, name string, rest []byte, block block) error {
	if err := r.chart(name); err != nil {
		return err
	}
	defer r.endChart()
	indent, some := indentation(block.body)
	switch {
	case len(rest) > 0: // keda: [] and the like
		return readItems(r, bytes.TrimSpace(block.text)[len(bytes.TrimSpace(block.head))-len(rest):])
	case !some:
		return nil
	}
	for item := range blocks(block.body, indent, isItem) {
		if item.depth != indent || !isItem(item.head) {
			return errUnusual
		}
		if err := readItems(r, item.text); err != nil {
			return err
		}
	}
	return nil
}

// readItems takes a list of versions.
func readItems(r *indexReader, text []byte) error {
	raw, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	return list(json.NewDecoder(bytes.NewReader(raw)), r.version)
}

// block is a line at some indentation and the deeper ones that follow.
type block struct {
	head  []byte // the line, without indentation and line break
	body  []byte // the lines that follow
	text  []byte // both, as they stand
	depth int    // of the head
	first bool
}

// blocks cuts text at the lines that have the indentation and satisfy starts.
// Blank lines and comments before the first block are left out; whatever else
// stands there is a block by itself.
func blocks(text []byte, indent int, starts func(line []byte) bool) iter.Seq[block] {
	return func(yield func(block) bool) {
		begin, headEnd, deep, first := -1, 0, 0, true
		emit := func(end int) bool {
			b := block{head: bytes.TrimSpace(text[begin:headEnd]), body: text[headEnd:end], text: text[begin:end], depth: deep, first: first}
			first = false
			return yield(b)
		}
		for at := 0; at < len(text); {
			end := at + lineLength(text[at:])
			line := text[at:end]
			depth, blank := depthOf(line)
			if !blank && (begin < 0 || depth < indent || depth == indent && starts(line[depth:])) {
				if begin >= 0 && !emit(at) {
					return
				}
				begin, headEnd, deep = at, end, depth
			}
			at = end
		}
		if begin >= 0 {
			emit(len(text))
		}
	}
}

func lineLength(text []byte) int {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return i + 1
	}
	return len(text)
}

// depthOf returns the number of blanks before a line's text, and whether there
// is none but perhaps a comment.
func depthOf(line []byte) (int, bool) {
	for i, c := range line {
		if c != ' ' {
			return i, c == '\n' || c == '\r' || c == '#'
		}
	}
	return len(line), true
}

// indentation is that of the first line which is not blank.
func indentation(text []byte) (int, bool) {
	for at := 0; at < len(text); {
		end := at + lineLength(text[at:])
		if depth, blank := depthOf(text[at:end]); !blank {
			return depth, true
		}
		at = end
	}
	return 0, false
}

// isKey tells whether a line may begin a key: not an item, whose dash may stand
// as deep as the key that it belongs to.
func isKey(line []byte) bool { return !isItem(line) }

func isItem(line []byte) bool {
	return len(line) > 0 && line[0] == '-' && (len(line) == 1 || bytes.IndexByte([]byte(" \r\n"), line[1]) >= 0)
}

// cutKey reads "key:" and what follows on the line; comments do not count.
func cutKey(line []byte) (key string, rest []byte, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 || i+1 < len(line) && line[i+1] != ' ' {
		return "", nil, false
	}
	name := line[:i]
	for _, quote := range []byte(`"'`) {
		if len(name) > 2 && name[0] == quote && name[len(name)-1] == quote {
			name = name[1 : len(name)-1]
		}
	}
	if bytes.ContainsAny(name, "\"'\\{}[]&*!|>%@` ") {
		return "", nil, false
	}
	rest = bytes.TrimSpace(line[i+1:])
	if len(rest) > 0 && rest[0] == '#' {
		rest = nil
	}
	return string(name), rest, true
}
