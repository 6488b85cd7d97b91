package build

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/leat-dev/leat/internal/tree"
)

// kustomize runs one attempt over the port and returns each resource, after
// substitution.
func (p *port) kustomize(dir string, r Recipe) (docs []document, err error) {
	withSchema(p.exclusive, func() { docs, err = p.attempt(dir, r) })
	return docs, err
}

func (p *port) attempt(dir string, r Recipe) (docs []document, err error) {
	defer func() {
		if v := recover(); v != nil {
			docs, err = nil, fmt.Errorf("kustomize build failed: recovered from kustomize build panic: %v", v)
		}
	}()
	p.forgetReads()
	if docs, ok := p.asPieces(dir, r); ok {
		p.undefined = nil
		return docs, nil
	}
	all, err := p.resources(dir)
	if err != nil {
		return nil, fmt.Errorf("kustomize build failed: %w", err)
	}
	if docs, p.undefined, err = render(all, r); err != nil && r.Strict {
		err = p.unset(err)
	}
	return docs, err
}

// resources returns what kustomize makes of dir, in order.
func (p *port) resources(dir string) ([]*resource.Resource, error) {
	p.forgetReads()
	if all, ok := p.asListed(dir); ok {
		return all, nil
	}
	p.forgetReads()
	k := krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	})
	m, err := k.Run(p, dir)
	switch {
	case p.fault != nil:
		return nil, p.fault
	case err != nil:
		return nil, p.explain(dir, err)
	}
	if err := p.fixOrigins(dir, m); err != nil {
		return nil, err
	}
	p.keepOrigins(dir, m)
	return m.Resources(), nil
}

// forgetReads begins to count anew what is read.
func (p *port) forgetReads() {
	p.reads, p.readBytes, p.items, p.growth = make(map[string]int), 0, 0, growth{}
	p.load = newLoad()
}

// keepOrigins notes where each resource comes from, where that is wanted.
func (p *port) keepOrigins(dir string, m resmap.ResMap) {
	if p.origins == nil {
		return
	}
	for i, res := range m.Resources() {
		if o, err := res.GetOrigin(); err == nil && o != nil {
			if origin, ok := originIn(dir, o.Repo, o.Path, o.ConfiguredIn); ok {
				p.origins[i] = origin
			}
		}
	}
}

// render substitutes variables and prints each resource.
func render(all []*resource.Resource, r Recipe) ([]document, []Undefined, error) {
	vars, ids := newVariables(r), identities{}
	docs := make([]document, len(all))
	for i, res := range all {
		if res.GetName() == "" || res.GetKind() == "" || res.GetApiVersion() == "" {
			return nil, nil, fmt.Errorf("failed to decode Kubernetes apiVersion, kind and name from: %s", res.CurId())
		}
		doc, easy := plain(res.YNode())
		if easy && !vars.touch(doc.text) {
			docs[i] = doc
			continue
		}
		changed, err := vars.apply(res)
		if err == nil && changed {
			err = ids.changed(all, i)
		}
		if err != nil {
			return nil, vars.missing.found, fmt.Errorf("post build failed for '%s/%s': %w", res.GetGvk(), res.GetName(), err)
		}
	}
	for i, res := range all {
		if docs[i].text != nil {
			continue
		}
		text, err := res.AsYAML()
		if err != nil {
			return nil, nil, fmt.Errorf("kustomize build failed: print %s: %w", res.CurId(), err)
		}
		docs[i].text = text
	}
	return docs, vars.missing.found, nil
}

// explain puts what a person needs in front of what kustomize said: the file
// and line of a syntax error, the whole of a cycle.
func (p *port) explain(dir string, err error) error {
	err = readable(err)
	text := err.Error()
	if strings.Contains(text, "cycle detected") {
		if cycle := p.cycle(dir); cycle != nil {
			return fmt.Errorf("cycle of kustomizations: %s", strings.Join(cycle, " → "))
		}
	}
	if bad := p.brokenRef(); bad != nil {
		return bad
	}
	if strings.Contains(text, "yaml: ") || strings.Contains(text, "YAML") || strings.Contains(text, "unable to parse") {
		if bad := p.badFile(); bad != nil {
			return bad
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.invalid)) {
		return fmt.Errorf("%s: %w", display(name), p.invalid[name])
	}
	return err
}

// brokenRef returns the first reference to what is not there, or to a
// directory that cannot be built. Kustomize says neither who names it nor where.
func (p *port) brokenRef() error {
	for _, name := range slices.Sorted(maps.Keys(p.named)) {
		at, err := p.locate(name)
		if err != nil {
			continue
		}
		switch at.tree.Lookup(at.rel).Kind {
		case tree.Missing:
			return fmt.Errorf("%s: no such file or directory", p.named[name])
		case tree.Dir:
			if own, err := hasKustomization(p, name); err == nil && !own && p.roles[name]&directory != 0 {
				return fmt.Errorf("%s: unable to find one of '%s' in directory '%s'", p.named[name],
					strings.Join(konfig.RecognizedKustomizationFileNames(), "', '"), display(name))
			}
		}
	}
	return nil
}

// badFile returns the syntax error of the first parsed file that has one.
func (p *port) badFile() error {
	for _, name := range slices.Sorted(maps.Keys(p.roles)) {
		at, err := p.locate(name)
		if err != nil || p.roles[name]&parsed == 0 {
			continue
		}
		for _, f := range append([]string{""}, konfig.RecognizedKustomizationFileNames()...) {
			data, err := at.tree.ReadFile(path.Join(at.rel, f))
			if err != nil {
				continue
			}
			if bad := syntaxError(display(path.Join(name, f)), data); bad != nil {
				return bad
			}
		}
	}
	return nil
}

// cycle returns the directories of a cycle that dir leads to.
func (p *port) cycle(dir string) []string {
	var walk func(at string, trail []string) []string
	done := make(map[string]bool)
	walk = func(at string, trail []string) []string {
		for i, before := range trail {
			if before == at || strings.HasPrefix(before, at+"/") {
				out := make([]string, 0, len(trail)-i+1)
				for _, d := range append(trail[i:], at) {
					out = append(out, display(d))
				}
				return out
			}
		}
		if done[at] {
			return nil
		}
		done[at] = true
		for _, next := range p.edges[at] {
			if found := walk(path.Clean(next), append(trail, at)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(dir, nil)
}
