package edit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Path names values of a file, much as yq does:
//
//	.spec.chart.spec.version           keys
//	.metadata.annotations."fluxcd.io/automated"   a key with dots, also ["…"]
//	.spec.containers[0].image          items of lists, from the end with [-1]
//	.spec.containers[name=web].image   the item with a field; [.=web] is the text web
//	.components.*.chart_version        * is any key or item, or a part of a key:
//	.metadata.annotations."filter.fluxcd.io/*"    \* is a star
//
// before that, where a file holds several documents, which of them:
//
//	1:.spec.interval                   by number, from 0
//	HelmRelease/podinfo:.spec.interval [apiVersion/]Kind[/[namespace/]name]
type Path struct {
	Document Document
	Steps    []Step
}

// Document chooses documents of a file. The zero value is any of them.
type Document struct {
	Number                            int // from 1; 0 is any
	APIVersion, Kind, Namespace, Name string
}

// Step is one key or item. The zero value is the key "".
type Step struct {
	Key     string // in patterns * is any text, \ takes the meaning from what follows
	Pattern bool
	Item    bool // of a list, Index from 0, from the end below it; with a Pattern any of them
	Index   int
	Field   string // of the item that has Value in Field; "." is the item itself
	Value   string
}

func (p Path) anyDocument() bool { return p.Document == Document{} }

// String is the path as ParsePath reads it.
func (p Path) String() string {
	var b strings.Builder
	if d := p.Document.String(); d != "" {
		b.WriteString(d + ":")
	}
	for _, s := range p.Steps {
		b.WriteString(s.String())
	}
	if len(p.Steps) == 0 {
		b.WriteString(".")
	}
	return b.String()
}

// String is the document as it stands before a path; empty for any.
func (d Document) String() string {
	if d.Kind == "" && d.Number > 0 {
		return strconv.Itoa(d.Number - 1)
	}
	var parts []string
	for _, part := range []string{d.APIVersion, d.Kind, d.Namespace, d.Name} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

// String is the step with the dot or brackets before it.
func (s Step) String() string {
	switch {
	case s.Field != "":
		return "[" + s.Field + "=" + s.Value + "]"
	case s.Item && s.Pattern:
		return "[*]"
	case s.any():
		return ".*"
	case s.Item:
		return "[" + strconv.Itoa(s.Index) + "]"
	case s.Key != "" && !strings.ContainsFunc(s.Key, special):
		return "." + s.Key
	case s.Pattern:
		return `."` + strings.ReplaceAll(s.Key, `"`, `\"`) + `"`
	}
	return `."` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `*`, `\*`).Replace(s.Key) + `"`
}

func special(r rune) bool {
	return strings.ContainsRune(`.[]"'\*:=`, r) || unicode.IsSpace(r) || unicode.IsControl(r)
}

// ParsePath reads a path.
func ParsePath(text string) (Path, error) {
	var p Path
	rest := text
	if at := strings.IndexAny(text, `.["`); at < 0 || text[at] != '.' || at > 0 {
		if doc, after, ok := cutDocument(text); ok {
			var err error
			if p.Document, err = parseDocument(doc); err != nil {
				return Path{}, fmt.Errorf("read path %q: %w", text, err)
			}
			rest = after
		}
	}
	if !strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "[") {
		return Path{}, fmt.Errorf("read path %q: want it to begin with a dot, as .spec.interval", text)
	}
	for rest != "" {
		step, after, err := parseStep(rest)
		if err != nil {
			return Path{}, fmt.Errorf("read path %q: at %q: %w", text, rest, err)
		}
		p.Steps, rest = append(p.Steps, step), after
		if len(p.Steps) > maxDepth {
			return Path{}, fmt.Errorf("read path %q: it has more than %d steps", text[:40]+"…", maxDepth)
		}
	}
	return p, nil
}

// MustPath is ParsePath for paths in the program itself.
func MustPath(text string) Path {
	p, err := ParsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}

// cutDocument cuts what stands before the first colon that a path follows.
func cutDocument(text string) (doc, path string, ok bool) {
	for _, sep := range []string{":.", ":["} {
		if at := strings.Index(text, sep); at > 0 && !strings.ContainsAny(text[:at], `["`) {
			return text[:at], text[at+1:], true
		}
	}
	return "", text, false
}

func parseDocument(text string) (Document, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return Document{Number: n + 1}, nil
	}
	parts := strings.Split(text, "/")
	kind := slices.IndexFunc(parts, func(s string) bool { return s != "" && unicode.IsUpper(rune(s[0])) })
	if kind < 0 || kind > 2 || len(parts)-kind > 3 {
		return Document{}, fmt.Errorf("want a number or [apiVersion/]Kind[/[namespace/]name] before the colon")
	}
	d := Document{APIVersion: strings.Join(parts[:kind], "/"), Kind: parts[kind]}
	if after := parts[kind+1:]; len(after) > 0 {
		d.Name = after[len(after)-1]
		d.Namespace = strings.Join(after[:len(after)-1], "")
	}
	return d, nil
}

// parseStep reads one step and returns what follows.
func parseStep(text string) (Step, string, error) {
	switch {
	case strings.HasPrefix(text, `."`):
		key, after, err := quotedKey(text[1:])
		return keyStep(key), after, err
	case strings.HasPrefix(text, `["`):
		key, after, err := quotedKey(text[1:])
		if err == nil && !strings.HasPrefix(after, "]") {
			return Step{}, "", fmt.Errorf(`want ] after the key`)
		}
		return keyStep(key), strings.TrimPrefix(after, "]"), err
	case strings.HasPrefix(text, "["):
		inside, after, ok := strings.Cut(text[1:], "]")
		if !ok {
			return Step{}, "", fmt.Errorf("want ] after the item")
		}
		step, err := parseItem(inside)
		return step, after, err
	case strings.HasPrefix(text, ".["):
		return parseStep(text[1:])
	case !strings.HasPrefix(text, "."):
		return Step{}, "", fmt.Errorf("want a dot before the key")
	}
	end := strings.IndexAny(text[1:], `.["`) + 1
	if end == 0 {
		end = len(text)
	}
	if end == 1 {
		return Step{}, "", fmt.Errorf("want a key after the dot")
	}
	return keyStep(text[1:end]), text[end:], nil
}

func parseItem(text string) (Step, error) {
	if text == "" || text == "*" {
		return Step{Item: true, Pattern: true}, nil
	}
	if field, value, ok := strings.Cut(text, "="); ok && field != "" {
		return Step{Item: true, Field: field, Value: strings.Trim(value, `"`)}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return Step{}, fmt.Errorf("want a number, name=value, or * in brackets; keys stand in quotes")
	}
	return Step{Item: true, Index: n}, nil
}

// quotedKey reads a key in double quotes; \" is a quote, other escapes stay for
// keyStep.
func quotedKey(text string) (key, after string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), text[i+1:], nil
		case text[i] == '\\' && i+1 < len(text):
			if i++; text[i] != '"' {
				b.WriteByte('\\')
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", fmt.Errorf("want a quote at the end of the key")
}

// keyStep makes a pattern of a key with stars, and a plain key of others.
func keyStep(key string) Step {
	if parts := starless(key); len(parts) == 1 {
		return Step{Key: parts[0]}
	}
	return Step{Key: key, Pattern: true}
}

// Match tells whether a path without wildcards, as Values gives, is one that p
// names. The document counts where p says one, by its number.
func (p Path) Match(concrete Path) bool {
	return len(p.Steps) == len(concrete.Steps) && p.Covers(concrete)
}

// Covers tells whether p names a concrete path or a mapping or list above it.
func (p Path) Covers(concrete Path) bool {
	if len(p.Steps) > len(concrete.Steps) || p.Document.Number > 0 && p.Document.Number != max(concrete.Document.Number, 1) {
		return false
	}
	for i, s := range p.Steps {
		if !s.matches(concrete.Steps[i]) {
			return false
		}
	}
	return true
}

// matches tells whether a step names a concrete one; which item is the last only
// find knows, and which has a field where the concrete one does not say it.
func (s Step) matches(c Step) bool {
	switch {
	case s.any():
		return true
	case s.Field != "":
		return s.Field == c.Field && s.Value == c.Value
	case c.Item:
		return s.Item && s.Index == c.Index
	}
	return !s.Item && s.key(c.Key)
}

// any tells whether a step is .* or [*]: any key, any item.
func (s Step) any() bool { return s.Pattern && (s.Item || s.Key == "*") }

// key tells whether a step names a key.
func (s Step) key(key string) bool {
	switch {
	case s.any():
		return true
	case s.Item:
		return false
	case s.Pattern:
		return glob(s.Key, key)
	}
	return s.Key == key
}

// glob tells whether the texts between the stars of a pattern follow each other
// in a text, the first at its begin and the last at its end.
func glob(pattern, text string) bool {
	parts := starless(pattern)
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return text == first
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return strings.HasSuffix(text, last)
}

// starless returns the texts between the stars of a pattern.
func starless(pattern string) []string {
	out := []string{""}
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '*' {
			out = append(out, "")
			continue
		}
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		out[len(out)-1] += pattern[i : i+1]
	}
	return out
}
