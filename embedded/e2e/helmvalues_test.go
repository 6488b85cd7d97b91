package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
)

// shown is a chart whose object holds all of its values, as JSON.
var shown = chartOf("0.1.0", files{
	"values.yaml":      "color: red\nnested: {kept: 1}\n",
	"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: {{ .Values | toJson | quote }}}\n",
})

// Every field of spec.valuesFrom, from the objects to what the chart sees.
func TestValuesFrom(t *testing.T) {
	objects := []string{
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: $ns}\ndata: {values.yaml: \"nested: {a: 1, b: 2}\\nlist: [1]\", other.yaml: \"nested: {b: 3}\", text: \"{a,b}\", number: \"42\", many: \"x=1,y=2\"}\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: two, namespace: $ns}\nstringData: {values.yaml: \"list: [2, 3]\", password: \"p,a=b{c}\", file: \"line one\\nline: two\\n\"}\n",
	}
	for name, c := range map[string]struct{ from, values, want string }{
		"nothing":                    {"", "", `{"color":"red","nested":{"kept":1}}`},
		"at the root":                {"{kind: ConfigMap, name: one}", "", `{"color":"red","list":[1],"nested":{"a":1,"b":2,"kept":1}}`},
		"later ones win":             {"{kind: ConfigMap, name: one}, {kind: ConfigMap, name: one, valuesKey: other.yaml}, {kind: Secret, name: two}", "", `{"color":"red","list":[2,3],"nested":{"a":1,"b":3,"kept":1}}`},
		"the spec wins":              {"{kind: ConfigMap, name: one}", "nested: {a: 9}", `{"color":"red","list":[1],"nested":{"a":9,"b":2,"kept":1}}`},
		"null takes away":            {"{kind: ConfigMap, name: one}", "color: null", `{"list":[1],"nested":{"a":1,"b":2,"kept":1}}`},
		"a path, read as by --set":   {"{kind: ConfigMap, name: one, valuesKey: number, targetPath: nested.n}", "", `{"color":"red","nested":{"kept":1,"n":42}}`},
		"a list by a path":           {"{kind: ConfigMap, name: one, valuesKey: text, targetPath: list}", "", `{"color":"red","list":["a","b"],"nested":{"kept":1}}`},
		"an item of a list":          {"{kind: ConfigMap, name: one, valuesKey: number, targetPath: 'list[1].size'}", "", `{"color":"red","list":[null,{"size":42}],"nested":{"kept":1}}`},
		"literally":                  {"{kind: ConfigMap, name: one, valuesKey: text, targetPath: color, literal: true}", "", `{"color":"{a,b}","nested":{"kept":1}}`},
		"a number, literally":        {"{kind: ConfigMap, name: one, valuesKey: number, targetPath: color, literal: true}", "", `{"color":"42","nested":{"kept":1}}`},
		"a password, literally":      {"{kind: Secret, name: two, valuesKey: password, targetPath: nested.password, literal: true}", "", `{"color":"red","nested":{"kept":1,"password":"p,a=b{c}"}}`},
		"a whole file, literally":    {"{kind: Secret, name: two, valuesKey: file, targetPath: file, literal: true}", "", `{"color":"red","file":"line one\nline: two\n","nested":{"kept":1}}`},
		"a key with a dot":           {`{kind: ConfigMap, name: one, valuesKey: number, targetPath: 'nested.a\.b'}`, "", `{"color":"red","nested":{"a.b":42,"kept":1}}`},
		"optional, no such object":   {"{kind: Secret, name: none, optional: true}, {kind: ConfigMap, name: one}", "", `{"color":"red","list":[1],"nested":{"a":1,"b":2,"kept":1}}`},
		"optional, no such key":      {"{kind: ConfigMap, name: one, valuesKey: none, targetPath: color, optional: true}", "", `{"color":"red","nested":{"kept":1}}`},
		"a path into the spec's map": {"{kind: ConfigMap, name: one, valuesKey: number, targetPath: nested.size}", "nested: {size: 1}", `{"color":"red","nested":{"kept":1,"size":42}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.commit(shown)
			s.apply(objects...)
			s.apply(source, helmRelease("web", fixed, "valuesFrom: ["+c.from+"]", "values: {"+c.values+"}"))
			s.released("web", 1)
			var want, got any
			s.must(json.Unmarshal([]byte(c.want), &want))
			var held struct{ Data struct{ Key string } }
			text, err := s.get("ConfigMap/a").MarshalJSON()
			s.must(err)
			s.must(json.Unmarshal(text, &held))
			s.must(json.Unmarshal([]byte(held.Data.Key), &got))
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("the chart sees\n%v, want\n%v", got, want)
			}
		})
	}
}

// What cannot be read is told with the object and the key, and awaited.
func TestValuesFromWhatIsNotThere(t *testing.T) {
	s := up(t)
	s.commit(chartOf("0.1.0"))
	s.apply(source, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: $ns}\ndata: {x: red}\n",
		helmRelease("web", fixed, "valuesFrom: [{kind: ConfigMap, name: one, valuesKey: color, targetPath: color, literal: true}]"))
	s.refuses("web", "ValuesError", "could not resolve ConfigMap chart values reference '$ns/one' with key 'color'")
	s.patch("ConfigMap/one", "{data: {color: '{blue}'}}")
	s.released("web", 1)
	s.data("ConfigMap/a", "{blue}")
	s.patch("ConfigMap/one", "{data: {color: 'green, too'}}")
	s.released("web", 2)
	s.data("ConfigMap/a", "green, too")
	s.delete("ConfigMap/one")
	s.refuses("web", "ValuesError", "$ns/one")
	h := s.release("web", func(*v2.HelmRelease) bool { return true })
	if len(h.Status.History) != 2 || h.Status.History[0].Status != "deployed" {
		t.Errorf("history: got %v, want the release as it was", h.Status.History)
	}
	s.data("ConfigMap/a", "green, too")
}
