// Package compare tells whether a live object is what Git says.
//
//	for _, d := range compare.Objects(fromGit, live) { fmt.Println(d) }
//
// Every field that Git sets must be live with the same value; fields that Git
// does not set are the server's and others' to fill. Lists must have the same
// length and order. It must never call something equal because it cannot tell.
package compare

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
)

// Objects returns the differences, each as "path: want …, got …", sorted.
func Objects(want, live map[string]any) []string {
	if live == nil {
		return []string{"the object is missing"}
	}
	var c comparison
	c.maps("", want, live)
	sort.Strings(c.differences)
	return c.differences
}

type comparison struct{ differences []string }

func (c *comparison) value(path string, want, live any) {
	switch w := want.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			c.note(path, want, live)
			return
		}
		c.maps(path, w, l)
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(w) {
			c.note(path, want, live)
			return
		}
		for i := range w {
			c.value(path+"["+strconv.Itoa(i)+"]", w[i], l[i])
		}
	default:
		if text(want) != text(live) {
			c.note(path, want, live)
		}
	}
}

func (c *comparison) maps(path string, want, live map[string]any) {
	for key, w := range want {
		l, ok := live[key]
		at := path + "." + key
		if !ok {
			c.differences = append(c.differences, fmt.Sprintf("%s: want %s, got nothing", at, text(w)))
			continue
		}
		c.value(at, w, l)
	}
}

func (c *comparison) note(path string, want, live any) {
	c.differences = append(c.differences, fmt.Sprintf("%s: want %s, got %s", path, text(want), text(live)))
}

// text is the JSON of a value, in which 1 and 1.0, as different decoders give
// them, are the same, and 1 and "1" are not.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(b)
}
