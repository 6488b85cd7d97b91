package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// declared reads the declarations that openapi-typescript makes of an OpenAPI document
// back into one: interfaces paths, components and operations.
func declared(text string) (object, error) {
	p := &parser{tokens: scan(text)}
	found := map[string]object{}
	for p.peek() != "" {
		if p.next() != "export" || p.peek() != "interface" {
			continue
		}
		p.next()
		name := p.next()
		t, err := p.object()
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", name, err)
		}
		found[name] = t
	}
	doc := object{"components": object{"schemas": object{}}, "paths": object{}}
	for name, t := range sub(found["components"], "properties", "schemas", "properties") {
		sub(doc, "components", "schemas")[name] = t
	}
	d := declarations{found}
	for path, at := range sub(found["paths"], "properties") {
		sub(doc, "paths")[path] = d.path(at.(object))
	}
	return doc, nil
}

// declarations are the interfaces, each as the schema of an object.
type declarations struct{ found map[string]object }

// named follows operations["x"] and components["requestBodies"]["x"].
func (d declarations) named(t object) object {
	at, is := t["$named"].([]string)
	if !is {
		return t
	}
	o := d.found[at[0]]
	for _, name := range at[1:] {
		o = sub(o, "properties", name)
	}
	return o
}

func (d declarations) path(at object) object {
	out := object{"parameters": d.parameters(sub(at, "properties", "parameters"))}
	for _, method := range []string{"get", "put", "post", "delete", "patch"} {
		op, _ := sub(at, "properties")[method].(object)
		if op = d.named(op); len(op) == 0 || op["never"] == true {
			continue
		}
		responses := object{}
		for status, a := range sub(op, "properties", "responses", "properties") {
			responses[status] = d.content(d.named(a.(object)))
		}
		one := object{"parameters": d.parameters(sub(op, "properties", "parameters")), "responses": responses}
		if body := d.named(sub(op, "properties", "requestBody")); body["properties"] != nil {
			one["requestBody"] = d.content(body)
			for _, r := range list(op["required"]) {
				if r == "requestBody" {
					one["requestBody"].(object)["required"] = true
				}
			}
		}
		out[method] = one
	}
	return out
}

// parameters are those of the query.
func (d declarations) parameters(p object) []any {
	q := sub(p, "properties", "query")
	required := list(q["required"])
	var out []any
	for _, name := range sorted(sub(q, "properties")) {
		is := false
		for _, r := range required {
			is = is || r == name
		}
		out = append(out, object{"name": name, "in": "query", "required": is, "schema": sub(q, "properties", name)})
	}
	return out
}

func (d declarations) content(b object) object {
	content := object{}
	for kind, t := range sub(b, "properties", "content", "properties") {
		content[kind] = object{"schema": t}
	}
	if len(content) == 0 {
		return object{}
	}
	return object{"content": content}
}

// scan cuts a text into names, numbers, strings with their quotes, and signs.
func scan(text string) []string {
	var out []string
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case unicode.IsSpace(rune(c)):
			i++
		case strings.HasPrefix(text[i:], "/*"):
			i += strings.Index(text[i:], "*/") + 2
		case strings.HasPrefix(text[i:], "//"):
			line, _, _ := strings.Cut(text[i:], "\n")
			i += len(line)
		case c == '"' || c == '\'':
			end := i + 1
			for text[end] != c {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			out = append(out, text[i:end+1])
			i = end + 1
		case isName(c):
			end := i
			for end < len(text) && isName(text[end]) {
				end++
			}
			out = append(out, text[i:end])
			i = end
		default:
			out = append(out, string(c))
			i++
		}
	}
	return out
}

func isName(c byte) bool {
	return c == '_' || c == '$' || c == '.' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

type parser struct {
	tokens []string
	at     int
}

func (p *parser) peek() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	return p.tokens[p.at]
}

func (p *parser) next() string {
	t := p.peek()
	p.at++
	return t
}

func (p *parser) want(sign string) error {
	if got := p.next(); got != sign {
		return fmt.Errorf("token %d: got %q, want %q", p.at, got, sign)
	}
	return nil
}

// skip goes on when the next token is sign.
func (p *parser) skip(sign string) bool {
	if p.peek() == sign {
		p.at++
		return true
	}
	return false
}

func unquoted(s string) string {
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') {
		if text, err := strconv.Unquote(`"` + s[1:len(s)-1] + `"`); err == nil {
			return text
		}
		return s[1 : len(s)-1]
	}
	return s
}

// object reads { name: type; … } as the schema of an object.
func (p *parser) object() (object, error) {
	if err := p.want("{"); err != nil {
		return nil, err
	}
	props, required := object{}, []any{}
	var more object
	for !p.skip("}") {
		p.skip("readonly")
		if p.skip("[") { // [key: string]: type
			for p.peek() != "" && !p.skip("]") {
				p.next()
			}
			if err := p.want(":"); err != nil {
				return nil, err
			}
			var err error
			if more, err = p.union(); err != nil {
				return nil, err
			}
			p.skip(";")
			continue
		}
		name := unquoted(p.next())
		optional := p.skip("?")
		if err := p.want(":"); err != nil {
			return nil, err
		}
		t, err := p.union()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.skip(";")
		if t["never"] == true && optional {
			continue
		}
		props[name] = t
		if !optional {
			required = append(required, name)
		}
	}
	out := object{"type": "object"}
	switch {
	case len(props) > 0:
		out["properties"] = props
	case more != nil:
		out["additionalProperties"] = more
	}
	if len(required) > 0 {
		out["required"] = required
	}
	return out, nil
}

// union reads A | B.
func (p *parser) union() (object, error) {
	p.skip("|")
	var parts, words []any
	null := false
	for {
		t, err := p.intersection()
		if err != nil {
			return nil, err
		}
		switch {
		case t["type"] == "null":
			null = true
		case t["type"] == "string" && t["enum"] != nil:
			words = append(words, list(t["enum"])...)
		default:
			parts = append(parts, t)
		}
		if !p.skip("|") {
			break
		}
	}
	if words != nil {
		parts = append(parts, object{"type": "string", "enum": words})
	}
	out := object{"anyOf": parts}
	if len(parts) == 1 {
		out = parts[0].(object)
	}
	if null {
		out["nullable"] = true
	}
	return out, nil
}

// intersection reads A & B.
func (p *parser) intersection() (object, error) {
	var parts []any
	for {
		t, err := p.postfix()
		if err != nil {
			return nil, err
		}
		parts = append(parts, t)
		if !p.skip("&") {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0].(object), nil
	}
	return object{"allOf": parts}, nil
}

// postfix reads what may have [] or ["name"] after it.
func (p *parser) postfix() (object, error) {
	t, err := p.primary()
	for err == nil && p.skip("[") {
		if p.skip("]") {
			t = object{"type": "array", "items": t}
			continue
		}
		at, _ := t["$named"].([]string)
		at = append(at, unquoted(p.next()))
		t = object{"$named": at}
		if len(at) == 3 && at[1] == "schemas" {
			t["$ref"] = "#/components/schemas/" + at[2]
		}
		err = p.want("]")
	}
	return t, err
}

func (p *parser) primary() (object, error) {
	switch token := p.peek(); {
	case token == "{":
		return p.object()
	case token == "readonly":
		p.next()
		return p.postfix()
	case token == "(":
		p.next()
		t, err := p.union()
		if err == nil {
			err = p.want(")")
		}
		return t, err
	case token == "":
		return nil, fmt.Errorf("the text ends within a type")
	case token[0] == '"' || token[0] == '\'':
		p.next()
		return object{"type": "string", "enum": []any{unquoted(token)}}, nil
	}
	switch name := p.next(); name {
	case "string", "number", "boolean":
		return object{"type": name}, nil
	case "null", "undefined":
		return object{"type": "null"}, nil
	case "true", "false":
		return object{"type": "boolean"}, nil
	case "unknown", "any":
		return object{}, nil
	case "never":
		return object{"never": true}, nil
	default:
		return p.generic(name)
	}
}

// generic reads Name<A, B>, or the name of an interface.
func (p *parser) generic(name string) (object, error) {
	if !p.skip("<") {
		if _, err := strconv.ParseFloat(name, 64); err == nil {
			return object{"type": "number"}, nil
		}
		return object{"$named": []string{name}}, nil
	}
	var of []object
	for {
		t, err := p.union()
		if err != nil {
			return nil, err
		}
		of = append(of, t)
		if !p.skip(",") {
			break
		}
	}
	if err := p.want(">"); err != nil {
		return nil, err
	}
	switch name {
	case "Readonly", "Omit":
		return of[0], nil
	case "Record":
		if of[1]["never"] == true {
			return object{"type": "object"}, nil
		}
		return object{"type": "object", "additionalProperties": of[1]}, nil
	case "WithRequired":
		return object{"allOf": []any{of[0], object{"required": of[1]["enum"]}}}, nil
	}
	return nil, fmt.Errorf("%s<…> is not understood", name)
}
