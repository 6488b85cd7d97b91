package expect_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/expect"
	"github.com/leat-dev/leat/internal/finding"
)

const (
	testSchema     = "../../docs/schema/test-v1.json"
	findingsSchema = "../../docs/schema/findings-v1.json"
)

func parseTest(file string, data []byte) error { _, err := expect.Parse(file, data); return err }
func parseAllowed(file string, data []byte) error {
	_, err := expect.ParseAllowed(file, data)
	return err
}

// The schemas have the fields that the reader has, no more and no less: an unknown
// field beside them makes the reader list its own.
func TestSchemasHaveTheFieldsOfTheReader(t *testing.T) {
	for _, c := range []struct {
		schema, at string // of the properties in the schema
		parse      func(string, []byte) error
		text       string // with an unknown field there
	}{
		{testSchema, "", parseTest, "x: 1"},
		{testSchema, "$defs/cluster", parseTest, "clusters: [{x: 1}]"},
		{testSchema, "$defs/unit", parseTest, "clusters: [{units: [{x: 1}]}]"},
		{testSchema, "$defs/cluster/properties/images", parseTest, "clusters: [{images: {x: 1}}]"},
		{testSchema, "$defs/cluster/properties/findings", parseTest, "clusters: [{findings: {x: 1}}]"},
		{findingsSchema, "", parseAllowed, "x: 1"},
		{findingsSchema, "$defs/allowance", parseAllowed, "allow: [{x: 1}]"},
	} {
		var got []string
		for line := range strings.Lines(c.parse("f", []byte(c.text)).Error()) {
			if _, list, ok := strings.Cut(strings.TrimSpace(line), `there is no field "x"; want one of `); ok {
				got = strings.Split(list, ", ")
			}
		}
		want := fieldsAt(t, c.schema, c.at)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s %s: the reader knows %v, the schema %v", c.schema, c.at, got, want)
		}
	}
}

func fieldsAt(t *testing.T, file, at string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var node map[string]any
	if err := json.Unmarshal(data, &node); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.FieldsFunc(at, func(r rune) bool { return r == '/' }) {
		node, _ = node[key].(map[string]any)
	}
	fields, _ := node["properties"].(map[string]any)
	var out []string
	for name := range fields {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// The schema of findings lists the rules that there are.
func TestSchemaHasTheRules(t *testing.T) {
	data, err := os.ReadFile(findingsSchema)
	if err != nil {
		t.Fatal(err)
	}
	begin, rest, _ := strings.Cut(string(data), "\"enum\": [")
	_, end, found := strings.Cut(rest, "]")
	names, _ := json.Marshal(finding.Names())
	want := begin + "\"enum\": [" + strings.ReplaceAll(strings.Trim(string(names), "[]"), ",", ", ") + "]" + end
	if *update {
		if err := os.WriteFile(findingsSchema, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !found || want != string(data) {
		t.Errorf("%s has other rules: go test ./internal/expect -run Schema -update", findingsSchema)
	}
}

// What the reader accepts, the schema accepts; what it refuses for its form, the
// schema refuses. Of names of rules in fail and allow only the reader knows.
func TestSchemasAgreeWithTheReader(t *testing.T) {
	for _, c := range []struct {
		schema string
		parse  func(string, []byte) error
		texts  []string
	}{
		{testSchema, parseTest, append(ofArchives(t), testTexts...)},
		{findingsSchema, parseAllowed, findingsTexts},
	} {
		compiled, err := jsonschema.NewCompiler().Compile(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range c.texts {
			data, err := yaml.YAMLToJSON([]byte(text))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			bySchema, byReader := compiled.Validate(value), c.parse("f", []byte(text))
			if (bySchema == nil) != (byReader == nil) {
				t.Errorf("%s\nthe schema says: %v\nthe reader says: %v", text, bySchema, byReader)
			}
		}
	}
}

// ofArchives are the files of expectations in testdata.
func ofArchives(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/m*.txtar") // wrong.txtar stands twice in a mapping
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	var out []string
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name == "leat.test.yaml" {
				out = append(out, string(f.Data))
			}
		}
	}
	return out
}

const testHead = "$schema: a\napiVersion: leat.dev/test/v1\nkind: FleetTest\nclusters: "

var testTexts = []string{
	"{}", "[]", "clusters: []",
	testHead + "[]", testHead + "[{}]", testHead + "[{path: [a]}]", testHead + "[{path: a}]",
	testHead + "[{path: a, ready: all}]", testHead + "[{path: a, ready: some}]",
	testHead + "[{path: a, units: [Kustomization/a/b, {name: A/b/c, state: absent}]}]",
	testHead + "[{path: a, units: [apps]}]", testHead + "[{path: a, units: [{name: A/b/c, state: fine}]}]", testHead + "[{path: a, units: [{state: ready}]}]",
	testHead + "[{path: a, objects: {A: 3, B: '>= 4', C: '<=5'}}]", testHead + "[{path: a, objects: {A: many}}]", testHead + "[{path: a, objects: {A: -1}}]",
	testHead + "[{path: a, values: {a: b, c: 3, d: true}}]", testHead + "[{path: a, values: {a: [b]}}]", testHead + "[{path: a, inputs: [b]}]", testHead + "[{path: a, inputs: b}]",
	testHead + "[{path: a, findings: {fail: danger, allow: [host-path]}}]", testHead + "[{path: a, findings: {}}]",
	testHead + "[{path: a, placeholders: 0}]", testHead + "[{path: a, placeholders: few}]", testHead + "[{path: a, placeholders: -3}]",
	testHead + "[{path: a, images: {require: [a], forbid: ['*']}}]", testHead + "[{path: a, images: [a]}]",
}

const findingsHead = "$schema: a\napiVersion: leat.dev/findings/v1\nkind: AllowedFindings\nallow: "

var findingsTexts = []string{
	"{}", findingsHead + "[]", findingsHead + "{}", findingsHead + "[host-path]", findingsHead + "[{}]",
	findingsHead + "[{rule: host-path, reason: a}]", findingsHead + "[{rule: hostpath, reason: a}]", findingsHead + "[{rule: host-path}]",
	findingsHead + "[{rule: host-path, reason: a, until: '2026-01-31', object: A/b/*, unit: '*/*/*', cluster: a}]",
	findingsHead + "[{rule: host-path, reason: a, until: soon}]", findingsHead + "[{rule: host-path, reason: a, on: b}]",
}
