package flow

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Path is the way to values in a YAML document: .components.*.image, with * for any
// part of a key, "quotes" around keys that hold dots, [0] and [*] for items of lists.
type Path []Step

// Step is one key or item.
type Step struct {
	Key  string // a key, or a pattern of keys
	Item bool   // an item of a list; Key is its number or *
}

// ParsePath reads a path.
func ParsePath(text string) (Path, error) {
	bad := fmt.Errorf("%q is no path in a YAML document, such as .components.*.image or .metadata.annotations.\"a.b/c\"", text)
	var out Path
	for rest := text; rest != ""; {
		var s Step
		var err error
		switch rest[0] {
		case '[':
			s, rest, err = itemStep(rest)
		case '.':
			s, rest, err = keyStep(rest[1:])
		default:
			return nil, bad
		}
		if err != nil {
			return nil, bad
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, bad
	}
	return out, nil
}

var errStep = errors.New("no step")

func itemStep(text string) (Step, string, error) {
	inside, rest, ok := strings.Cut(text[1:], "]")
	if _, err := strconv.ParseUint(inside, 10, 16); !ok || err != nil && inside != "*" {
		return Step{}, "", errStep
	}
	return Step{inside, true}, rest, nil
}

func keyStep(text string) (Step, string, error) {
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		key, rest, ok := strings.Cut(quoted, `"`)
		if !ok || key == "" || rest != "" && rest[0] != '.' && rest[0] != '[' {
			return Step{}, "", errStep
		}
		return Step{Key: key}, rest, nil
	}
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	if end == 0 || strings.ContainsAny(text[:end], "\" \t") {
		return Step{}, "", errStep
	}
	return Step{Key: text[:end]}, text[end:], nil
}

// Found is a value that a path leads to.
type Found struct {
	Node *yaml.Node
	Path string // with what each * stood for
	Star string // what the first of them stood for
}

// Find returns the values of a document that the path leads to, in their order.
func (p Path) Find(n *yaml.Node) []Found { return p.find(Found{Node: n}, false) }

func (p Path) find(at Found, starred bool) []Found {
	if at.Node == nil {
		return nil
	}
	if at.Node.Kind == yaml.DocumentNode && len(at.Node.Content) > 0 {
		at.Node = at.Node.Content[0]
	}
	if len(p) == 0 {
		return []Found{at}
	}
	var out []Found
	for _, next := range p[0].from(at) {
		first := !starred && strings.Contains(p[0].Key, "*")
		if !first {
			next.Star = at.Star
		}
		out = append(out, p[1:].find(next, starred || first)...)
	}
	return out
}

// from returns what one step leads to; Star is the whole key or number.
func (s Step) from(at Found) []Found {
	var out []Found
	switch {
	case s.Item && at.Node.Kind == yaml.SequenceNode:
		for i, item := range at.Node.Content {
			if number := strconv.Itoa(i); s.Key == "*" || s.Key == number {
				out = append(out, Found{item, at.Path + "[" + number + "]", number})
			}
		}
	case !s.Item && at.Node.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(at.Node.Content); i += 2 {
			if key := at.Node.Content[i].Value; s.matches(key) {
				out = append(out, Found{at.Node.Content[i+1], at.Path + "." + quoted(key), key})
			}
		}
	}
	return out
}

// matches compares a key; a * stands for any part of it, slashes too.
func (s Step) matches(key string) bool {
	if !strings.Contains(s.Key, "*") {
		return s.Key == key
	}
	flat := strings.NewReplacer("/", "\x00")
	ok, err := path.Match(flat.Replace(s.Key), flat.Replace(key))
	return err == nil && ok
}

func quoted(key string) string {
	if strings.ContainsAny(key, ".[ \t") {
		return `"` + key + `"`
	}
	return key
}
