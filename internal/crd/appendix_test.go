package crd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/leat-dev/leat/internal/crd"
)

var (
	kindHeading = regexp.MustCompile(`^#### (\w+) — (\S+)/(\S+) `)
	fieldRow    = regexp.MustCompile("^\\| `([^`]+)` ([^|]+?)(\\*?) \\| (.*?) \\| (.*)$")
)

// TestInventory compares the newest versions to the inventory of upstream's
// fields that was written when the project was planned.
func TestInventory(t *testing.T) {
	file := filepath.Join(shared, "reference", "flux-v2.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("no %s here", file)
	}
	rows := 0
	var kind string
	var fields map[string]inventoryField
	for _, line := range strings.Split(string(b), "\n") {
		if m := kindHeading.FindStringSubmatch(line); m != nil {
			kind, fields = m[1], newestFields(t, m[2], m[1], m[3])
		} else if m := fieldRow.FindStringSubmatch(line); m != nil && fields != nil {
			rows++
			compareRow(t, kind+" "+m[1], fields[strings.ReplaceAll(m[1], "{}", "")], m)
		}
	}
	t.Logf("%d rows", rows)
	if rows < 600 {
		t.Errorf("only %d rows found", rows)
	}
}

type inventoryField struct {
	schema   *apiextensionsv1.JSONSchemaProps
	required bool
}

func newestFields(t *testing.T, group, kind, version string) map[string]inventoryField {
	t.Helper()
	c, ok := crd.ByKind(group, kind)
	if !ok || c.Spec.Versions[0].Name != version {
		t.Fatalf("%s %s is not the newest version of %s", group, version, kind)
	}
	fields := map[string]inventoryField{}
	gather(fields, c.Spec.Versions[0].Schema.OpenAPIV3Schema, "")
	return fields
}

func gather(fields map[string]inventoryField, s *apiextensionsv1.JSONSchemaProps, path string) {
	for name, p := range s.Properties {
		child := strings.TrimPrefix(path+"."+name, ".")
		if p.Type == "array" {
			child += "[]"
		}
		fields[child] = inventoryField{&p, contains(s.Required, name)}
		gather(fields, &p, child)
	}
	if s.Items != nil {
		gather(fields, s.Items.Schema, path)
	}
}

// compareRow looks at one row: path, type, star for required, default.
func compareRow(t *testing.T, name string, got inventoryField, row []string) {
	t.Helper()
	if got.schema == nil {
		t.Errorf("%s: no such field", name)
		return
	}
	if want := row[2]; typeName(got.schema) != want {
		t.Errorf("%s: type %s, want %s", name, typeName(got.schema), want)
	}
	if want := row[3] == "*"; got.required && !want {
		t.Errorf("%s: required here, optional upstream", name)
	}
	if want := row[4]; want != "" && !sameJSON(got.schema.Default, want) {
		t.Errorf("%s: default %v, want %s", name, got.schema.Default, want)
	}
}

func typeName(s *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case s.Type == "":
		return "any"
	case s.Type == "array":
		return "[]" + typeName(s.Items.Schema)
	case s.AdditionalProperties != nil:
		return "map[string]" + typeName(s.AdditionalProperties.Schema)
	}
	return s.Type
}

func sameJSON(got *apiextensionsv1.JSON, want string) bool {
	var a, b any
	if got == nil || json.Unmarshal(got.Raw, &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
		return false
	}
	return compact(a) == compact(b)
}
