package validate

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/leat-dev/leat/internal/plan"
)

//go:embed values.txt
var valuesTable string

// rule is a line of values.txt.
type rule struct {
	path     []string // a step ending in [] goes through a list
	of       string   // the type whose lines hold there, or
	required bool     // or
	oneOf    []string
}

// rules are the lines by kind or @type.
var rules = sync.OnceValue(func() map[string][]rule {
	table := map[string][]rule{}
	for line := range strings.Lines(valuesTable) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] == "#" {
			continue
		}
		r := rule{path: strings.Split(words[1], ".")}
		switch {
		case words[2] == "required":
			r.required = true
		case words[2] == "one":
			r.oneOf = words[4:]
		default:
			r.of = words[2]
		}
		table[words[0]] = append(table[words[0]], r)
	}
	return table
})

// values holds an object, or a part of it at a path, to the lines of a kind or
// type.
func (p *problems) values(subject string, part map[string]any, path []string) {
	for _, r := range rules()[subject] {
		p.follow(r, part, path, r.path)
	}
}

// follow goes down to where a rule holds.
func (p *problems) follow(r rule, part map[string]any, path, rest []string) {
	name, list := strings.CutSuffix(rest[0], "[]")
	path = append(slices.Clip(path), name)
	value, has := part[name]
	if !list {
		p.reach(r, value, has && value != nil, path, rest[1:])
		return
	}
	items, _ := value.([]any)
	for i, item := range items {
		p.reach(r, item, true, append(slices.Clip(path), strconv.Itoa(i)), rest[1:])
	}
}

// reach is at a value: where the path ends, or on the way.
func (p *problems) reach(r rule, value any, has bool, path, rest []string) {
	inner, isMap := value.(map[string]any)
	switch {
	case len(rest) > 0:
		if isMap {
			p.follow(r, inner, path, rest)
		}
	case r.of != "":
		if isMap {
			p.values(r.of, inner, path)
		}
	case r.required && !has:
		p.note(path, "the API asks for it")
	case r.oneOf != nil && has:
		text, ok := value.(string)
		if ok && text != "" && !slices.Contains(r.oneOf, text) {
			p.note(path, "is not one of "+strings.Join(r.oneOf, ", "))
		}
	}
}

func (p *problems) note(path []string, message string) {
	at := plan.Pointer(path...)
	if len(p.found) < maxProblems && !madeUp(p.obj.Object, at) {
		p.found = append(p.found, Problem{Field: at, Message: message})
	}
}
