package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func parseSchema(t *testing.T, text string) *props {
	t.Helper()
	s := &props{}
	if err := yaml.UnmarshalStrict([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLoosest(t *testing.T) {
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"fields of both", "{type: object, properties: {a: {type: string}}}", "{type: object, properties: {b: {type: string}}}",
			"{type: object, properties: {a: {type: string}, b: {type: string}}}"},
		{"required by both", "{type: object, required: [a, b]}", "{type: object, required: [b, c]}", "{type: object, required: [b]}"},
		{"enums unite", "{type: string, enum: [a, b]}", "{type: string, enum: [b, c]}", "{type: string, enum: [b, c, a]}"},
		{"no enum wins", "{type: string}", "{type: string, enum: [b]}", "{type: string}"},
		{"one pattern", "{type: string, pattern: a}", "{type: string, pattern: a}", "{type: string, pattern: a}"},
		{"two patterns", "{type: string, pattern: a}", "{type: string, pattern: b}", "{type: string}"},
		{"wider limits", "{type: string, minLength: 2, maxLength: 3}", "{type: string, minLength: 1, maxLength: 2}",
			"{type: string, minLength: 1, maxLength: 3}"},
		{"no limit wins", "{type: array, maxItems: 1, items: {type: string}}", "{type: array, items: {type: string}}",
			"{type: array, items: {type: string}}"},
		{"default of the last", "{type: string, default: a}", "{type: string, default: b}", "{type: string, default: b}"},
		{"values of maps", "{type: object, additionalProperties: {type: string, maxLength: 1}}",
			"{type: object, additionalProperties: {type: string, maxLength: 2}}",
			"{type: object, additionalProperties: {type: string, maxLength: 2}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := loosest("", []*props{parseSchema(t, c.old), parseSchema(t, c.new)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, parseSchema(t, c.want)); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

func TestTypeConflict(t *testing.T) {
	old := parseSchema(t, "{type: object, properties: {a: {type: string}}}")
	last := parseSchema(t, "{type: object, properties: {a: {type: integer}}}")
	if _, err := loosest("Kind", []*props{old, last}); err == nil || !strings.Contains(err.Error(), "Kind.a") {
		t.Errorf("got %v, want an error about Kind.a", err)
	}
}

func TestTexts(t *testing.T) {
	schema := "{type: object, properties: {ref: {type: object, properties: {name: {type: string}}}}}"
	top := map[string]text{".": {Words: "kind"}, "ref": {Words: "ref", Struct: "ref"}}
	for _, c := range []struct {
		name    string
		structs map[string]map[string]text
		want    string
	}{
		{"complete", map[string]map[string]text{"ref": {"name": {Words: "name"}}}, ""},
		{"field without text", nil, "no text for\n  ref.name"},
		{"text without field", map[string]map[string]text{"ref": {"name": {Words: "name"}, "extra": {}}}, "struct ref extra"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := &texts{Kinds: map[string]map[string]text{"Kind": top}, Structs: c.structs, used: map[string]bool{}}
			err := all.describe("Kind", parseSchema(t, schema))
			if err == nil {
				err = all.unused()
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
