package main

import (
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// loosest returns the schema with the fields of all given schemas that
// accepts every value which one of them accepts. Where they differ, a rule is
// weakened until all of them imply it, or dropped. Defaults and CEL rules are
// those of the last schema. Two types for one field are an error.
func loosest(path string, in []*props) (*props, error) {
	out := in[len(in)-1].DeepCopy()
	for _, s := range in {
		if diff := cmp.Diff(shape(out), shape(s)); diff != "" {
			return nil, fmt.Errorf("%s: types conflict: %s", path, diff)
		}
	}
	loosenScalar(out, in)
	out.Required = inAll(in, func(s *props) []string { return s.Required })
	if err := uniteProperties(path, out, in); err != nil {
		return nil, err
	}
	return out, uniteElements(path, out, in)
}

// shape is the part of a schema that all versions of a field must share: all
// of it but what is merged field by field.
func shape(s *props) props {
	rest := *s
	rest.Description, rest.Default, rest.XValidations = "", nil, nil
	rest.Required, rest.Properties, rest.Items = nil, nil, nil
	rest.Pattern, rest.Enum, rest.MinLength, rest.MaxLength = "", nil, nil, nil
	rest.MinItems, rest.MaxItems, rest.Minimum, rest.Maximum = nil, nil, nil, nil
	if s.AdditionalProperties != nil {
		rest.AdditionalProperties = &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true}
	}
	return rest
}

func uniteProperties(path string, out *props, in []*props) error {
	having := map[string][]*props{}
	for _, s := range in {
		for name, p := range s.Properties {
			having[name] = append(having[name], &p)
		}
	}
	for name, schemas := range having {
		p, err := loosest(path+"."+name, schemas)
		if err != nil {
			return err
		}
		if out.Properties == nil {
			out.Properties = map[string]props{}
		}
		out.Properties[name] = *p
	}
	return nil
}

// uniteElements merges the schemas of list items and map values.
func uniteElements(path string, out *props, in []*props) error {
	var items, values []*props
	for _, s := range in {
		if s.Items != nil {
			items = append(items, s.Items.Schema)
		}
		if s.AdditionalProperties != nil {
			values = append(values, s.AdditionalProperties.Schema)
		}
	}
	if items != nil {
		p, err := loosest(path+"[]", items)
		if err != nil {
			return err
		}
		out.Items = &apiextensionsv1.JSONSchemaPropsOrArray{Schema: p}
	}
	if values != nil {
		p, err := loosest(path+"{}", values)
		if err != nil {
			return err
		}
		out.AdditionalProperties.Schema = p
	}
	return nil
}

// loosenScalar weakens the rules about single values.
func loosenScalar(out *props, in []*props) {
	for _, s := range in {
		if s.Pattern != out.Pattern {
			out.Pattern = ""
		}
		out.Enum = unionEnum(out.Enum, s.Enum)
		out.MinLength = weaker(out.MinLength, s.MinLength, smaller)
		out.MaxLength = weaker(out.MaxLength, s.MaxLength, larger)
		out.MinItems = weaker(out.MinItems, s.MinItems, smaller)
		out.MaxItems = weaker(out.MaxItems, s.MaxItems, larger)
		out.Minimum = weaker(out.Minimum, s.Minimum, smaller)
		out.Maximum = weaker(out.Maximum, s.Maximum, larger)
	}
}

func unionEnum(a, b []apiextensionsv1.JSON) []apiextensionsv1.JSON {
	if len(a) == 0 || len(b) == 0 {
		return nil // one of them accepts everything
	}
	union := a
	for _, v := range b {
		if !containsJSON(union, v) {
			union = append(union, v)
		}
	}
	return union
}

func containsJSON(list []apiextensionsv1.JSON, v apiextensionsv1.JSON) bool {
	for _, have := range list {
		if string(have.Raw) == string(v.Raw) {
			return true
		}
	}
	return false
}

// weaker returns the limit that both imply: none if one of them is absent.
func weaker[T any](a, b *T, pick func(a, b T) T) *T {
	if a == nil || b == nil {
		return nil
	}
	v := pick(*a, *b)
	return &v
}

func smaller[T int64 | float64](a, b T) T { return min(a, b) }
func larger[T int64 | float64](a, b T) T  { return max(a, b) }

// inAll returns the strings that get yields for every schema.
func inAll(in []*props, get func(*props) []string) []string {
	count := map[string]int{}
	for _, s := range in {
		for _, name := range get(s) {
			count[name]++
		}
	}
	var all []string
	for _, name := range get(in[len(in)-1]) {
		if count[name] == len(in) {
			all = append(all, name)
		}
	}
	return all
}

// hardened lists fields that upstream restricted within a version for
// security. The last release's rule is kept there, although earlier releases
// of the same version accepted more.
var hardened = []string{
	"ImageUpdateAutomation.spec.git.push.refspec", // a leading + or : forces or deletes
}

// keepHardened copies the rules of hardened fields back from the last release.
func keepHardened(kind string, merged, last *props) {
	for _, path := range hardened {
		fields := strings.Split(path, ".")
		if fields[0] == kind {
			copyPattern(merged, last, fields[1:])
		}
	}
}

func copyPattern(merged, last *props, fields []string) {
	if len(fields) == 0 {
		merged.Pattern = last.Pattern
		return
	}
	from, ok := last.Properties[fields[0]]
	if !ok {
		return
	}
	to := merged.Properties[fields[0]]
	copyPattern(&to, &from, fields[1:])
	merged.Properties[fields[0]] = to
}
