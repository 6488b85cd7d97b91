package build

import (
	"bytes"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/hash"
)

// amount is how much a text is.
type amount struct {
	units   int // lines, commas and bytes
	objects int // at most
	longest int // entries of one list, or fields of one map, at most
	lines   int
	bytes   int // of the largest document
	copies  bool
}

func (a *amount) add(b amount) {
	a.units += b.units
	a.lines += b.lines
	a.objects += b.objects
	a.longest = max(a.longest, b.longest)
	a.bytes = max(a.bytes, b.bytes)
	a.copies = a.copies || b.copies
}

// amountOf measures YAML. What has aliases or escapes may hold more than its signs tell.
func amountOf(data []byte) amount {
	a := amount{
		units: itemsOf(data) + len(data)/unitBytes + 1, lines: itemsOf(data) + 1,
		objects: bytes.Count(data, []byte("kind")), copies: bytes.Contains(data, []byte("copy")) || escapes(data) > 0,
	}
	a.longest, a.bytes = siblings(data)
	a.objects += escapes(data) // each may hide a word
	if anchored(data) {
		a.objects += bytes.Count(data, []byte{'*'}) // each may stand for one
		a.units = max(a.units, unfolded(data))
		a.lines, a.bytes = max(a.lines, a.units), max(a.bytes, a.units*unitBytes)
		if bytes.Contains(data, []byte("<<")) {
			a.longest = max(a.longest, a.units)
		}
	}
	return a
}

// manyCommas is from how many commas on it is worth to know whether they stand between
// entries or in prose.
const manyCommas = 200

// maxIndent is up to which indentation lines are told apart.
const maxIndent = 64

// siblings bounds how many entries one list or map of a text has, and how many bytes a
// document. Entries in blocks each begin a line, all at one indentation; of those in
// brackets each but the first follows a comma.
func siblings(data []byte) (most, largest int) {
	most, largest = blocks(data)
	if commas := bytes.Count(data, []byte{','}); commas > manyCommas {
		most = longestOf(data)
	} else {
		most = max(most, commas+1)
	}
	return most, largest
}

// lengths remembers the longest list or map of texts: of those with many commas, such as
// definitions with long descriptions, it takes a parser to know.
var lengths struct {
	sync.Mutex
	new, old map[hash.ID]int
}

// maxLengths bounds each of two generations.
const maxLengths = 1000

func longestOf(data []byte) int {
	id := hash.Of(data)
	lengths.Lock()
	n, known := lengths.new[id]
	if !known {
		n, known = lengths.old[id]
	}
	lengths.Unlock()
	if known {
		return n
	}
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			break
		}
		n = max(n, longestIn(&doc))
	}
	lengths.Lock()
	defer lengths.Unlock()
	if lengths.new == nil || len(lengths.new) >= maxLengths {
		lengths.new, lengths.old = map[hash.ID]int{}, lengths.new
	}
	lengths.new[id] = n
	return n
}

func longestIn(n *yaml.Node) int {
	most := len(n.Content)
	if n.Kind == yaml.MappingNode {
		most /= 2
	}
	for _, c := range n.Content {
		most = max(most, longestIn(c))
	}
	return most
}

// blocks bounds the entries of lists and maps that are written in blocks.
func blocks(data []byte) (most, largest int) {
	var at [maxIndent + 1]int
	deepest, size := 0, 0
	for rest := data; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		text := bytes.TrimLeft(line, " ")
		size += len(line) + 1
		largest = max(largest, size)
		indent := min(len(line)-len(text), maxIndent)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if bytes.HasPrefix(line, []byte("---")) {
			at, deepest, size = [maxIndent + 1]int{}, 0, 0
			continue
		}
		for ; deepest > indent; deepest-- {
			at[deepest] = 0
		}
		deepest = indent
		at[indent]++
		most = max(most, at[indent])
	}
	return most, largest
}

// anchored tells whether a text may have anchors: they begin a word.
func anchored(data []byte) bool {
	for at, c := range data {
		if c != '&' || at+1 == len(data) || at > 0 && bytes.IndexByte([]byte(" \t\n[{,:-"), data[at-1]) < 0 {
			continue
		}
		if next := data[at+1]; isLetter(next) || isDigit(next) || next == '_' || next == '-' {
			return true
		}
	}
	return false
}

// unfolded counts the units of YAML with each alias replaced by what it stands for;
// guard has bounded them.
func unfolded(data []byte) int {
	known, total := map[*yaml.Node]int{}, 0
	var count func(n *yaml.Node) int
	count = func(n *yaml.Node) int {
		if have, ok := known[n]; ok {
			return have
		}
		if n.Kind == yaml.AliasNode {
			return known[n.Alias]
		}
		sum := 1 + len(n.Value)/unitBytes
		for _, c := range n.Content {
			sum += count(c)
		}
		known[n] = sum
		return sum
	}
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			return total
		}
		total += count(&doc)
	}
}

// escapes counts the places where a text may write a word otherwise than by its letters.
func escapes(data []byte) (n int) {
	for rest := data; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 || at+1 == len(rest) {
			return n
		}
		if c := rest[at+1]; c == 'x' || c == 'u' || c == 'U' {
			n++
		}
		rest = rest[at+2:]
	}
}

// counted tells whether a text may hold a pattern with a counted repetition, a{1000},
// which is as large as what it repeats.
func counted(data []byte) bool {
	for rest := data; ; {
		at := bytes.IndexByte(rest, '{')
		if at < 0 || at+1 == len(rest) {
			return escapes(data) > 0
		}
		if rest = rest[at+1:]; isDigit(rest[0]) {
			return true
		}
	}
}
