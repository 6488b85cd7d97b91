package build

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/envsubst"
	"github.com/fluxcd/pkg/envsubst/parse"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
)

// variableName is what Flux accepts as the name of a variable.
const variableName = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"

var validName = regexp.MustCompile(variableName)

// maxSubstituted bounds the text of one resource after substitution, in bytes,
// and maxTrimmed the value of a variable that is trimmed by a pattern, which
// takes time with the square of the length.
const (
	maxSubstituted = maxYAMLBytes
	maxTrimmed     = 16 << 10
)

// variables substitutes in the YAML of resources.
type variables struct {
	values map[string]string
	strict bool
	run    bool
	bad    error // a name that is none

	missing *missing
}

func newVariables(r Recipe) variables {
	v := variables{strict: r.Strict, run: len(r.Substitute) > 0 || r.SubstituteAlways}
	v.values, v.missing = make(map[string]string, len(r.Substitute)), &missing{}
	for _, name := range slices.Sorted(maps.Keys(r.Substitute)) {
		if v.bad == nil && !validName.MatchString(name) {
			v.bad = fmt.Errorf("'%s' var name is invalid, must match '%s'", name, variableName)
		}
		v.values[name] = strings.ReplaceAll(r.Substitute[name], "\n", "")
	}
	return v
}

// touch tells whether substitution could change a text, or refuse it.
func (v variables) touch(text []byte) bool {
	return v.run && (v.bad != nil || bytes.IndexByte(text, '$') >= 0)
}

// apply substitutes in res and reports whether it may have changed. The value
// of a variable is not looked at again, so nothing recurses, and only the first
// document of what comes out counts, so no value can add an object.
func (v variables) apply(res *resource.Resource) (bool, error) {
	if !v.run || optedOut(res) {
		return false, nil
	}
	text, err := res.AsYAML()
	if err != nil {
		return false, err
	}
	if v.bad != nil {
		return false, fmt.Errorf("envsubst error: %w", v.bad)
	}
	if err := v.bound(string(text)); err != nil {
		return false, fmt.Errorf("envsubst error: %w", err)
	}
	v.missing.any = false
	out, err := envsubst.Eval(string(text), v.lookup)
	if err != nil {
		if v.missing.any && v.strict {
			v.noteMissing(res, string(text))
		}
		return false, fmt.Errorf("envsubst error: variable substitution failed: %w", err)
	}
	if err := guard("the resource after substitution", []byte(out)); err != nil {
		return false, fmt.Errorf("envsubst error: %w", err)
	}
	data, err := yaml.YAMLToJSON([]byte(out))
	if err != nil {
		return false, fmt.Errorf("envsubst error: YAMLToJSON: %w", err)
	}
	if err := res.UnmarshalJSON(data); err != nil {
		return false, fmt.Errorf("UnmarshalJSON: %w", err)
	}
	if v.missing.any {
		v.noteMissing(res, string(text))
	}
	return true, nil
}

func (v variables) lookup(name string) (string, bool) {
	value, known := v.values[name]
	v.missing.any = v.missing.any || !known
	return value, known || !v.strict
}

// bound refuses a text whose substitution could grow beyond all measure,
// before any of it is made.
func (v variables) bound(text string) error {
	longest := 0
	for _, value := range v.values {
		longest = max(longest, len(value))
	}
	if uses := strings.Count(text, "${"); longest <= maxTrimmed && uses*longest*max(longest, len(text)) <= maxSubstituted {
		return nil
	}
	t, err := parse.Parse(text)
	if err != nil {
		return nil // for envsubst to report
	}
	size, err := v.size(t.Root)
	if err == nil && size > maxSubstituted {
		err = fmt.Errorf("up to %d bytes after substitution are more than the limit of %d", size, maxSubstituted)
	}
	return err
}

// size is the most that a node can become, in bytes.
func (v variables) size(n parse.Node) (int, error) {
	total := 0
	switch n := n.(type) {
	case *parse.TextNode:
		return len(n.Value), nil
	case *parse.ListNode:
		for _, c := range n.Nodes {
			sub, err := v.size(c)
			if err != nil {
				return 0, err
			}
			total += sub
		}
	case *parse.FuncNode:
		value := len(v.values[n.Param])
		args := 0
		for _, a := range n.Args {
			sub, err := v.size(a)
			if err != nil {
				return 0, err
			}
			args += sub
		}
		switch n.Name {
		case "/", "/#", "/%":
			total = value + args
		case "//":
			total = (value + 1) * (args + 1)
		case "#", "##", "%", "%%":
			if total = value; value > maxTrimmed && len(n.Args) > 0 {
				return 0, fmt.Errorf("variable %s is longer than %d bytes, too long to be trimmed by a pattern", n.Param, maxTrimmed)
			}
		default:
			total = max(value, args)
		}
	}
	return total, nil
}

func optedOut(res *resource.Resource) bool {
	const disabled = "disabled"
	return res.GetLabels()[object.AnnotationSubstitute] == disabled ||
		res.GetAnnotations()[object.AnnotationSubstitute] == disabled
}
