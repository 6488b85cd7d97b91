package migrate

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// gone are fields that the newest version of a kind does not have
// (reference, section 1.5) and what becomes of them.
var gone = map[string][]field{
	"GitRepository": {{[]string{"spec", "gitImplementation"}, remove}, {[]string{"spec", "accessFrom"}, remove}},
	"Bucket":        {{[]string{"spec", "accessFrom"}, remove}},
	"HelmChart":     {{[]string{"spec", "accessFrom"}, remove}, {[]string{"spec", "valuesFile"}, listOfOne}},
	"Kustomization": {
		{[]string{"spec", "validation"}, remove},
		{[]string{"spec", "patchesStrategicMerge"}, mergePatches},
		{[]string{"spec", "patchesJson6902"}, jsonPatches},
	},
	"HelmRelease": {
		{[]string{"spec", "chart", "spec", "valuesFile"}, listOfOne},
		{[]string{"spec", "postRenderers", "*", "kustomize", "patchesStrategicMerge"}, mergePatches},
		{[]string{"spec", "postRenderers", "*", "kustomize", "patchesJson6902"}, jsonPatches},
	},
}

// field is a path with * for every item of a list.
type field struct {
	path    []string
	rewrite rewriter
}

// place is a field that was found: its key and value, in the lines of a file,
// up to the next key.
type place struct {
	lines      []string // of the file
	key, value *yaml.Node
	in         *yaml.Node // the mapping
	from, to   int        // lines of the field
	above      int        // lines of the file above the document
}

// rewriter returns the new lines of a field and its new name, "" where it is
// removed; or what a person has to do.
type rewriter func(p place) (with []string, name, note string)

// fields rewrites what is gone from the objects whose version is changed.
func (r *Result) fields(lines []string, versions []edit) []edit {
	changed := map[int]bool{}
	for _, e := range versions {
		changed[e.from] = true
	}
	var out []edit
	for _, d := range documents(lines) {
		var doc yaml.Node
		if yaml.Unmarshal(d.text(lines), &doc) != nil || len(doc.Content) == 0 {
			r.unparsed(d, changed)
			continue
		}
		for _, obj := range objects(doc.Content[0]) {
			if version, _ := lookup(obj, "apiVersion"); version != nil && changed[d.from+version.Line-1] {
				out = append(out, r.object(place{lines: lines, above: d.from, to: d.to}, obj)...)
			}
		}
	}
	return out
}

// unparsed notes that nobody looked into a document that is changed.
func (r *Result) unparsed(d document, changed map[int]bool) {
	for i := d.from; i < d.to; i++ {
		if changed[i] {
			r.Notes = append(r.Notes, Note{i + 1, "the document is no plain YAML, only its apiVersion is changed; look for fields that are gone"})
			return
		}
	}
}

// objects returns an object, or the items of a List.
func objects(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	if items, _ := lookup(n, "items"); items != nil && items.Kind == yaml.SequenceNode {
		return items.Content
	}
	return []*yaml.Node{n}
}

func (r *Result) object(p place, obj *yaml.Node) []edit {
	kind, _ := lookup(obj, "kind")
	if kind == nil {
		return nil
	}
	var out []edit
	for _, f := range gone[kind.Value] {
		for _, found := range p.find(obj, f.path) {
			with, name, note := f.rewrite(found)
			old := strings.Join(f.path, ".")
			if note != "" {
				r.Notes = append(r.Notes, Note{found.from + 1, fmt.Sprintf("%s %s is gone: %s", kind.Value, old, note)})
				continue
			}
			change := Change{found.from + 1, kind.Value, old, ""}
			if name != "" {
				change.New = strings.Join(append(f.path[:len(f.path)-1:len(f.path)-1], name), ".")
			}
			r.Changes = append(r.Changes, change)
			out = append(out, edit{found.from, found.to, crlf(p.lines[found.from], with)})
		}
	}
	return out
}

// find returns the places of a path below a node. p.to is the line after the
// node.
func (p place) find(n *yaml.Node, path []string) []place {
	if path[0] == "*" {
		var out []place
		if n.Kind == yaml.SequenceNode {
			for i, item := range n.Content {
				below := p
				if i+1 < len(n.Content) {
					below.to = p.above + n.Content[i+1].Line - 1
				}
				out = append(out, below.find(item, path[1:])...)
			}
		}
		return out
	}
	if n.Kind != yaml.MappingNode || n.Style&yaml.FlowStyle != 0 {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != path[0] {
			continue
		}
		below := p
		below.key, below.value, below.in = n.Content[i], n.Content[i+1], n
		below.from = p.above + below.key.Line - 1
		if i+2 < len(n.Content) {
			below.to = p.above + n.Content[i+2].Line - 1
		}
		below.to = below.end()
		if len(path) == 1 {
			return []place{below}
		}
		return below.find(below.value, path[1:])
	}
	return nil
}

// end leaves blank lines and comments before the next key to that key.
func (p place) end() int {
	to := p.to
	for to > p.from+1 && blank(p.lines[to-1]) {
		to--
	}
	return to
}

func lookup(n *yaml.Node, name string) (value, key *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1], n.Content[i]
		}
	}
	return nil, nil
}
