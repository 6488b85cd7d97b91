package cluster

import (
	"reflect"
	"testing"

	kjson "sigs.k8s.io/json"
)

var documents = []string{
	`{}`, ` { "a" : [ 1 , -2 , 0 , true , false , null , "x" , {} , [] ] } `, `{"a":1.5,"b":1e3,"c":-0,"d":01}`,
	`{"a\"b":"c\\d\n\t\/\u00e9ä\ud83d\ude00"}`, `{"a":"\u0000"}`, `{"a":9223372036854775807,"b":9223372036854775808}`,
	`{"a":1,"a":2}`, `{"f:metadata":{"k:{\"name\":\"x\"}":{".":{}}}}`, "{\"a\":\"\xff\"}", "{\"a\":\"\n\"}",
	`{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1]`, `null`, `"x"`, ``, `{} x`, `{"a":tru}`, `{"a":-}`, `{"a":[1,]}`, `{"a":"\`, `{"a":"\q"}`,
}

func FuzzParse(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want map[string]any
		wantErr := kjson.UnmarshalCaseSensitivePreserveInts(data, &want)
		got, err := parse(data)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: got error %v, want %v", data, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, want %v", data, got, want)
		}
	})
}

const deployed = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"apps","uid":"2a","generation":1,"managedFields":[{"manager":"kustomize-controller","operation":"Apply","apiVersion":"apps/v1","time":"2025-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{"f:app":{},"f:team":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:name":{},"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}}]},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"nginx","env":[{"name":"A","value":"1"}],"terminationMessagePath":"/dev/termination-log","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always"}}}}`

func BenchmarkParse(b *testing.B) {
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parse([]byte(deployed)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("kjson", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var m map[string]any
			if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(deployed), &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
