package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

type object = map[string]any

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// reducer takes operations out of one document.
type reducer struct {
	doc     object
	out     *reduced
	pending []string // definitions that something names
}

func sub(o object, path ...string) object {
	for _, name := range path {
		o, _ = o[name].(object)
	}
	return o
}

// dotted is how a want says that a parameter may hold slashes.
func dotted(path string) string { return strings.ReplaceAll(path, "...}", "}") }

// take adds an operation, if the document has it.
func (r *reducer) take(want string) error {
	method, path, ok := strings.Cut(want, " ")
	if !ok {
		return fmt.Errorf("want METHOD /path")
	}
	at := sub(r.doc, "paths", dotted(path))
	op := sub(at, strings.ToLower(method))
	if op == nil {
		return nil
	}
	out := operation{Query: object{}, Answers: object{}}
	params := append(list(at["parameters"]), list(op["parameters"])...)
	for _, p := range params {
		if err := r.parameter(r.resolved(p), &out); err != nil {
			return err
		}
	}
	if body := sub(r.resolved(op["requestBody"]), "content"); body != nil {
		s, err := r.schema(media(body))
		if err != nil {
			return err
		}
		out.Body, out.BodyRequired = s, r.resolved(op["requestBody"])["required"] == true
	}
	for status, a := range sub(op, "responses") {
		s, err := r.answer(r.resolved(a))
		if err != nil {
			return err
		}
		out.Answers[status] = s
	}
	r.out.Operations[want] = out
	return nil
}

func list(v any) []any {
	out, _ := v.([]any)
	return slices.Clone(out)
}

func (r *reducer) parameter(p object, out *operation) error {
	name, _ := p["name"].(string)
	switch p["in"] {
	case "query":
		from := p
		if s := sub(p, "schema"); s != nil {
			from = s
		}
		s, err := r.schema(from)
		if err != nil {
			return err
		}
		out.Query[name] = s
		if p["required"] == true {
			out.Required = append(out.Required, name)
		}
	case "body":
		s, err := r.schema(sub(p, "schema"))
		if err != nil {
			return err
		}
		out.Body, out.BodyRequired = s, p["required"] == true
	}
	return nil
}

// media is the schema of a JSON body.
func media(content object) object {
	for _, kind := range sorted(content) {
		if kind == "*/*" || strings.HasPrefix(kind, "application/json") || strings.HasPrefix(kind, "application/vnd.github+json") {
			return sub(content, kind, "schema")
		}
	}
	return nil
}

// answer is the schema of a response, nil for none.
func (r *reducer) answer(a object) (any, error) {
	s := sub(a, "schema") // Swagger 2
	if c := sub(a, "content"); c != nil {
		s = media(c)
	}
	if s == nil {
		return nil, nil
	}
	return r.schema(s)
}

// resolved follows a reference to anything but a schema, which stays one.
func (r *reducer) resolved(v any) object {
	o, _ := v.(object)
	ref, is := o["$ref"].(string)
	if !is {
		return o
	}
	return sub(r.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

// schema reduces a schema to its structure.
func (r *reducer) schema(s object) (object, error) {
	if ref, is := s["$ref"].(string); is {
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		r.pending = append(r.pending, ref)
		return object{"$ref": "#/definitions/" + name}, nil
	}
	if all := list(s["allOf"]); len(all) > 0 {
		merged, err := r.merged(s, all)
		if err != nil {
			return nil, err
		}
		s = merged
		if s["$ref"] != nil {
			return r.schema(s)
		}
	}
	out := object{}
	for _, key := range []string{"type", "enum", "required"} {
		v, has := s[key]
		if _, flag := v.(bool); has && !flag { // a parameter of Swagger 2 says so that it is required
			out[key] = v
		}
	}
	if s["format"] == "date-time" {
		out["format"] = "date-time"
	}
	if err := r.parts(s, out); err != nil {
		return nil, err
	}
	return nullable(s, out), nil
}

// parts reduces the schemas inside a schema.
func (r *reducer) parts(s, out object) error {
	var err error
	if props := sub(s, "properties"); props != nil {
		reducedProps := object{}
		for name, p := range props {
			inner, _ := p.(object)
			if reducedProps[name], err = r.schema(inner); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		out["properties"] = reducedProps
	} else if more := sub(s, "additionalProperties"); len(more) > 0 {
		if out["additionalProperties"], err = r.schema(more); err != nil {
			return err
		}
	}
	if items := sub(s, "items"); items != nil {
		if out["items"], err = r.schema(items); err != nil {
			return err
		}
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		var of []any
		for _, v := range list(s[key]) {
			inner, _ := v.(object)
			one, err := r.schema(inner)
			if err != nil {
				return err
			}
			of = append(of, one)
		}
		if of != nil {
			out["anyOf"] = of // which of them it is does not matter
		}
	}
	return nil
}

// nullable writes what OpenAPI 3.0 calls nullable as JSON Schema does.
func nullable(s, out object) object {
	if s["nullable"] != true && s["x-nullable"] != true {
		return out
	}
	if e := list(out["enum"]); e != nil && !slices.Contains(e, nil) {
		out["enum"] = append(e, nil)
	}
	if t, is := out["type"].(string); is {
		out["type"] = []any{t, "null"}
		return out
	}
	return object{"anyOf": []any{out, object{"type": "null"}}}
}

// merged is a schema that says all of several, so that it can be told which names it
// has. A single reference stays one.
func (r *reducer) merged(s object, all []any) (object, error) {
	rest := maps.Clone(s)
	delete(rest, "allOf")
	if len(all) == 1 && rest["properties"] == nil && rest["required"] == nil {
		one, _ := all[0].(object)
		out := maps.Clone(one)
		if rest["nullable"] == true {
			return object{"nullable": true, "anyOf": []any{out}}, nil
		}
		return out, nil
	}
	out := object{"type": "object"}
	props := object{}
	var required []any
	for _, part := range append(all, rest) {
		p := r.resolved(part)
		if inner := list(p["allOf"]); len(inner) > 0 {
			var err error
			if p, err = r.merged(p, inner); err != nil {
				return nil, err
			}
			p = r.resolved(p)
		}
		if p["oneOf"] != nil || p["anyOf"] != nil {
			return nil, fmt.Errorf("a choice inside allOf is not understood")
		}
		maps.Copy(props, sub(p, "properties"))
		required = append(required, list(p["required"])...)
		if p["nullable"] == true {
			out["nullable"] = true
		}
	}
	out["properties"] = props
	if len(required) > 0 {
		slices.SortFunc(required, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		out["required"] = slices.Compact(required)
	}
	return out, nil
}

// define reduces everything that is named.
func (r *reducer) define() error {
	for len(r.pending) > 0 {
		ref := r.pending[0]
		r.pending = r.pending[1:]
		name := ref[strings.LastIndexByte(ref, '/')+1:]
		if _, done := r.out.Definitions[name]; done {
			continue
		}
		s := sub(r.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		if s == nil {
			return fmt.Errorf("%s is not there", ref)
		}
		r.out.Definitions[name] = object{} // it may name itself
		d, err := r.schema(s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.out.Definitions[name] = d
	}
	return nil
}
