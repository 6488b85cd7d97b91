package build

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
)

// kustomize runs one attempt over the port and returns the YAML of each
// resource, after substitution.
func (p *port) kustomize(dir string, r Recipe) (texts [][]byte, err error) {
	withSchema(p.exclusive, func() { texts, err = p.attempt(dir, r) })
	return texts, err
}

func (p *port) attempt(dir string, r Recipe) (texts [][]byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			texts, err = nil, fmt.Errorf("kustomize build failed: recovered from kustomize build panic: %v", v)
		}
	}()
	k := krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone,
		PluginConfig:     types.DisabledPluginConfig(),
	})
	m, err := k.Run(p, dir)
	switch {
	case p.fault != nil:
		return nil, fmt.Errorf("kustomize build failed: %w", p.fault)
	case err != nil:
		return nil, fmt.Errorf("kustomize build failed: %w", p.explain(dir, err))
	}
	return render(m, r)
}

// render substitutes variables and prints each resource.
func render(m resmap.ResMap, r Recipe) ([][]byte, error) {
	vars, err := newVariables(r)
	if err != nil {
		return nil, err
	}
	var texts [][]byte
	for _, res := range m.Resources() {
		if res.GetName() == "" || res.GetKind() == "" || res.GetApiVersion() == "" {
			return nil, fmt.Errorf("failed to decode Kubernetes apiVersion, kind and name from: %s", res.CurId())
		}
		changed, err := vars.apply(res)
		if err == nil && changed {
			_, err = m.Replace(res)
		}
		if err != nil {
			return nil, fmt.Errorf("post build failed for '%s/%s': %w", res.GetGvk(), res.GetName(), err)
		}
	}
	for _, res := range m.Resources() {
		text, err := res.AsYAML()
		if err != nil {
			return nil, fmt.Errorf("kustomize build failed: print %s: %w", res.CurId(), err)
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// explain puts what a person needs in front of what kustomize said: the file
// and line of a syntax error, the whole of a cycle.
func (p *port) explain(dir string, err error) error {
	text := strings.NewReplacer(sourceRoot+"/", "", "'"+sourceRoot+"'", "'.'").Replace(err.Error())
	if strings.Contains(text, "cycle detected") {
		if cycle := p.cycle(dir); cycle != nil {
			return fmt.Errorf("cycle of kustomizations: %s", strings.Join(cycle, " → "))
		}
	}
	if strings.Contains(text, "yaml: ") || strings.Contains(text, "YAML") || strings.Contains(text, "unable to parse") {
		if bad := p.badFile(); bad != nil {
			return bad
		}
	}
	return fmt.Errorf("%s", text)
}

// badFile returns the syntax error of the first parsed file that has one.
func (p *port) badFile() error {
	for _, name := range slices.Sorted(maps.Keys(p.roles)) {
		at, err := p.locate(name)
		if err != nil || p.roles[name]&parsed == 0 {
			continue
		}
		for _, f := range []string{"", "kustomization.yaml", "kustomization.yml", "Kustomization"} {
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
