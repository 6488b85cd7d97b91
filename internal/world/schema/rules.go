package schema

import (
	_ "embed"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

//go:embed defaults.txt
var defaultsTable string

// rule is a line of defaults.txt.
type rule struct {
	path  []string // ends in the field; a step ending in [] goes through a list
	of    string   // the type whose rules hold there, or
	value any      // the default
	when  *condition
}

// condition holds where a field has a value (nil: is not there).
type condition struct {
	path  []string
	value any
}

// rules are the lines by kind or @type.
var rules = sync.OnceValue(func() map[string][]rule {
	table := map[string][]rule{}
	for line := range strings.Lines(defaultsTable) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		subject, r := parseRule(line)
		table[subject] = append(table[subject], r)
	}
	return table
})

// parseRule reads a line of the table; one that is malformed is a bug.
func parseRule(line string) (subject string, r rule) {
	line, when, _ := strings.Cut(line, " if ")
	fields := strings.Fields(line)
	subject, r.path = fields[0], strings.Split(fields[1], ".")
	if what := strings.Join(fields[2:], " "); what[0] == '@' {
		r.of = what
	} else {
		utilruntime.Must(json.Unmarshal([]byte(what), &r.value))
	}
	if when != "" {
		r.when = parseCondition(when)
	}
	return subject, r
}

// fill applies the rules of a kind or type to an object.
func fill(subject string, o map[string]any) {
	for _, r := range rules()[subject] {
		if r.when.holds(o) {
			r.fill(o, r.path)
		}
	}
}

func (r rule) fill(o map[string]any, path []string) {
	name, list := strings.CutSuffix(path[0], "[]")
	switch {
	case list:
		items, _ := o[name].([]any)
		for _, item := range items {
			if m, ok := item.(map[string]any); ok {
				r.step(m, path[1:])
			}
		}
	case len(path) > 1 || r.of != "":
		if m, ok := o[name].(map[string]any); ok {
			r.step(m, path[1:])
		}
	case o[name] == nil || o[name] == "":
		o[name] = runtime.DeepCopyJSONValue(r.value)
	}
}

func (r rule) step(o map[string]any, rest []string) {
	if len(rest) > 0 {
		r.fill(o, rest)
		return
	}
	fill(r.of, o)
}

func at(o map[string]any, path []string) any {
	for _, step := range path[:len(path)-1] {
		o, _ = o[step].(map[string]any)
	}
	return o[path[len(path)-1]]
}
