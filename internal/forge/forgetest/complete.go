package forgetest

import (
	"encoding/json"
	"slices"
	"strings"
)

// withoutNulls leaves out what is null.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	case map[string]any:
		for name, inner := range v {
			if v[name] = withoutNulls(inner); v[name] == nil {
				delete(v, name)
			}
		}
	}
	return v
}

// complete adds what is required and not there, as plainly as its schema allows.
func (p *Published) complete(s map[string]any, v any) any {
	if s = p.resolved(s, v); s == nil {
		return v
	}
	switch v := v.(type) {
	case []any:
		items, _ := s["items"].(map[string]any)
		for i := range v {
			v[i] = p.complete(items, v[i])
		}
	case map[string]any:
		props, _ := s["properties"].(map[string]any)
		for name, inner := range v {
			if of, known := props[name].(map[string]any); known {
				v[name] = p.complete(of, inner)
			}
		}
		required, _ := s["required"].([]any)
		for _, r := range required {
			of, _ := props[r.(string)].(map[string]any)
			if _, has := v[r.(string)]; !has && of != nil {
				v[r.(string)] = p.plainest(of)
			}
		}
	}
	return v
}

// resolved follows references, and takes the first of several choices whose words are
// those of a value.
func (p *Published) resolved(s map[string]any, v any) map[string]any {
	for s != nil {
		if ref, is := s["$ref"].(string); is {
			definitions, _ := p.document["definitions"].(map[string]any)
			s, _ = definitions[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any)
			continue
		}
		of, is := s["anyOf"].([]any)
		if !is || s["properties"] != nil {
			return s
		}
		i := slices.IndexFunc(of, func(choice any) bool { return p.speaks(choice, v) })
		s, _ = of[max(0, i)].(map[string]any)
	}
	return nil
}

// speaks tells whether the words that a choice enumerates are those of a value.
func (p *Published) speaks(choice, v any) bool {
	s, _ := choice.(map[string]any)
	if s = p.resolved(s, v); s == nil {
		return false
	}
	props, _ := s["properties"].(map[string]any)
	for name, inner := range asObject(v) {
		of, known := props[name].(map[string]any)
		if words, is := of["enum"].([]any); !known || is && !slices.Contains(words, inner) {
			return false
		}
	}
	return true
}

func asObject(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

// plainest is a value of a schema.
func (p *Published) plainest(s map[string]any) any {
	of, _ := s["anyOf"].([]any)
	for _, choice := range of {
		if choice, _ := choice.(map[string]any); choice["type"] == "null" {
			return nil
		}
	}
	if s = p.resolved(s, nil); s == nil {
		return map[string]any{}
	}
	if words, is := s["enum"].([]any); is {
		return words[0]
	}
	kind, _ := s["type"].(string)
	if kinds, several := s["type"].([]any); several {
		if slices.Contains(kinds, any("null")) {
			return nil
		}
		kind, _ = kinds[0].(string)
	}
	switch kind {
	case "string":
		if s["format"] == "date-time" {
			return "2023-11-14T22:13:20Z"
		}
		return ""
	case "integer", "number":
		return json.Number("0")
	case "boolean":
		return false
	case "array":
		return []any{}
	}
	return p.complete(s, map[string]any{})
}
