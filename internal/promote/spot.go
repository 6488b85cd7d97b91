package promote

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/edit"
)

// document is one of a file's, with what names it in any of the texts.
type document struct {
	id   edit.Document
	kind string
	root *yaml.Node
}

// documents names those of several texts in one way: not at all where each text
// has one, by kind and name where that is clear, by number otherwise.
func documents(texts ...[]*yaml.Node) [][]document {
	single := !slices.ContainsFunc(texts, func(docs []*yaml.Node) bool { return len(docs) > 1 })
	out := make([][]document, len(texts))
	for i, docs := range texts {
		for n, root := range docs {
			d := document{kind: scalar(edit.Child(root, "kind")), root: root}
			if !single {
				d.id = identity(docs, n)
			}
			out[i] = append(out[i], d)
		}
	}
	return out
}

func identity(docs []*yaml.Node, n int) edit.Document {
	id := nameOf(docs[n])
	for i, other := range docs {
		if i != n && nameOf(other) == id || id.Kind == "" || id.Name == "" {
			return edit.Document{Number: n + 1}
		}
	}
	return id
}

func nameOf(root *yaml.Node) edit.Document {
	meta := edit.Child(root, "metadata")
	return edit.Document{Kind: scalar(edit.Child(root, "kind")), Namespace: scalar(edit.Child(meta, "namespace")), Name: scalar(edit.Child(meta, "name"))}
}

func with(docs []document, id edit.Document) document {
	for _, d := range docs {
		if d.id == id {
			return d
		}
	}
	return document{}
}

func scalar(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// entry is a key or an item with its step from above.
type entry struct {
	step edit.Step
	node *yaml.Node
}

// entriesOf are the keys of a mapping, or the items of a list by what names them
// in every one of the lists; false for others.
func entriesOf(lists []*yaml.Node, sets bool) ([][]entry, bool) {
	out := make([][]entry, len(lists))
	kind := yaml.Kind(0)
	for _, n := range lists {
		if n != nil && kind != 0 && n.Kind != kind {
			return nil, false
		}
		if n != nil {
			kind = n.Kind
		}
	}
	for i, n := range lists {
		var ok bool
		if n == nil {
			continue
		}
		if kind == yaml.MappingNode {
			out[i], ok = keys(n)
		} else if kind == yaml.SequenceNode {
			out[i], ok = items(n, sets)
		}
		if !ok {
			return nil, false
		}
	}
	return out, kind != 0
}

func keys(n *yaml.Node) ([]entry, bool) {
	var out []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || find(out, edit.Step{Key: key.Value}) != nil {
			return nil, false
		}
		out = append(out, entry{edit.Step{Key: key.Value}, n.Content[i+1]})
	}
	return out, len(out) > 0
}

// items are those of a list whose items have different names, or, as a set, of
// different texts.
func items(n *yaml.Node, sets bool) ([]entry, bool) {
	var out []entry
	for i, item := range n.Content {
		step := edit.Step{Item: true, Index: i, Field: "name", Value: scalar(edit.Child(item, "name"))}
		if sets && item.Kind == yaml.ScalarNode {
			step.Field, step.Value = ".", item.Value
		}
		if step.Value == "" || find(out, step) != nil {
			return nil, false
		}
		out = append(out, entry{step, item})
	}
	return out, len(out) > 0
}

// find returns the node of the same key or name; nil where there is none.
func find(in []entry, step edit.Step) *yaml.Node {
	for _, e := range in {
		if e.step.Key == step.Key && e.step.Item == step.Item && e.step.Field == step.Field && e.step.Value == step.Value {
			return e.node
		}
	}
	return nil
}

// fileLists are the fields of a kustomization whose order tells nothing, each item
// a file.
var fileLists = []string{"resources", "components", "crds", "bases", "configurations", "generators", "transformers", "patchesStrategicMerge"}

func isSet(file string, steps []edit.Step) bool {
	name := path.Base(file)
	return (name == "kustomization.yaml" || name == "kustomization.yml" || name == "Kustomization") &&
		len(steps) == 1 && slices.Contains(fileLists, steps[0].Key)
}

// equal tells whether two nodes say the same; comments, styles and the order of
// keys do not count.
func equal(a, b *yaml.Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Kind != b.Kind || a.Kind == yaml.ScalarNode && a.ShortTag() != b.ShortTag() || len(a.Content) != len(b.Content) || a.Kind != yaml.MappingNode && a.Value != b.Value {
		return false
	}
	if a.Kind == yaml.MappingNode {
		mine, ok := keys(a)
		theirs, also := keys(b)
		if ok && also {
			return !slices.ContainsFunc(mine, func(e entry) bool { return !equal(e.node, find(theirs, e.step)) })
		}
	}
	for i, c := range a.Content {
		if !equal(c, b.Content[i]) {
			return false
		}
	}
	return true
}

// maxBrief is how long a list is shown with its items, in bytes.
const maxBrief = 60

// brief is a node in a few words.
func brief(n *yaml.Node) string {
	switch {
	case n == nil:
		return ""
	case n.Kind == yaml.ScalarNode:
		return n.Value
	case n.Kind == yaml.AliasNode:
		return "*" + n.Value
	case n.Kind == yaml.MappingNode:
		return "{" + count(len(n.Content)/2, "key") + "}"
	}
	var texts []string
	for _, item := range n.Content {
		texts = append(texts, item.Value)
	}
	if all := strings.Join(texts, ", "); len(all) <= maxBrief && !slices.Contains(texts, "") {
		return "[" + all + "]"
	}
	return "[" + count(len(n.Content), "item") + "]"
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}
