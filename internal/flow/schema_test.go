package flow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const (
	schemaFile = "../../docs/schema/leat-yaml-v1alpha1.json"
	docsFile   = "../../docs/leat-yaml.md"
)

// comments are those of the fields of the types that leat.yaml is made of, by
// Type.Field.
func comments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"flow.go", "window.go", "team.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, id := range f.Names {
						out[spec.Name.Name+"."+id.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return out
}

// schemaOf is the JSON Schema of a type.
func schemaOf(t *testing.T, docs map[string]string, typ reflect.Type) map[string]any {
	t.Helper()
	switch {
	case typ == durationType:
		return map[string]any{"type": "string", "pattern": `^([0-9.]+(h|m|s|ms))+$`}
	case typ.Kind() == reflect.Pointer:
		return schemaOf(t, docs, typ.Elem())
	case typ.Kind() == reflect.String:
		return map[string]any{"type": "string", "minLength": 1}
	case typ.Kind() == reflect.Int:
		return map[string]any{"type": "integer", "minimum": 1}
	case typ.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t, docs, typ.Elem())}
	case typ.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t, docs, typ.Elem())}
	}
	properties, required := map[string]any{}, []string{}
	for _, f := range fieldsOf(typ) {
		doc := docs[typ.Name()+"."+f.Name]
		if doc == "" {
			t.Errorf("%s.%s has no comment", typ.Name(), f.Name)
		}
		s := schemaOf(t, docs, f.Type)
		s["description"] = doc
		if slices.Contains(f.want, "required") {
			required = append(required, f.name)
			if f.Type.Kind() == reflect.Slice {
				s["minItems"] = 1
			}
		}
		constrain(s, f.want)
		properties[f.name] = s
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	if typ == memberType {
		return map[string]any{"anyOf": []any{map[string]any{"type": "string", "minLength": 1}, out}}
	}
	return out
}

// patterns say in a schema what a tag wants, as far as an expression can.
var patterns = map[string]string{
	"name": nameForm.String(), "clock": `^([01]?[0-9]|2[0-3]):[0-5][0-9]$`, "date": `^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2})?$`,
	"days": `^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))?(, *(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))?)*$`,
	"team": `^[^@/\s].*[^/\s]$|^[^@/\s]$`, "path": `^[^/]`, "yamlpath": `^[.\[]`,
}

func constrain(s map[string]any, want []string) {
	of := s
	if items, ok := s["items"].(map[string]any); ok {
		of = items
	}
	for _, w := range want {
		name, rest, _ := strings.Cut(w, "=")
		if name == "enum" {
			of["enum"] = strings.Split(rest, "|")
		}
		if p := patterns[name]; p != "" {
			of["pattern"] = p
		}
	}
}

// docs/schema/leat-yaml-v1alpha1.json is made of the types and their comments.
func TestSchemaIsThatOfTheTypes(t *testing.T) {
	root := schemaOf(t, comments(t), reflect.TypeFor[Flow]())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["$id"] = Schema
	root["title"] = "leat.yaml: the environments of a fleet and the way between them"
	got, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	hold(t, schemaFile, append(got, '\n'))
}

func hold(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs: go test ./internal/flow -run %s -update", file, t.Name())
	}
}

const (
	fieldsBegin = "<!-- fields: made by go test ./internal/flow -run TestDocs -update -->\n"
	fieldsEnd   = "<!-- end of fields -->\n"
)

// docs/leat-yaml.md has a row for every field.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(page), fieldsBegin)
	_, after, ok2 := strings.Cut(rest, fieldsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the fields", docsFile)
	}
	var table strings.Builder
	table.WriteString("\n| field | is | |\n|---|---|---|\n")
	rows(&table, comments(t), "", reflect.TypeFor[Flow]())
	hold(t, docsFile, []byte(before+fieldsBegin+table.String()+"\n"+fieldsEnd+after))
}

func rows(out *strings.Builder, docs map[string]string, at string, typ reflect.Type) {
	for _, f := range fieldsOf(typ) {
		need := ""
		if slices.Contains(f.want, "required") {
			need = "required"
		}
		of, place := f.Type, below(at, f.name)
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() == reflect.Slice {
			of, place = of.Elem(), place+"[]"
		}
		if of.Kind() == reflect.Map && of.Elem().Kind() == reflect.Slice {
			of, place = of.Elem().Elem(), place+".*[]"
		}
		doc := strings.ReplaceAll(docs[typ.Name()+"."+f.Name], "|", `\|`)
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", place, doc, need)
		if of.Kind() == reflect.Struct {
			rows(out, docs, place, of)
		}
	}
}

// Every example that the documentation shows is read without an error.
func TestExamplesAreRead(t *testing.T) {
	for _, file := range []string{docsFile, "../../docs/design/0006-flow.md"} {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(page), "```yaml\n")[1:] {
			text, _, _ := strings.Cut(part, "\n```")
			if !strings.Contains(text, "kind: "+Kind) {
				continue
			}
			if _, err := Parse(fmt.Sprintf("%s, example %d", file, i+1), []byte(text)); err != nil {
				t.Error(err)
			}
		}
	}
}
