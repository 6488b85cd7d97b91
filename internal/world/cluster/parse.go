package cluster

import (
	"hash/maphash"
	"strconv"
	"sync"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"
)

// parse reads a JSON object into maps, lists, strings, bools, int64 and float64
// as sigs.k8s.io/json does, in about a third of the time: the keys of objects
// repeat, so they are interned, and the text is gone over once. What it does not
// expect (escapes other than those of encoding/json, bad UTF-8, anything
// malformed) it leaves to sigs.k8s.io/json.
func parse(data []byte) (map[string]any, error) {
	p, _ := parsers.Get().(*parser)
	defer parsers.Put(p)
	p.data, p.at = data, 0
	v, ok := p.value(0)
	p.space()
	if m, isMap := v.(map[string]any); ok && isMap && p.at == len(data) {
		p.data = nil
		return m, nil
	}
	p.data = nil
	var m map[string]any
	err := kjson.UnmarshalCaseSensitivePreserveInts(data, &m)
	return m, err
}

const (
	maxDepth = 500
	keySlots = 1024
	longKey  = 128 // longer ones are not interned
)

var parsers = sync.Pool{New: func() any { return &parser{seed: maphash.MakeSeed()} }}

type parser struct {
	data []byte
	at   int
	seed maphash.Seed
	keys [keySlots]string // a cache of keys: each slot holds the last one
}

func (p *parser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\n', '\t', '\r':
			p.at++
		default:
			return
		}
	}
}

// next returns the next byte that is no space, without taking it; 0 at the end.
func (p *parser) next() byte {
	p.space()
	if p.at == len(p.data) {
		return 0
	}
	return p.data[p.at]
}

func (p *parser) take(c byte) bool {
	if p.next() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) value(depth int) (any, bool) {
	if depth == maxDepth {
		return nil, false
	}
	switch c := p.next(); c {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		raw, plain, ok := p.text()
		if !ok {
			return nil, false
		}
		if plain {
			return string(raw), true
		}
		return unescape(raw)
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	case 'n':
		return nil, p.word("null")
	}
	return p.number()
}

func (p *parser) word(w string) bool {
	if len(p.data)-p.at < len(w) || string(p.data[p.at:p.at+len(w)]) != w {
		return false
	}
	p.at += len(w)
	return true
}

func (p *parser) object(depth int) (any, bool) {
	p.at++
	m := make(map[string]any)
	if p.take('}') {
		return m, true
	}
	for {
		if p.next() != '"' {
			return nil, false
		}
		key, ok := p.key()
		if !ok || !p.take(':') {
			return nil, false
		}
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		m[key] = v
		if !p.take(',') {
			return m, p.take('}')
		}
	}
}

func (p *parser) array(depth int) (any, bool) {
	p.at++
	list := []any{}
	if p.take(']') {
		return list, true
	}
	for {
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		list = append(list, v)
		if !p.take(',') {
			return list, p.take(']')
		}
	}
}

func (p *parser) key() (string, bool) {
	raw, plain, ok := p.text()
	if !ok {
		return "", false
	}
	if !plain {
		return unescape(raw)
	}
	if len(raw) > longKey {
		return string(raw), true
	}
	slot := &p.keys[maphash.Bytes(p.seed, raw)%keySlots]
	if *slot != string(raw) {
		*slot = string(raw)
	}
	return *slot, true
}

// text takes a string and returns what stands between its quotes; plain when
// that is what it means.
func (p *parser) text() (raw []byte, plain, ok bool) {
	p.at++
	start := p.at
	plain, ascii := true, true
	for ; p.at < len(p.data); p.at++ {
		switch c := p.data[p.at]; {
		case c == '"':
			raw = p.data[start:p.at]
			p.at++
			return raw, plain, ascii || utf8.Valid(raw)
		case c == '\\':
			plain = false
			p.at++
		case c < ' ':
			return nil, false, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false, false
}

// unescape knows the escapes of one character; \u is left to others.
func unescape(raw []byte) (string, bool) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\\' {
			i++
			if c = escaped[raw[i]]; c == 0 {
				return "", false
			}
		}
		out = append(out, c)
	}
	return string(out), true
}

var escaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// number takes an integer that fits int64; other numbers are left to others.
func (p *parser) number() (any, bool) {
	start := p.at
	for p.at < len(p.data) && (p.data[p.at] == '-' && p.at == start || p.data[p.at] >= '0' && p.data[p.at] <= '9') {
		p.at++
	}
	digits := p.data[start:p.at]
	if len(digits) > 1 && (digits[0] == '0' || digits[0] == '-' && digits[1] == '0') {
		return nil, false
	}
	if p.at < len(p.data) && (p.data[p.at] == '.' || p.data[p.at] == 'e' || p.data[p.at] == 'E') {
		return nil, false
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return n, err == nil
}
