// Openapi reduces the published document of a service's API to the operations that
// Leat uses: names, types, what is required, enumerations and formats of times. No
// description, example or default is taken over.
//
//	openapi -source 'npm @octokit/openapi 23.0.2' -want operations.txt api.github.com.json > published.json
//
// It reads OpenAPI 3 and Swagger 2 in JSON and in YAML, and the declarations that
// openapi-typescript makes of either. operations.txt has lines METHOD /path; {name...}
// in a path is a parameter that may hold slashes.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

func main() {
	source := flag.String("source", "", "where the documents are from, with their version")
	want := flag.String("want", "", "file with the operations")
	flag.Parse()
	if err := run(*source, *want, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func run(source, want string, files []string) error {
	wanted, err := operations(want)
	if err != nil {
		return err
	}
	out := reduced{Source: source, Operations: map[string]operation{}, Definitions: map[string]any{}}
	for _, file := range files {
		doc, err := read(file)
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		r := reducer{doc: doc, out: &out}
		for _, w := range wanted {
			if err := r.take(w); err != nil {
				return fmt.Errorf("%s: %s: %w", file, w, err)
			}
		}
		if err := r.define(); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, w := range wanted {
		if _, has := out.Operations[w]; !has {
			return fmt.Errorf("no document has %s", w)
		}
	}
	return out.print()
}

func operations(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out, nil
}

// placeholder is what a document that is a template has for the server to fill in.
var placeholder = regexp.MustCompile(`\{\{[^}]*\}\}`)

func read(file string) (map[string]any, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(file, ".d.ts") {
		return declared(string(data))
	}
	var doc map[string]any
	if strings.HasSuffix(file, ".yaml") {
		err = yaml.Unmarshal(data, &doc)
		return doc, err
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	err = json.Unmarshal(placeholder.ReplaceAll(data, nil), &doc)
	return doc, err
}

// reduced is what is written: schemas are JSON Schema 2020-12, in Definitions those
// that others name by "#/definitions/…".
type reduced struct {
	Source      string               `json:"source"`
	Operations  map[string]operation `json:"operations"`
	Definitions map[string]any       `json:"definitions"`
}

type operation struct {
	Query        map[string]any `json:"query,omitempty"`
	Required     []string       `json:"required,omitempty"` // of Query
	Body         any            `json:"body,omitempty"`
	BodyRequired bool           `json:"bodyRequired,omitempty"`
	// Answers are the schemas by status; null is an answer without a body.
	Answers map[string]any `json:"answers"`
}

// print writes one operation and one definition a line, so that a new version of a
// document shows as a difference that a person can read.
func (r reduced) print() error {
	var b bytes.Buffer
	line := func(key string, value any) error {
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		fmt.Fprintf(&b, "  %s: %s", k, v)
		return err
	}
	src, err := json.Marshal(r.Source)
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "{\n\"source\": %s,\n\"operations\": {\n", src)
	for i, key := range sorted(r.Operations) {
		if i > 0 {
			b.WriteString(",\n")
		}
		if err := line(key, r.Operations[key]); err != nil {
			return err
		}
	}
	b.WriteString("\n},\n\"definitions\": {\n")
	for i, key := range sorted(r.Definitions) {
		if i > 0 {
			b.WriteString(",\n")
		}
		if err := line(key, r.Definitions[key]); err != nil {
			return err
		}
	}
	b.WriteString("\n}\n}\n")
	_, err = b.WriteTo(os.Stdout)
	return err
}
