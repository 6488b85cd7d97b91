package migrate

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// first tells whether the key is the first of a list's item, whose dash stands
// before it.
func (p place) first() bool {
	return strings.Contains(p.lines[p.from][:p.key.Column-1], "-")
}

// remove takes a field away that has had no effect for years.
func remove(p place) (with []string, name, note string) {
	if p.first() {
		return nil, "", "remove it"
	}
	return nil, "", ""
}

// listOfOne makes valuesFile: x to valuesFiles: [x].
func listOfOne(p place) (with []string, name, note string) {
	if other, _ := lookup(p.in, "valuesFiles"); other != nil {
		return nil, "", "put its value before those of valuesFiles"
	}
	if p.value.Kind != yaml.ScalarNode || p.to != p.from+1 || p.value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return nil, "", "write its value as valuesFiles: [value]"
	}
	line := p.lines[p.from]
	start := p.value.Column - 1
	end := start + scalarLength(line[start:], p.value)
	return []string{line[:p.key.Column-1] + "valuesFiles: [" + line[start:end] + "]" + line[end:]}, "valuesFiles", ""
}

// scalarLength is how long a scalar is where it is written, quotes included.
func scalarLength(text string, n *yaml.Node) int {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for i := 1; i < len(text); i++ {
			if text[i] == '\\' {
				i++
			} else if text[i] == '"' {
				return i + 1
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0:
		if i := strings.Index(strings.ReplaceAll(text[1:], "''", "  "), "'"); i >= 0 {
			return i + 2
		}
	case n.LineComment != "":
		return len(strings.TrimRight(text[:strings.Index(text, n.LineComment)], " "))
	}
	return len(strings.TrimRight(text, " \r"))
}

const toPatches = "move each of its items to patches, as a text"

// mergePatches makes a list of objects to patches of their texts.
func mergePatches(p place) (with []string, name, note string) {
	items, ok := p.items()
	if !ok {
		return nil, "", toPatches
	}
	with = p.head()
	for i, item := range items {
		if p.value.Content[i].Kind != yaml.MappingNode || p.value.Content[i].Style&yaml.FlowStyle != 0 {
			return nil, "", toPatches
		}
		with = append(with, deeper(item, "patch: |")...)
	}
	return with, "patches", ""
}

// jsonPatches makes the operations of each item a text.
func jsonPatches(p place) (with []string, name, note string) {
	items, ok := p.items()
	if !ok {
		return nil, "", toPatches
	}
	with = p.head()
	for i, item := range items {
		node := p.value.Content[i]
		ops, key := lookup(node, "patch")
		if ops == nil || ops.Kind != yaml.SequenceNode || ops.Style&yaml.FlowStyle != 0 || node.Style&yaml.FlowStyle != 0 {
			return nil, "", toPatches
		}
		line := p.above + node.Line - 1
		last := line + len(item)
		for j := 0; j < len(node.Content); j += 2 {
			if node.Content[j].Line > key.Line {
				last = min(last, p.above+node.Content[j].Line-1)
			}
		}
		at := p.above + key.Line - 1 - line
		if strings.TrimSpace(item[at][key.Column-1:]) != "patch:" {
			return nil, "", toPatches
		}
		with = append(with, item[:at]...)
		with = append(with, strings.TrimRight(item[at], " \r")+" |")
		with = append(with, shifted(item[at+1:last-line], "  ")...)
		with = append(with, item[last-line:]...)
	}
	return with, "patches", ""
}

// items returns the lines of each item of a list in block style; false where
// the list is written otherwise, or there are patches already.
func (p place) items() ([][]string, bool) {
	other, _ := lookup(p.in, "patches")
	if other != nil || p.first() || p.value.Kind != yaml.SequenceNode || p.value.Style&yaml.FlowStyle != 0 || len(p.value.Content) == 0 || p.twice() {
		return nil, false
	}
	var out [][]string
	for i, item := range p.value.Content {
		from, to := p.above+item.Line-1, p.to
		if i+1 < len(p.value.Content) {
			to = p.above + p.value.Content[i+1].Line - 1
		}
		if !strings.HasPrefix(strings.TrimLeft(p.lines[from], " "), "- ") || i == 0 && from <= p.from {
			return nil, false
		}
		out = append(out, p.lines[from:to])
	}
	return out, true
}

// twice tells whether both old lists are there, which would become one.
func (p place) twice() bool {
	merge, _ := lookup(p.in, "patchesStrategicMerge")
	json, _ := lookup(p.in, "patchesJson6902")
	return merge != nil && json != nil
}

// head is the key as patches, and the comments before the first item.
func (p place) head() []string {
	line, start := p.lines[p.from], p.key.Column-1
	out := []string{line[:start] + "patches" + line[start+len(p.key.Value):]}
	return append(out, p.lines[p.from+1:p.above+p.value.Content[0].Line-1]...)
}

// deeper puts what follows the dash of an item below a key of the item.
func deeper(item []string, key string) []string {
	dash := strings.Index(item[0], "-")
	out := []string{item[0][:dash] + "- " + key}
	body := append([]string{item[0][:dash] + " " + item[0][dash+1:]}, item[1:]...)
	return append(out, shifted(body, "  ")...)
}

// shifted moves lines that become a text to the right, together: what stands
// left of the first one, as comments may, would end the text.
func shifted(lines []string, by string) []string {
	out := make([]string, len(lines))
	least := -1
	for i, line := range lines {
		if strings.TrimSpace(line) == "" {
			out[i] = line
			continue
		}
		if least < 0 {
			least = indent(line)
		}
		out[i] = by + strings.Repeat(" ", max(0, least-indent(line))) + line
	}
	return out
}
