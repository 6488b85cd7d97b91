package provenance

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// Places says where things stand by reading alone: nothing is built again, and
// nothing is proven. It is for what a change does not touch, of which there is
// too much to prove. In this order it knows
//
//   - the field, in the object's own document, where that has it with the value
//     that was rendered;
//   - the deepest part of the document that leads to the field;
//   - the line on which the document of the object begins;
//   - of what a chart made, and of objects without a document, the document of
//     the unit, and of a unit that another one made without a file (a HelmChart)
//     that one's.
//
// A field that a patch sets and the document does not have stands where the
// document would have it, not in the patch: Fill finds the patch.
type Places struct {
	finder   *finder
	memory   *Memory
	catalogs map[object.Key]catalog // by unit
}

// Read returns the places of one side.
func Read(side Fleet) *Places { return new(Memory).Read(side) }

// Of is where a field of an object stands; the object is the unit itself where
// the target has none. It has no file where nothing is known.
func (p *Places) Of(t Target) fleet.Origin {
	if !t.Object.IsZero() && t.Object != t.Unit {
		if at := p.document(t); at.File != "" {
			return at
		}
		t.Object, t.Pointer = object.Key{}, ""
	}
	for range maxHops {
		parent, ok := p.finder.parent(t.Unit)
		if !ok {
			break
		}
		if at := p.document(Target{Unit: parent, Object: t.Unit, Pointer: t.Pointer}); at.File != "" {
			return at
		}
		t = Target{Unit: parent}
	}
	return fleet.Origin{}
}

// document is where what a Kustomization made stands in one of its files.
func (p *Places) document(t Target) fleet.Origin {
	s := p.finder.site(t.Unit)
	if s == nil {
		return fleet.Origin{}
	}
	i, ok := s.find(t.Object)
	if !ok {
		return fleet.Origin{}
	}
	file, h, ok := p.best(s, s.build.Outcome.Result.Objects[i].Ref)
	if !ok {
		return fleet.Origin{}
	}
	line := h.line
	if path, err := plan.ParsePointer(t.Pointer); err == nil && len(path) > 0 {
		line = h.field(path, s.object(i))
	}
	return fleet.Origin{Source: p.finder.source(t.Unit), File: file, Line: line, Chain: []fleet.Link{{Kind: "base", File: file, Line: line}}}
}

// best is the document that fits an object best; false where two fit alike, or
// none does.
func (p *Places) best(s *site, ref object.Ref) (file string, found head, ok bool) {
	most := 0
	for _, at := range p.catalogOf(s).likely(ref) {
		switch fit := at.fit(ref); {
		case fit > most:
			most, file, found, ok = fit, at.file, at.head, true
		case fit == most:
			ok = false
		}
	}
	return file, found, ok && most > 0
}

// headsOf are the documents of a file that are no patch.
func (p *Places) headsOf(s *site, file string) []head {
	kustomization := s.graph.kustomizations[file]
	if role := s.graph.role(file); !kustomization && (role != "base" && role != "component" || !isYAML(file)) {
		return nil
	}
	id := s.build.Tree.Lookup(file).ID
	if have, ok := p.memory.of(id); ok && !kustomization {
		return have
	}
	data, err := s.build.Tree.ReadFile(file)
	if err != nil || len(data) > maxText {
		return nil
	}
	if kustomization {
		var out []head
		for _, d := range s.docsOf(file, data) {
			out = append(out, head{kind: d.kind, name: d.name, line: d.line, generated: true})
		}
		return out
	}
	out := heads(data)
	p.memory.keep(id, out)
	return out
}

// head is what a document says of itself.
type head struct {
	apiVersion, kind, name, namespace string

	line      int    // of the first field, from 1
	text      []byte // of the document; nil where it is one of a list
	first     int    // line on which the text begins, from 1
	generated bool
}

// fit says how well a document fits what became of it; 0 rules it out. Names get
// prefixes, suffixes and variables on the way.
func (h head) fit(ref object.Ref) int {
	if h.kind != ref.Kind || h.name == "" || h.another(ref.Group) {
		return 0
	}
	fit := 0
	switch {
	case h.name == ref.Name, h.generated && hashSuffix.ReplaceAllString(ref.Name, "") == h.name:
		fit = 6
	case strings.Contains(h.name, "${"):
		if !template(h.name, ref.Name) {
			return 0
		}
		fit = 3
	case strings.Contains(ref.Name, h.name):
		fit = 1
	default:
		return 0
	}
	switch {
	case h.namespace == ref.Namespace:
		fit++
	case h.namespace != "" && !strings.Contains(h.namespace, "${"):
		fit-- // a transformer may have moved it
	}
	return max(fit, 1)
}

// another tells whether a document says another group: a kind of the same name.
func (h head) another(group string) bool {
	if h.apiVersion == "" || strings.Contains(h.apiVersion, "${") {
		return false
	}
	said, _, grouped := strings.Cut(h.apiVersion, "/")
	return grouped && said != group || !grouped && group != ""
}

// heads finds the documents of a file line by line, which costs a hundredth of
// reading it as YAML; what is no plain mapping is read as YAML all the same.
func heads(data []byte) []head {
	var out []head
	for _, d := range documents(data) {
		h := headOf(d)
		if h.kind == "" || h.name == "" {
			out = append(out, listed(d)...)
			continue
		}
		out = append(out, h)
	}
	return out
}

// documents cuts a text where a line begins with ---.
func documents(data []byte) []head {
	var out []head
	first, from, line := 1, 0, 1
	for at := 0; at < len(data); line++ {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if bytes.HasPrefix(data[at:end], []byte("---")) {
			out = append(out, head{text: data[from:at], first: first})
			from, first = end, line+1
		}
		at = end
	}
	return append(out, head{text: data[from:], first: first})
}

// headOf reads apiVersion, kind, metadata.name and metadata.namespace as they are written
// in nearly every manifest: in block style, without anchors.
func headOf(h head) head {
	inside, indent := false, ""
	n := h.first - 1
	for row := range bytes.Lines(h.text) {
		n++
		text := strings.TrimRight(string(row[:min(len(row), maxHeadLine)]), " \r\n")
		bare := strings.TrimLeft(text, " ")
		if bare == "" || bare[0] == '#' {
			continue
		}
		h.line = cmp.Or(h.line, n)
		margin := text[:len(text)-len(bare)]
		if margin == "" {
			inside, indent = bare == "metadata:", ""
			if value, ok := strings.CutPrefix(bare, "kind:"); ok {
				h.kind = plain(value)
			}
			if value, ok := strings.CutPrefix(bare, "apiVersion:"); ok {
				h.apiVersion = plain(value)
			}
			continue
		}
		if !inside {
			continue
		}
		if indent == "" {
			indent = margin
		}
		if key, value, _ := strings.Cut(bare, ":"); margin == indent {
			switch key {
			case "name":
				h.name = plain(value)
			case "namespace":
				h.namespace = plain(value)
			}
		}
	}
	return h
}

// maxHeadLine bounds what is looked at of one line: names have 253 letters at most.
const maxHeadLine = 512

// plain is a scalar without quotes and comment.
func plain(value string) string {
	value = strings.TrimSpace(value)
	if i := strings.Index(value, " #"); i >= 0 {
		value = strings.TrimSpace(value[:i])
	}
	return strings.Trim(value, `"'`)
}

// listed are the objects of a document that is a list, or in flow style.
func listed(h head) []head {
	if len(bytes.TrimSpace(h.text)) == 0 {
		return nil
	}
	var out []head
	for _, d := range parse(place{}, h.text).docs {
		if d.kind != "" {
			out = append(out, head{apiVersion: d.apiVersion, kind: d.kind, name: d.name, namespace: d.namespace, line: d.line + h.first - 1})
		}
	}
	if len(out) == 1 && !strings.HasSuffix(h.kind, "List") {
		out[0].text, out[0].first = h.text, h.first
	}
	return out
}

// field is the line of a field in a document, or of what leads to it.
func (h head) field(path []string, rendered any) int {
	var root yaml.Node
	if h.text == nil || yaml.Unmarshal(h.text, &root) != nil || len(root.Content) != 1 {
		return h.line
	}
	line := h.line
	for n, at := root.Content[0], 0; at < len(path); at++ {
		next, nextLine := below(n, path[at], rendered)
		if next == nil {
			break
		}
		rendered, _ = valueAt(rendered, path[at:at+1])
		if next.Kind == yaml.ScalarNode && at == len(path)-1 && next.Value != scalar(rendered) && !strings.Contains(next.Value, "${") {
			break // something else wrote what was rendered
		}
		n, line = next, nextLine+h.first-1
	}
	return line
}

// below is one step into a node. An item of a list is the one with the name of the
// rendered one: patches and transformers add to lists.
func below(n *yaml.Node, key string, rendered any) (*yaml.Node, int) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1], n.Content[i].Line
			}
		}
		return nil, 0
	}
	items, _ := rendered.([]any)
	i, ok := itemAt(items, key)
	if n.Kind != yaml.SequenceNode || !ok {
		return nil, 0
	}
	item, _ := items[i].(map[string]any)
	if name, _ := item["name"].(string); name != "" {
		i = slices.IndexFunc(n.Content, func(c *yaml.Node) bool { return text(child(c, "name")) == name })
	}
	if i < 0 || i >= len(n.Content) {
		return nil, 0
	}
	return n.Content[i], n.Content[i].Line
}
