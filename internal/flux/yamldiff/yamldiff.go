// Package yamldiff reports how two objects differ, as `flux diff kustomization`
// prints it: the human report of homeport/dyff v1.10.2 without header, indent
// and colours, for a terminal of 80 columns.
//
//	fmt.Print(yamldiff.Report(live, merged))
//
//	spec.replicas
//	± value change
//	- 1
//	+ 2
//
// Lists are compared by what names their items (name, key, id…) where they have
// that. It is pure; secrets must be masked before.
package yamldiff

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	sigs "sigs.k8s.io/yaml"
)

// Report tells how after differs from before, path by path; both are what JSON
// decodes to. Equal values give a line end.
func Report(before, after any) (string, error) {
	a, err := node(before)
	if err != nil {
		return "", err
	}
	b, err := node(after)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, d := range compare(nil, a, b) {
		d.write(&out)
	}
	out.WriteString("\n")
	return out.String(), nil
}

// node is a value as YAML has it, keys sorted.
func node(value any) (*yaml.Node, error) {
	text, err := sigs.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	return doc.Content[0], nil
}

// difference is what differs at one path.
type difference struct {
	path   []string
	blocks []string
}

func (d difference) write(out *strings.Builder) {
	path := strings.Join(d.path, ".")
	if len(d.path) == 0 {
		path = "(root level)"
	}
	out.WriteString("\n" + path + "\n")
	out.WriteString(beside(0, d.blocks...))
}

// compare returns the differences of two nodes, those of the nodes themselves
// first.
func compare(path []string, a, b *yaml.Node) []difference {
	switch {
	case a.Kind != b.Kind || a.Tag != b.Tag:
		return []difference{{path, []string{typeChange(a, b)}}}
	case a.Kind == yaml.MappingNode:
		return mappings(path, a, b)
	case a.Kind == yaml.SequenceNode:
		return sequences(path, a, b)
	case a.Value != b.Value:
		return []difference{{path, []string{valueChange(a, b)}}}
	}
	return nil
}

// under is the path of what has a name, where it has one.
func under(path []string, name string) []string {
	if name == "" {
		return path
	}
	return append(path[:len(path):len(path)], name)
}

func mappings(path []string, a, b *yaml.Node) []difference {
	var below []difference
	removed := &yaml.Node{Kind: yaml.MappingNode, Tag: a.Tag}
	added := &yaml.Node{Kind: yaml.MappingNode, Tag: b.Tag}
	for i := 0; i+1 < len(a.Content); i += 2 {
		key := a.Content[i]
		if other := lookup(b, key.Value); other != nil {
			below = append(below, compare(under(path, key.Value), a.Content[i+1], other)...)
		} else {
			removed.Content = append(removed.Content, key, a.Content[i+1])
		}
	}
	for i := 0; i+1 < len(b.Content); i += 2 {
		if lookup(a, b.Content[i].Value) == nil {
			added.Content = append(added.Content, b.Content[i], b.Content[i+1])
		}
	}
	return packed(difference{path: path}, removed, added, below)
}

// packed puts what was removed and added at a path, after what d says of it
// already, before what differs below.
func packed(d difference, removed, added *yaml.Node, below []difference) []difference {
	if len(removed.Content) > 0 {
		d.blocks = append(d.blocks, entries('-', "removed", removed))
	}
	if len(added.Content) > 0 {
		d.blocks = append(d.blocks, entries('+', "added", added))
	}
	if len(d.blocks) == 0 {
		return below
	}
	return append([]difference{d}, below...)
}

func lookup(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func sequences(path []string, a, b *yaml.Node) []difference {
	if len(a.Content) == 0 && len(b.Content) == 0 {
		return nil
	}
	if name := naming(a, b); name != nil {
		return named(path, name, a, b)
	}
	if len(a.Content) == 1 && len(b.Content) == 1 {
		return compare(under(path, "0"), a.Content[0], b.Content[0])
	}
	return plain(path, a, b)
}

// named compares lists whose items have names.
func named(path []string, name func(*yaml.Node) string, a, b *yaml.Node) []difference {
	var below []difference
	var namesA, namesB []string
	removed, added := &yaml.Node{Kind: yaml.SequenceNode}, &yaml.Node{Kind: yaml.SequenceNode}
	for _, item := range a.Content {
		other := find(b, name, name(item))
		if other == nil {
			removed.Content = append(removed.Content, item)
			continue
		}
		below = append(below, compare(under(path, name(item)), item, other)...)
		namesA = append(namesA, name(item))
	}
	for _, item := range b.Content {
		if find(a, name, name(item)) == nil {
			added.Content = append(added.Content, item)
		} else {
			namesB = append(namesB, name(item))
		}
	}
	return packed(difference{path, orderChange(namesA, namesB)}, removed, added, below)
}

func find(list *yaml.Node, name func(*yaml.Node) string, wanted string) *yaml.Node {
	for _, item := range list.Content {
		if name(item) == wanted {
			return item
		}
	}
	return nil
}

// plain compares lists by the values that are in them.
func plain(path []string, a, b *yaml.Node) []difference {
	inA, inB := counts(a), counts(b)
	missing := func(from *yaml.Node, have, other map[string]int) (gone *yaml.Node, common []*yaml.Node) {
		gone = &yaml.Node{Kind: yaml.SequenceNode}
		seen := map[string]bool{}
		for _, item := range from.Content {
			id := identity(item)
			switch {
			case other[id] == 0:
				gone.Content = append(gone.Content, item)
				continue
			case have[id] > other[id] && !seen[id]:
				for range have[id] - other[id] {
					gone.Content = append(gone.Content, item)
				}
			}
			seen[id] = true
			common = append(common, item)
		}
		return gone, common
	}
	removed, commonA := missing(a, inA, inB)
	added, commonB := missing(b, inB, inA)
	var order []string
	if len(commonA) == len(commonB) {
		order = orderChange(shown(commonA), shown(commonB))
	}
	return packed(difference{path, order}, removed, added, nil)
}

func counts(list *yaml.Node) map[string]int {
	out := map[string]int{}
	for _, item := range list.Content {
		out[identity(item)]++
	}
	return out
}

// identity is the same for equal nodes.
func identity(n *yaml.Node) string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(int(n.Kind)) + strconv.Quote(n.Value) + "[") // upstream tells no "1" from 1 in lists
	for _, c := range n.Content {
		b.WriteString(identity(c))
	}
	b.WriteString("]")
	return b.String()
}

func shown(items []*yaml.Node) []string {
	out := make([]string, len(items))
	for i, item := range items {
		if out[i] = item.Value; out[i] == "" {
			out[i] = text(item)
		}
	}
	return out
}
