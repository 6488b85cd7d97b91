package provenance

import (
	"context"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// maxHops bounds the units that one answer leads through: the spec of a unit is
// a field of what its parent made.
const maxHops = 8

// question asks for one field of an object.
type question struct {
	key     object.Key
	pointer string
}

// located is an answer; its leaf is what was verified, nil for none.
type located struct {
	origin fleet.Origin
	leaf   *leaf
}

// finder answers questions about one side. Answers are remembered.
type finder struct {
	side, other Fleet
	units       map[object.Key]*fleet.Unit
	owners      map[object.Key]object.Key // by object
	sites       map[object.Key]*site
	releases    map[object.Key]*release
	known       map[question]located
	work        *work
}

func newFinder(side, other Fleet, w *work) *finder {
	f := &finder{
		side: side, other: other, work: w, units: map[object.Key]*fleet.Unit{}, owners: map[object.Key]object.Key{},
		sites: map[object.Key]*site{}, releases: map[object.Key]*release{}, known: map[question]located{},
	}
	units := side.Rendered().Units
	for i := range units {
		f.units[units[i].Key] = &units[i]
		for _, o := range units[i].Objects {
			f.owners[o.Ref.Key] = units[i].Key
		}
	}
	return f
}

// site returns the build of a unit; nil where it was not built.
func (f *finder) site(unit object.Key) *site {
	if s, ok := f.sites[unit]; ok {
		return s
	}
	var s *site
	if b, ok := f.side.Build(unit); ok {
		var other Build
		if f.other != nil {
			other, _ = f.other.Build(unit)
		}
		s = newSite(unit, b, other)
	}
	f.sites[unit] = s
	return s
}

// fields answers questions about what one unit made. Those without an answer
// are missing in what it returns.
func (f *finder) fields(ctx context.Context, unit object.Key, asks []question, hops int) (map[question]located, error) {
	out := map[question]located{}
	var open []question
	for _, q := range asks {
		if have, ok := f.known[q]; ok {
			out[q] = have
		} else if !slices.Contains(open, q) {
			open = append(open, q)
		}
	}
	if len(open) == 0 || hops > maxHops {
		return present(out), nil
	}
	for _, q := range open {
		f.known[q] = located{} // who asks again on the way gets no answer, rather than a circle
	}
	var err error
	switch s := f.site(unit); {
	case s != nil:
		err = f.built(ctx, s, open, hops)
	case f.side.Chart(unit) != nil:
		err = f.charted(ctx, unit, open, hops)
	}
	for _, q := range open {
		out[q] = f.known[q]
	}
	return present(out), err
}

func present(all map[question]located) map[question]located {
	for q, l := range all {
		if l.origin.File == "" && len(l.origin.Chain) == 0 {
			delete(all, q)
		}
	}
	return all
}

// field answers one question.
func (f *finder) field(ctx context.Context, unit object.Key, q question, hops int) (located, error) {
	found, err := f.fields(ctx, unit, []question{q}, hops)
	return found[q], err
}

// built answers from the build of a Kustomization.
func (f *finder) built(ctx context.Context, s *site, asks []question, hops int) error {
	prepared := s.prepare(asks)
	if err := s.solve(ctx, prepared, f.work); err != nil {
		return err
	}
	vars, err := f.variables(ctx, s, prepared)
	if err != nil {
		return err
	}
	for _, a := range prepared {
		if a.found == nil {
			continue
		}
		at, err := f.locate(ctx, s, a, hops)
		if err != nil {
			return err
		}
		for _, name := range vars[a] {
			if at, err = f.substituted(ctx, s, substitution{at, a.found, name}, hops); err != nil {
				return err
			}
		}
		f.known[a.question] = at
	}
	return nil
}

// locate says where the leaf of a question stands.
func (f *finder) locate(ctx context.Context, s *site, a *asked, hops int) (located, error) {
	l := a.found
	line := s.lineOfLeaf(l)
	if i := len(l.path) - len(a.rest) - 1; len(a.rest) > 0 && i >= 0 && commonTail(l.path, a.full()) > len(a.rest) {
		line = l.lines[i]
	}
	manifest := s.manifest(ctx, a.index, f.work)
	chain := append(manifest.Chain, links(s, l, line)...)
	if l.in.file != "" {
		if l.kind == "" {
			chain = append([]fleet.Link{{Kind: "base", File: l.in.file, Line: line}}, s.graph.chain(l.in.file)...)
		}
		return located{fleet.Origin{Source: f.source(s.unit), File: l.in.file, Line: line, Chain: chain}, l}, nil
	}
	return f.spec(ctx, s.unit, located{fleet.Origin{Line: line, Chain: chain}, l}, hops)
}

// links is what a leaf that is no manifest's adds to a chain.
func links(s *site, l *leaf, line int) []fleet.Link {
	if l.kind == "" || l.in.file == "" {
		return nil
	}
	link := fleet.Link{Kind: l.kind, File: l.in.file, Line: line, Note: l.note}
	if by, ok := s.graph.by[l.in.file]; ok && !s.graph.kustomizations[l.in.file] {
		link.Note = by.field + " in " + at(by)
	}
	return []fleet.Link{link}
}

func at(by naming) string { return fleet.Origin{File: by.file, Line: by.line}.At() }

// spec goes on from a field of a unit's own spec to what wrote that.
func (f *finder) spec(ctx context.Context, unit object.Key, from located, hops int) (located, error) {
	link := fleet.Link{Kind: "spec", Note: from.leaf.note + " of " + unit.String()}
	parent, ok := f.parent(unit)
	if !ok {
		return located{fleet.Origin{Chain: append(from.origin.Chain, link)}, from.leaf}, nil
	}
	found, err := f.field(ctx, parent, question{unit, from.leaf.in.field}, hops+1)
	if err != nil {
		return located{}, err
	}
	o, l := found.origin, found.leaf
	if l != nil && l.block && o.File == l.in.file {
		o.Line = l.line + from.origin.Line
		inner := *from.leaf
		inner.in, inner.line = place{file: o.File}, o.Line
		l = &inner
	}
	link.File, link.Line = o.File, o.Line
	o.Chain = append(append(slices.Clip(from.origin.Chain), link), o.Chain...)
	return located{o, l}, nil
}

// parent is the unit that made a unit.
func (f *finder) parent(unit object.Key) (object.Key, bool) {
	if u := f.units[unit]; u != nil && !u.Parent.IsZero() {
		return u.Parent, true
	}
	owner, ok := f.owners[unit]
	return owner, ok
}

func (f *finder) source(unit object.Key) object.Key {
	if u := f.units[unit]; u != nil {
		return u.Source
	}
	return object.Key{}
}

// manifest says where an object of a build was written as a whole. Where more
// than one file, or none, has an object of its name, kustomize is asked.
func (s *site) manifest(ctx context.Context, i int, w *work) fleet.Origin {
	ref := s.build.Outcome.Result.Objects[i].Ref
	o, line := s.named(ref)
	if o.File == "" {
		if o = s.annotated(ctx, ref, w); o.File == "" {
			return fleet.Origin{}
		}
		line = s.lineOf(o.File, ref)
	}
	if o.Repo != "" {
		file := o.Repo + "//" + o.File
		return fleet.Origin{File: file, Chain: []fleet.Link{{Kind: "base", File: file}}}
	}
	kind := "base"
	if o.Generated {
		kind = "generator"
	}
	chain := append([]fleet.Link{{Kind: kind, File: o.File, Line: line}}, s.graph.chain(o.File)...)
	return fleet.Origin{File: o.File, Line: line, Chain: chain}
}

// named finds the only manifest with the name of an object, and its line.
func (s *site) named(ref object.Ref) (found build.Origin, line int) {
	for _, file := range s.files {
		if kind := s.graph.role(file); kind != "base" && kind != "component" || s.graph.kustomizations[file] || !isYAML(file) {
			continue
		}
		data, err := s.build.Tree.ReadFile(file)
		if err != nil || !strings.Contains(string(data), ref.Name) {
			continue
		}
		for _, d := range s.docsOf(file, data) {
			if d.kind != ref.Kind || d.name != ref.Name {
				continue
			}
			if found.File != "" {
				return build.Origin{}, 0
			}
			found.File, line = file, d.line
		}
	}
	return found, line
}

// annotated is what kustomize says of the origin of an object; empty where it does
// not know.
func (s *site) annotated(ctx context.Context, ref object.Ref, w *work) build.Origin {
	if s.origins == nil {
		s.origins = map[object.Ref]build.Origin{}
		if w.builds > 0 && ctx.Err() == nil {
			w.builds--
			if found, err := build.Origins(ctx, s.build.Tree, s.build.Recipe, s.build.Options); err == nil {
				s.origins = found
			}
		}
	}
	return s.origins[ref]
}

// lineOf is the line on which an object begins in a file; 0 where that is not
// certain.
func (s *site) lineOf(file string, ref object.Ref) int {
	data, err := s.build.Tree.ReadFile(file)
	if err != nil {
		return 0
	}
	docs := s.docsOf(file, data)
	best, line := 0, 0
	for _, d := range docs {
		fit := (&leaf{doc: d}).identity(sought{kind: ref.Kind, name: ref.Name})
		if fit > best {
			best, line = fit, d.line
		} else if fit == best {
			line = 0
		}
	}
	return line
}

// docsOf returns the objects of a file, or those that a kustomization generates.
func (s *site) docsOf(file string, data []byte) []*doc {
	if docs, ok := s.docs[file]; ok {
		return docs
	}
	found := parse(place{file: file}, data)
	docs := found.docs
	if s.graph.kustomizations[file] {
		docs = generators(found.leaves)
	}
	s.docs[file] = docs
	return docs
}

// generators are the objects that a kustomization generates.
func generators(leaves []*leaf) []*doc {
	kinds := map[string]string{"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}
	var out []*doc
	for _, l := range leaves {
		if len(l.path) == 3 && kinds[l.path[0]] != "" && l.path[2] == "name" {
			out = append(out, &doc{kind: kinds[l.path[0]], name: l.value, line: l.lines[1]})
		}
	}
	return out
}
