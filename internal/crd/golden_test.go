package crd_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/leat-dev/leat/internal/crd"
)

var update = flag.Bool("update", false, "rewrite testdata/fields.golden")

func decodeJSON(j []byte) (object, error) {
	o := object{}
	return o, utiljson.Unmarshal(j, &o)
}

// TestFields compares all fields of all kinds, with type, default and rules,
// to testdata/fields.golden. Run with -update after a change and read the diff.
func TestFields(t *testing.T) {
	var b strings.Builder
	for _, c := range crd.All() {
		fmt.Fprintf(&b, "# %s %s short=%s categories=%s\n", c.Spec.Names.Kind, c.Name,
			strings.Join(c.Spec.Names.ShortNames, ","), strings.Join(c.Spec.Names.Categories, ","))
		for _, v := range c.Spec.Versions {
			writeVersion(&b, v)
		}
		writeFields(&b, c.Spec.Versions)
		b.WriteString("\n")
	}
	const file = "testdata/fields.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")); diff != "" {
		t.Errorf("fields (-got +golden):\n%s", diff)
	}
}

func writeVersion(b *strings.Builder, v apiextensionsv1.CustomResourceDefinitionVersion) {
	fmt.Fprintf(b, "%s", v.Name)
	if v.Storage {
		b.WriteString(" storage")
	}
	if v.Subresources != nil && v.Subresources.Status != nil {
		b.WriteString(" status")
	}
	if v.Deprecated {
		fmt.Fprintf(b, " deprecated=%q", *v.DeprecationWarning)
	}
	b.WriteString(" columns:")
	for _, c := range v.AdditionalPrinterColumns {
		fmt.Fprintf(b, " %q=%s", c.Name, c.JSONPath)
	}
	b.WriteString("\n")
}

// writeFields prints one line for what all versions share, and one below it
// for each version with a default or rules of its own.
func writeFields(b *strings.Builder, versions []apiextensionsv1.CustomResourceDefinitionVersion) {
	shared := fieldLines(versions[0].Schema.OpenAPIV3Schema, describeShared)
	own := map[string]map[string]string{}
	for _, v := range versions {
		own[v.Name] = fieldLines(v.Schema.OpenAPIV3Schema, describeOwn)
	}
	var paths []string
	for path := range shared {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	for _, path := range paths {
		fmt.Fprintf(b, "%s %s\n", path, shared[path])
		for _, v := range versions {
			if line := own[v.Name][path]; line != "" {
				fmt.Fprintf(b, "    %s:%s\n", v.Name, line)
			}
		}
	}
}

type describe func(s *apiextensionsv1.JSONSchemaProps, required bool) string

func fieldLines(s *apiextensionsv1.JSONSchemaProps, d describe) map[string]string {
	lines := map[string]string{}
	collect(lines, s, "", d)
	return lines
}

func collect(lines map[string]string, s *apiextensionsv1.JSONSchemaProps, path string, d describe) {
	for name, p := range s.Properties {
		child := strings.TrimPrefix(path+"."+name, ".")
		lines[child] = d(&p, contains(s.Required, name))
		collect(lines, &p, child, d)
	}
	if s.Items != nil {
		lines[path+"[]"] = d(s.Items.Schema, false)
		collect(lines, s.Items.Schema, path+"[]", d)
	}
	if s.AdditionalProperties != nil {
		lines[path+"{}"] = d(s.AdditionalProperties.Schema, false)
		collect(lines, s.AdditionalProperties.Schema, path+"{}", d)
	}
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

func describeShared(s *apiextensionsv1.JSONSchemaProps, required bool) string {
	line := s.Type
	if line == "" {
		line = "any"
	}
	if required {
		line += "*"
	}
	rest := *s
	rest.Type, rest.Description, rest.Default, rest.XValidations = "", "", nil, nil
	rest.Properties, rest.Items, rest.AdditionalProperties, rest.Required = nil, nil, nil, nil
	if j := compact(rest); j != "{}" {
		line += " " + j
	}
	return line
}

func describeOwn(s *apiextensionsv1.JSONSchemaProps, _ bool) string {
	line := ""
	if s.Default != nil {
		line += " default=" + string(s.Default.Raw)
	}
	for _, r := range s.XValidations {
		line += fmt.Sprintf(" rule=%q", r.Message)
	}
	return line
}

func compact(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}
