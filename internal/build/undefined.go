package build

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/envsubst/parse"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/words"
)

// Undefined is a variable that has no value and no default where it is used, so
// that it became empty. A strict substitution refuses it instead.
type Undefined struct {
	Name   string
	Object object.Key // that uses it
	Field  string     // of the object, as in spec.values.host; empty where it is in a key
	// At is the file and line that uses it, "apps/web.yaml:12"; empty where no
	// file that was read does.
	At string
}

// maxUndefined bounds what a build tells of undefined variables.
const maxUndefined = 500

// missing collects undefined variables while resources are substituted.
type missing struct {
	any   bool // in the present resource, with or without a default
	found []Undefined
}

// noteMissing notes the variables of a resource that are defined nowhere; text is
// as it was before substitution.
func (v variables) noteMissing(res *resource.Resource, text string) {
	t, err := parse.Parse(text)
	if err != nil {
		return // unreachable: it was substituted
	}
	names := map[string]bool{}
	v.emptied(t.Root, names)
	var values map[string]any
	if yaml.Unmarshal([]byte(text), &values) != nil {
		values = nil
	}
	id := res.CurId()
	key := object.Key{Group: id.Group, Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fields := fieldsWith(values, name, "")
		if len(fields) == 0 {
			fields = []string{""}
		}
		for _, field := range fields {
			if len(v.missing.found) < maxUndefined {
				v.missing.found = append(v.missing.found, Undefined{Name: name, Object: key, Field: field})
			}
		}
	}
}

// emptied adds the undefined variables of a node whose value becomes empty.
func (v variables) emptied(n parse.Node, into map[string]bool) {
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			v.emptied(c, into)
		}
	case *parse.FuncNode:
		if _, known := v.values[n.Param]; known {
			return
		}
		if !hasDefault(n.Name) {
			into[n.Param] = true
			return
		}
		for _, c := range n.Args {
			v.emptied(c, into)
		}
	}
}

// hasDefault tells whether a function says what stands for a variable that is
// not defined (fluxcd/pkg/envsubst v1.8.0 template.go).
func hasDefault(function string) bool {
	return slices.Contains([]string{"-", "+", "=", "?", ":-", ":+", ":=", ":?"}, function)
}

// fieldsWith returns the fields whose text uses a variable, in order.
func fieldsWith(value any, name, at string) []string {
	var out []string
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			out = append(out, fieldsWith(value[key], name, strings.TrimPrefix(at+"."+key, "."))...)
		}
	case []any:
		for i, item := range value {
			out = append(out, fieldsWith(item, name, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case string:
		if uses(value, name) >= 0 {
			out = append(out, at)
		}
	}
	return out
}

// uses returns where a text uses a variable, -1 where it does not.
func uses(text, name string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], "${"+name)
		if i < 0 {
			return -1
		}
		end := from + i + len("${"+name)
		if end < len(text) && text[end] != '_' && !isLetter(text[end]) && !isDigit(text[end]) {
			return from + i
		}
		from = end
	}
}

// placed adds the file and line to each: of the files that were read and use the
// variable the one that also names the object.
func (p *port) placed(found []Undefined) []Undefined {
	if len(found) == 0 {
		return nil
	}
	texts := p.texts()
	out := slices.Clone(found)
	for i, u := range out {
		best := 0
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			text := texts[name]
			at := uses(text, u.Name)
			if at < 0 {
				continue
			}
			score := 1
			if strings.Contains(text, u.Object.Name) {
				score = 2
			}
			if score > best {
				best = score
				out[i].At = fmt.Sprintf("%s:%d", display(name), 1+strings.Count(text[:at], "\n"))
			}
		}
	}
	return out
}

// unset adds to the error of a strict substitution all variables that the resource
// lacks, where each is used, and what to do. It begins as Flux words it.
func (p *port) unset(err error) error {
	var where []string
	for _, u := range p.placed(p.undefined) {
		text := u.Name
		if u.At != "" {
			text += " at " + u.At
		}
		if !slices.Contains(where, text) {
			where = append(where, text)
		}
	}
	p.undefined = nil
	if len(where) == 0 {
		return err
	}
	return fmt.Errorf("%w; define in spec.postBuild, or with a default (${name:=value}): %s", err, words.Some(where))
}

// texts returns the files that the last attempt read and that have variables.
func (p *port) texts() map[string]string {
	out := map[string]string{}
	for name := range p.reads {
		at, err := p.locate(name)
		if err != nil || at.tree.Lookup(at.rel).Kind != tree.File {
			continue
		}
		if data, err := at.tree.ReadFile(at.rel); err == nil && strings.Contains(string(data), "${") {
			out[name] = string(data)
		}
	}
	return out
}
