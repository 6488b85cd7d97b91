package change

import (
	"fmt"
	"strings"
)

// match pairs an element of a list with one of the list that it became; -1
// stands for none.
type match struct{ before, after int }

// keys are the fields that name the elements of a list, the best first; of each
// the first must be there, the others may. They cover the keys of lists in the
// built-in kinds (x-kubernetes-list-map-keys), and what people use in values.
var keys = [][]string{
	{"name"}, {"key"}, {"containerPort", "protocol"}, {"mountPath"}, {"devicePath"}, {"port", "protocol"},
	{"id"}, {"host"}, {"ip"}, {"type"}, {"kind", "name", "namespace"}, {"topologyKey", "whenUnsatisfiable"}, {"path"}, {"uid"},
	{"metadata.name"},
}

// align matches two lists: by the first key that names every element of both, else
// by what they have in common in this order.
func align(before, after []any) []match {
	for _, fields := range keys {
		was, ok := named(before, fields)
		if !ok {
			continue
		}
		if is, ok := named(after, fields); ok {
			return byName(before, after, was, is)
		}
	}
	return byContent(before, after)
}

// named returns where each name of a list stands; false where an element has none
// or shares it.
func named(list []any, fields []string) (map[string]int, bool) {
	out := make(map[string]int, len(list))
	for i, element := range list {
		name, ok := nameOf(element, fields)
		if _, twice := out[name]; !ok || twice {
			return nil, false
		}
		out[name] = i
	}
	return out, true
}

func nameOf(element any, fields []string) (string, bool) {
	m, ok := element.(map[string]any)
	if !ok {
		return "", false
	}
	var parts []string
	for i, field := range fields {
		in := m
		if outer, inner, nested := strings.Cut(field, "."); nested {
			in, field = submap(m, outer), inner
		}
		switch v := in[field].(type) {
		case string, int64, float64:
			parts = append(parts, fmt.Sprint(v))
		default:
			if i == 0 {
				return "", false
			}
			parts = append(parts, "")
		}
	}
	return strings.Join(parts, "\x00"), true
}

// byName matches elements by their names: was and is tell where each stands.
func byName(before, after []any, was, is map[string]int) []match {
	at := make([]int, len(after)) // where each element of after stood
	for i := range at {
		at[i] = -1
	}
	gone := make([]bool, len(before))
	for name, i := range was {
		j, stays := is[name]
		if gone[i] = !stays; stays {
			at[j] = i
		}
	}
	var out []match
	for i := range before {
		if gone[i] {
			out = append(out, match{i, -1})
		}
	}
	for j := range after {
		out = append(out, match{at[j], j})
	}
	return out
}

// reordered tells whether elements that stay changed places.
func reordered(found []match) bool {
	last := -1
	for _, m := range found {
		if m.before < 0 || m.after < 0 {
			continue
		}
		if m.before < last {
			return true
		}
		last = m.before
	}
	return false
}

// maxTable bounds the table of common elements; longer lists are compared index by
// index between what they begin and end with alike.
const maxTable = 1 << 16

// byContent matches what two lists have in common, longest first; what stands
// between is paired in order.
func byContent(before, after []any) []match {
	var out []match
	i, j := 0, 0
	for _, m := range append(common(before, after), match{len(before), len(after)}) {
		for i < m.before && j < m.after {
			out = append(out, match{i, j})
			i, j = i+1, j+1
		}
		for ; i < m.before; i++ {
			out = append(out, match{i, -1})
		}
		for ; j < m.after; j++ {
			out = append(out, match{-1, j})
		}
		if m.before < len(before) {
			out = append(out, m)
		}
		i, j = m.before+1, m.after+1
	}
	return out
}

// common returns a longest common subsequence.
func common(before, after []any) []match {
	var out []match
	start := 0
	for start < min(len(before), len(after)) && equal(before[start], after[start]) {
		out = append(out, match{start, start})
		start++
	}
	end := 0
	for end < min(len(before), len(after))-start && equal(before[len(before)-1-end], after[len(after)-1-end]) {
		end++
	}
	a, b := before[start:len(before)-end], after[start:len(after)-end]
	if len(a)*len(b) <= maxTable {
		out = append(out, longest(a, b, start)...)
	}
	for ; end > 0; end-- {
		out = append(out, match{len(before) - end, len(after) - end})
	}
	return out
}

func longest(a, b []any, offset int) []match {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if equal(a[i], b[j]) {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out []match
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case equal(a[i], b[j]):
			out = append(out, match{offset + i, offset + j})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return out
}
