package present_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/present"
)

const schemaFile = "../../docs/schema/plan-v1.json"

// validate holds a document to a JSON Schema of a file.
func validate(t *testing.T, schema string, document []byte) {
	t.Helper()
	compiled, err := jsonschema.NewCompiler().Compile(schema)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Error(err)
	}
}

func TestJSON(t *testing.T) {
	data, err := fixture(t).JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.json", string(data))
	validate(t, schemaFile, data)
	again, err := present.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.JSON(); err != nil || !bytes.Equal(second, data) {
		t.Errorf("a document that was read is written otherwise (%v)", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"apiVersion":"leat.dev/plan/v2"}`: "leat.dev/plan/v2", `[]`: "leat plan -o json", ``: "read plan",
	} {
		if _, err := present.Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// The example of v1 was written once and is never changed: what it holds must be
// read, and be written again, as long as there is a v1.
func TestExampleOfV1(t *testing.T) {
	data, err := os.ReadFile("testdata/v1-example.json")
	if err != nil {
		t.Fatal(err)
	}
	validate(t, schemaFile, data)
	doc, err := present.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := doc.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var was, is any
	if err := json.Unmarshal(data, &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &is); err != nil {
		t.Fatal(err)
	}
	kept(t, "", was, is)
}

// kept reports what of was is not in is.
func kept(t *testing.T, at string, was, is any) {
	t.Helper()
	switch was := was.(type) {
	case map[string]any:
		is, _ := is.(map[string]any)
		for key, value := range was {
			if _, ok := is[key]; !ok {
				t.Errorf("%s/%s has vanished", at, key)
				continue
			}
			kept(t, at+"/"+key, value, is[key])
		}
	case []any:
		is, _ := is.([]any)
		if len(is) != len(was) {
			t.Errorf("%s has %d elements, had %d", at, len(is), len(was))
			return
		}
		for i := range was {
			kept(t, fmt.Sprintf("%s/%d", at, i), was[i], is[i])
		}
	default:
		if !reflect.DeepEqual(was, is) {
			t.Errorf("%s is %v, was %v", at, is, was)
		}
	}
}

func TestSARIF(t *testing.T) {
	rules := []finding.Rule{
		{Name: "data-loss", Severity: finding.Danger, Doc: "Data would be lost. Keep the claim, or back it up first."},
		{Name: "latest", Severity: finding.Warning, Doc: "An image has no tag."},
	}
	data, err := fixture(t).SARIF(rules)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.sarif", string(data))
	validate(t, "testdata/sarif-schema-2.1.0.json", data)
}

// docs/schema/plan-v1.json is made of the types of document.go and the comments
// that stand on them.
func TestSchemaIsThatOfTheTypes(t *testing.T) {
	data, err := json.MarshalIndent(planSchema(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, '\n')
	if *update {
		if err := os.WriteFile(schemaFile, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) {
		t.Errorf("%s differs: go test ./internal/present -run Schema -update\n%s", filepath.Base(schemaFile), firstDifference(string(data), string(want)))
	}
}

// planSchema reads document.go.
func planSchema(t *testing.T) map[string]any {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "document.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]*ast.StructType{"Link": linkType}
	docs := map[string]string{"Link": "one step on the way of an object or a field"}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			if s, ok := spec.(*ast.TypeSpec); ok {
				types[s.Name.Name] = s.Type.(*ast.StructType)
				docs[s.Name.Name] = strings.TrimPrefix(g.Doc.Text(), s.Name.Name+" is ")
			}
		}
	}
	defs := map[string]any{}
	for name, s := range types {
		def := structSchema(s, types)
		def["description"] = sentence(docs[name])
		defs[name] = def
	}
	root := defs["Document"].(map[string]any)
	delete(defs, "Document")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://leat.dev/schema/plan-v1.json"
	root["title"] = present.Version
	root["$defs"] = defs
	root["properties"].(map[string]any)["apiVersion"] = map[string]any{"const": present.Version}
	return root
}

// structSchema is open: readers must leave out what they do not know.
func structSchema(s *ast.StructType, types map[string]*ast.StructType) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range s.Fields.List {
		if len(f.Names) == 0 { // embedded
			embedded := structSchema(types[f.Type.(*ast.Ident).Name], types)
			for name, p := range embedded["properties"].(map[string]any) {
				properties[name] = p
			}
			required = append(required, embedded["required"].([]string)...)
			continue
		}
		name, rest, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
		p := typeSchema(f.Type)
		if doc := sentence(f.Doc.Text() + f.Comment.Text()); doc != "" {
			p["description"] = doc
		}
		properties[name] = p
		if !strings.HasPrefix(rest, "omit") {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}

func typeSchema(expr ast.Expr) map[string]any {
	switch e := expr.(type) {
	case *ast.Ident:
		switch e.Name {
		case "string":
			return map[string]any{"type": "string"}
		case "int":
			return map[string]any{"type": "integer"}
		case "float64":
			return map[string]any{"type": "number"}
		case "bool":
			return map[string]any{"type": "boolean"}
		}
		return map[string]any{"$ref": "#/$defs/" + e.Name}
	case *ast.ArrayType:
		return map[string]any{"type": "array", "items": typeSchema(e.Elt)}
	case *ast.StarExpr:
		return typeSchema(e.X)
	case *ast.SelectorExpr:
		switch e.Sel.Name {
		case "RawMessage":
			return map[string]any{}
		case "Op":
			return map[string]any{"enum": []string{"create", "change", "delete", "replace", "refuse", "orphan", "move", "unknown", "same"}}
		case "Link":
			return map[string]any{"$ref": "#/$defs/Link"}
		}
	}
	panic(fmt.Sprintf("no schema for %T", expr))
}

// linkType is fleet.Link, which stands in another package.
var linkType = func() *ast.StructType {
	expr, err := parser.ParseExpr("struct{\nKind string `json:\"kind\"`\nFile string `json:\"file\"`\nLine int `json:\"line,omitempty\"`\nNote string `json:\"note,omitempty\"`\n}")
	if err != nil {
		panic(err)
	}
	return expr.(*ast.StructType)
}()

func sentence(text string) string { return strings.Join(strings.Fields(text), " ") }
