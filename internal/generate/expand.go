package generate

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/leat-dev/leat/internal/tree"
)

// Expand returns the artifacts that a spec wants: those it lists, or with a
// pathPattern those it lists for every directory that matches, in the order of
// the directories. An error is about spec and sources together: the same ones
// always yield it.
func Expand(spec swapi.ArtifactGeneratorSpec, sources Sources) ([]Artifact, error) {
	if len(spec.OutputArtifacts) > MaxArtifacts {
		return nil, tooMany()
	}
	if spec.PathPattern == "" {
		out := make([]Artifact, len(spec.OutputArtifacts))
		for i, a := range spec.OutputArtifacts {
			out[i] = Artifact{Name: a.Name, Revision: unmark(a.Revision), Origin: unmark(a.OriginRevision), Copy: a.Copy}
		}
		return out, nil
	}
	out, err := expand(spec, sources)
	if err != nil {
		return nil, fmt.Errorf("pathPattern %q: %w", spec.PathPattern, err)
	}
	return out, nil
}

func expand(spec swapi.ArtifactGeneratorSpec, sources Sources) ([]Artifact, error) {
	alias, text, err := splitAlias(spec.PathPattern)
	if err != nil {
		return nil, err
	}
	src, ok := sources[alias]
	if !ok {
		return nil, fmt.Errorf("there is no source with the alias %q", alias)
	}
	pattern, err := readPattern(text)
	if err != nil {
		return nil, err
	}
	var out []Artifact
	from := map[string]string{} // name of an artifact → its directory
	for _, m := range pattern.find(src, "", nil) {
		values, err := m.lower()
		if err != nil {
			return nil, err
		}
		for _, a := range spec.OutputArtifacts {
			made, err := fill(a, values, m.captures)
			if err != nil {
				return nil, fmt.Errorf("artifact %q for directory %s: %w", a.Name, m.dir, err)
			}
			if first, taken := from[made.Name]; taken {
				return nil, fmt.Errorf("the directories %q and %q both make the artifact %q", first, m.dir, made.Name)
			}
			if from[made.Name] = m.dir; len(from) > MaxArtifacts {
				return nil, tooMany()
			}
			out = append(out, made)
		}
	}
	return out, nil
}

func tooMany() error {
	return fmt.Errorf("more than %d artifacts; split the generator", MaxArtifacts)
}

// fill puts values in the place of the placeholders: in lower case in the name,
// as the source has them in the paths.
func fill(a swapi.OutputArtifact, lower, raw map[string]string) (Artifact, error) {
	out := Artifact{Labels: lower, Revision: unmark(a.Revision), Origin: unmark(a.OriginRevision)}
	var err error
	if out.Name, err = render(a.Name, lower); err != nil {
		return Artifact{}, err
	}
	if err := checkName(out.Name); err != nil {
		return Artifact{}, err
	}
	for _, op := range a.Copy {
		if op.From, err = render(op.From, raw); err != nil {
			return Artifact{}, err
		}
		if op.To, err = render(op.To, raw); err != nil {
			return Artifact{}, err
		}
		out.Copy = append(out.Copy, op)
	}
	return out, nil
}

// pattern is a path pattern, an element for every directory on the way.
type pattern []*regexp.Regexp

func readPattern(text string) (pattern, error) {
	seen := map[string]bool{}
	var p pattern
	for elem := range strings.SplitSeq(text, "/") {
		parts, err := parse(elem)
		if err != nil {
			return nil, err
		}
		expr := "^"
		for _, part := range parts {
			if part.name == "" {
				expr += regexp.QuoteMeta(part.text)
				continue
			}
			if seen[part.name] {
				return nil, fmt.Errorf("{%s} stands there twice", part.name)
			}
			seen[part.name] = true
			if why := validation.IsQualifiedName(part.name); len(why) > 0 {
				return nil, fmt.Errorf("{%s} cannot be the key of a label: %s", part.name, strings.Join(why, "; "))
			}
			expr += "(?P<" + part.name + ">.+)"
		}
		re, err := regexp.Compile("(?s)" + expr + "$")
		if err != nil {
			return nil, err
		}
		p = append(p, re)
	}
	return p, nil
}

// found is a directory that a pattern matches.
type found struct {
	dir      string
	captures map[string]string
}

// find returns the matching directories under dir in order.
func (p pattern) find(t tree.Tree, dir string, captures map[string]string) []found {
	if len(p) == 0 {
		return []found{{dir, captures}}
	}
	entries, err := t.ReadDir(".")
	if err != nil {
		return nil
	}
	var out []found
	for _, e := range entries {
		values := p[0].FindStringSubmatch(e.Name)
		if e.Kind != tree.Dir || values == nil {
			continue
		}
		more := make(map[string]string, len(captures)+len(values))
		for name, value := range captures {
			more[name] = value
		}
		for i, name := range p[0].SubexpNames() {
			if name != "" {
				more[name] = values[i]
			}
		}
		sub, err := t.Sub(e.Name)
		if err == nil {
			out = append(out, p[1:].find(sub, path.Join(dir, e.Name), more)...)
		}
	}
	return out
}

// lower returns the captures as names and labels have them.
func (m found) lower() (map[string]string, error) {
	out := make(map[string]string, len(m.captures))
	for name, value := range m.captures {
		value = strings.ToLower(value)
		if why := validation.IsValidLabelValue(value); len(why) > 0 {
			return nil, fmt.Errorf("directory %s: {%s} is %q, which cannot be the value of a label: %s", m.dir, name, value, strings.Join(why, "; "))
		}
		out[name] = value
	}
	return out, nil
}
