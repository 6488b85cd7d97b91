package provenance

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/konfig"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/tree"
)

// graph says which kustomization names which file, and as what.
type graph struct {
	tree tree.Tree
	// by holds the first naming of each file or directory.
	by map[string]naming
	// kustomizations holds those that were walked, by file.
	kustomizations map[string]bool
	pairs          []pair
}

// naming is one reference from a kustomization.
type naming struct {
	file  string // of the kustomization
	line  int
	field string // as which: resources, components, patches, …
}

// pair is one file that a generator takes in.
type pair struct {
	file   string
	key    string // in data; empty where each line of the file is one
	object string // name of the generated object
}

// kinds of links by the field of a kustomization.
var linkKinds = map[string]string{
	"resources": "base", "bases": "base", "components": "component",
	"patches": "patch", "patchesStrategicMerge": "patch", "patchesJson6902": "patch",
	"configMapGenerator": "generator", "secretGenerator": "generator", "generators": "generator", "helmCharts": "generator",
}

// kindOf is the kind of link of what a field of a kustomization does.
func kindOf(field string) string {
	if kind, ok := linkKinds[field]; ok {
		return kind
	}
	return "transformer"
}

// walkFrom reads the kustomization of a directory and of all that it leads to.
func walkFrom(t tree.Tree, dir string) *graph {
	g := &graph{tree: t, by: map[string]naming{}, kustomizations: map[string]bool{}}
	g.directory(path.Clean("/" + dir)[1:])
	return g
}

func (g *graph) directory(dir string) {
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		file := path.Join(dir, base)
		if g.tree.Lookup(file).Kind != tree.File || g.kustomizations[file] {
			continue
		}
		g.kustomizations[file] = true
		data, err := g.tree.ReadFile(file)
		if err != nil || len(data) > maxText {
			return
		}
		var root yaml.Node
		if yaml.Unmarshal(data, &root) == nil && len(root.Content) == 1 {
			g.fields(file, root.Content[0])
		}
		return
	}
}

func (g *graph) fields(file string, root *yaml.Node) {
	if root.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		field, list := root.Content[i].Value, root.Content[i+1]
		if list.Kind != yaml.SequenceNode {
			continue
		}
		for _, item := range list.Content {
			switch {
			case item.Kind == yaml.ScalarNode:
				g.names(file, field, item)
			case child(item, "path") != nil && field != "helmCharts":
				g.names(file, field, child(item, "path"))
			case kindOf(field) == "generator":
				g.generator(file, field, item)
			}
		}
	}
}

// names follows one reference, where it leads to something.
func (g *graph) names(file, field string, at *yaml.Node) {
	target := path.Join(path.Dir(file), at.Value)
	kind := g.tree.Lookup(target).Kind
	if kind == tree.Missing || strings.Contains(at.Value, "\n") {
		return
	}
	if _, named := g.by[target]; !named {
		g.by[target] = naming{file, at.Line, field}
	}
	if kind == tree.Dir {
		g.directory(target)
	}
}

func (g *graph) generator(file, field string, item *yaml.Node) {
	name := text(child(item, "name"))
	add := func(n *yaml.Node, keyed string) {
		key, source, ok := strings.Cut(n.Value, "=")
		if keyed == "" || !ok {
			source, key = n.Value, path.Base(n.Value)
		}
		if keyed == "" {
			key = ""
		}
		target := path.Join(path.Dir(file), source)
		if g.tree.Lookup(target).Kind != tree.File {
			return
		}
		g.pairs = append(g.pairs, pair{target, key, name})
		if _, named := g.by[target]; !named {
			g.by[target] = naming{file, n.Line, field}
		}
	}
	for _, list := range []struct{ field, keyed string }{{"files", "files"}, {"envs", ""}} {
		if n := child(item, list.field); n != nil {
			for _, one := range n.Content {
				add(one, list.keyed)
			}
		}
	}
	if n := child(item, "env"); n != nil {
		add(n, "")
	}
}

// chain returns the kustomizations that lead from a file to the one that is
// built, the nearest first.
func (g *graph) chain(file string) []fleet.Link {
	var out []fleet.Link
	seen := map[string]bool{}
	for at := file; !seen[at]; {
		seen[at] = true
		by, ok := g.by[at]
		if !ok {
			if by, ok = g.by[path.Dir(at)]; !ok || !g.kustomizations[at] {
				break
			}
		}
		out = append(out, fleet.Link{Kind: kindOf(by.field), File: by.file, Line: by.line, Note: by.field})
		at = by.file
	}
	return out
}

// role is the kind of link that a file makes.
func (g *graph) role(file string) string {
	by, ok := g.by[file]
	if !ok {
		return "base"
	}
	return kindOf(by.field)
}

// settings gives the leaves of a kustomization the paths of what they set in
// objects, and says what they are.
func settings(leaves []*leaf) []*leaf {
	out := make([]*leaf, 0, len(leaves))
	for _, l := range leaves {
		if len(l.path) == 0 || l.selects() {
			continue
		}
		copied := *l
		copied.kind, copied.note = kindOf(l.top), l.top
		copied.doc = nil
		if l.doc != nil && l.doc.kind != "Kustomization" && l.doc.kind != "Component" {
			copied.doc = l.doc
		}
		copied.sets(leaves)
		out = append(out, &copied)
	}
	return out
}

// selects tells whether a setting chooses what others change, and so decides of
// no value.
func (l *leaf) selects() bool {
	if len(l.path) < 3 || l.path[0] != l.top {
		return false
	}
	switch l.top {
	case "images", "replicas":
		return l.path[2] == "name"
	case "patches", "patchesJson6902":
		return l.path[2] != "patch"
	case "replacements", "vars":
		return true
	}
	return false
}

// sets rewrites the path of a setting; all are the leaves around it.
func (l *leaf) sets(all []*leaf) {
	last := l.path[len(l.path)-1]
	switch field := l.top; {
	case field == "namespace":
		l.becomes("metadata", "namespace")
	case field == "namePrefix" || field == "nameSuffix":
		l.becomes("metadata", "name")
	case field == "images" && last != "name":
		l.note = "images: " + sibling(all, l, "name")
		l.becomes("image")
	case field == "replicas" && last == "count":
		l.note = "replicas: " + sibling(all, l, "name")
		l.becomes("spec", "replicas")
	case field == "commonLabels" || field == "labels" && slices.Contains(l.path, "pairs"):
		l.becomes("metadata", "labels", last)
	case field == "commonAnnotations":
		l.becomes("metadata", "annotations", last)
	case slices.Contains(l.path, "literals"):
		l.note = field + ": " + sibling(all, l, "name")
		l.literal()
	}
}

func (l *leaf) becomes(to ...string) {
	l.path, l.lines = to, slices.Repeat([]int{l.line}, len(to))
}

// literal takes the key off KEY=value.
func (l *leaf) literal() {
	key, value, ok := strings.Cut(l.value, "=")
	if !ok {
		return
	}
	l.value = strings.Trim(value, `"'`)
	l.becomes("data", key)
	l.doc = &doc{kind: "ConfigMap", name: strings.TrimPrefix(l.note[strings.Index(l.note, ":")+1:], " "), line: l.line}
	if strings.HasPrefix(l.note, "secret") {
		l.doc.kind = "Secret"
	}
}

// sibling returns the value of a field of the same entry of the same list.
func sibling(all []*leaf, of *leaf, field string) string {
	for _, l := range all {
		if len(l.path) == 3 && len(of.path) >= 3 && l.path[0] == of.path[0] && l.path[1] == of.path[1] && l.path[2] == field {
			return l.value
		}
	}
	return ""
}
