package build

import (
	"fmt"
	"path"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// What copies within an object can double it each time, so that forty lines make more
// of it than there is memory: a JSON patch with its copy operations, and replacements
// that read what another one, or the same, has written.
const (
	// maxCopied bounds, in bytes, what the operations of one JSON patch may copy within
	// an object. Whole objects are seldom larger: etcd takes 1.5 MiB.
	maxCopied = 1 << 20
	// maxGrown bounds what may become of the lines of a build by such replacements.
	maxGrown = 4 * maxYAMLItems
	// maxReplaced bounds the fields that all replacements of a build name.
	maxReplaced = 4000
	// manyFields is what a wildcard in a field path counts for.
	manyFields = 100
)

func init() { jsonpatch.AccumulatedCopySizeLimit = maxCopied }

// growth is what replacements may make of a build.
type growth struct {
	all    []*replaced
	fields int // that they name
	factor int // by which an object may grow; 0 stands for 1
}

type replaced struct {
	types.Replacement
	chained bool
}

// grow counts the replacements of a kustomization. Those of all levels count together,
// and as often as they are read: what one level makes, the next one copies.
func (p *port) grow(name string, more []types.Replacement) error {
	g, before := &p.growth, len(p.growth.all)
	for _, r := range more {
		if g.fields += 1 + fieldsOf(r); g.fields > maxReplaced {
			return fmt.Errorf("read %s: the replacements of this build name more than %d fields", display(name), maxReplaced)
		}
		g.all = append(g.all, &replaced{Replacement: r})
	}
	for i, r := range g.all {
		beside := g.all
		if i < before {
			beside = g.all[before:]
		}
		if !r.chained && chained(r.Replacement, beside) {
			r.chained = true
			g.factor = min(max(g.factor, 1)*(1+fieldsOf(r.Replacement)), maxGrown+1)
		}
	}
	return p.bounded(name)
}

// bounded refuses a build that replacements may make too large.
func (p *port) bounded(name string) error {
	if p.growth.factor < 2 || p.growth.factor*max(p.items, 1) <= maxGrown {
		return nil
	}
	return fmt.Errorf("read %s: replacements that copy what replacements have written would make more than %d lines of this build; take the value from a field that no replacement writes",
		display(name), maxGrown)
}

// chained tells whether the source of a replacement may hold what one of all writes.
func chained(r types.Replacement, all []*replaced) bool {
	if r.Source == nil {
		return false
	}
	from := r.Source.FieldPath
	if from == "" {
		from = types.DefaultReplacementFieldPath
	}
	for _, other := range all {
		for _, t := range other.Targets {
			if t == nil || t.Select != nil && !maybeKind(t.Select.Kind, r.Source.Kind) {
				continue
			}
			for _, to := range pathsOf(t) {
				if overlap(from, to) {
					return true
				}
			}
		}
	}
	return false
}

// fieldsOf is in about how many places of an object a replacement writes its value.
func fieldsOf(r types.Replacement) int {
	n := 0
	for _, t := range r.Targets {
		if t == nil {
			continue
		}
		for _, to := range pathsOf(t) {
			if strings.Contains(to, "*") {
				n += manyFields
				continue
			}
			n++
		}
	}
	return n
}

func pathsOf(t *types.TargetSelector) []string {
	if len(t.FieldPaths) == 0 {
		return []string{types.DefaultReplacementFieldPath}
	}
	return t.FieldPaths
}

// maybeKind tells whether a kind may be one that is selected, which is a pattern.
func maybeKind(selected, kind string) bool {
	plain := strings.IndexFunc(selected, func(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') }) < 0
	return kind == "" || selected == "" || !plain || selected == kind
}

// overlap tells whether one of two field paths may lead to the other, or into it.
func overlap(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] && !strings.ContainsAny(as[i]+bs[i], `*[]\`) {
			return false
		}
	}
	return true
}

// replacementsOf returns the replacements of a kustomization that stand in it, and in
// files that it names.
func (p *port) replacementsOf(dir string, fields []types.ReplacementField) []types.Replacement {
	var out []types.Replacement
	for _, f := range fields {
		if f.Path == "" {
			out = append(out, f.Replacement)
			continue
		}
		data, err := p.raw(path.Join(dir, f.Path))
		if err != nil || guard(f.Path, data) != nil {
			continue // who reads it says so
		}
		var several []types.Replacement
		var one types.Replacement
		if yaml.Unmarshal(data, &several) == nil {
			out = append(out, several...)
		} else if yaml.Unmarshal(data, &one) == nil {
			out = append(out, one)
		}
	}
	return out
}

// inPlugin returns the replacements that a configuration of transformers has.
func (p *port) inPlugin(dir string, data []byte) []types.Replacement {
	var out []types.Replacement
	for _, doc := range strings.Split("\n"+string(data), "\n---") {
		var t struct {
			Kind         string                   `json:"kind"`
			Replacements []types.ReplacementField `json:"replacements"`
		}
		if strings.Contains(doc, "replacements") && yaml.Unmarshal([]byte(doc), &t) == nil {
			out = append(out, p.replacementsOf(dir, t.Replacements)...)
		}
	}
	return out
}
