package build

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/envsubst"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
)

// variableName is what Flux accepts as the name of a variable.
const variableName = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"

var validName = regexp.MustCompile(variableName)

// maxSubstituted bounds the text of one resource after substitution.
const maxSubstituted = maxYAMLBytes

// variables substitutes in the YAML of resources.
type variables struct {
	values map[string]string
	strict bool
	run    bool
}

func newVariables(r Recipe) (variables, error) {
	v := variables{strict: r.Strict, run: len(r.Substitute) > 0 || r.SubstituteAlways}
	v.values = make(map[string]string, len(r.Substitute))
	for _, name := range slices.Sorted(maps.Keys(r.Substitute)) {
		if !validName.MatchString(name) {
			return v, fmt.Errorf("envsubst error: '%s' var name is invalid, must match '%s'", name, variableName)
		}
		v.values[name] = strings.ReplaceAll(r.Substitute[name], "\n", "")
	}
	return v, nil
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
	out, err := envsubst.Eval(string(text), v.lookup)
	if err != nil {
		return false, fmt.Errorf("envsubst error: variable substitution failed: %w", err)
	}
	if len(out) > maxSubstituted {
		return false, fmt.Errorf("envsubst error: %d bytes after substitution are more than the limit of %d", len(out), maxSubstituted)
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
	return true, nil
}

func (v variables) lookup(name string) (string, bool) {
	value, known := v.values[name]
	return value, known || !v.strict
}

func optedOut(res *resource.Resource) bool {
	const disabled = "disabled"
	return res.GetLabels()[object.AnnotationSubstitute] == disabled ||
		res.GetAnnotations()[object.AnnotationSubstitute] == disabled
}
