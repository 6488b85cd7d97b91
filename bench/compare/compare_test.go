package compare

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestObjects(t *testing.T) {
	const git = `{"kind":"Deployment","metadata":{"name":"a","labels":{"x":"1"}},
		"spec":{"replicas":0,"list":[{"name":"a","value":"1"},{"name":"b"}]}}`
	for _, c := range []struct {
		name, live string
		want       []string
	}{
		{"same", git, nil},
		{"more fields", `{"kind":"Deployment","metadata":{"name":"a","uid":"u","labels":{"x":"1","y":"2"}},
			"spec":{"replicas":0,"list":[{"name":"a","value":"1","more":1},{"name":"b"}]},"status":{}}`, nil},
		{"missing object", `null`, []string{"the object is missing"}},
		{"other number", `{"kind":"Deployment","metadata":{"name":"a","labels":{"x":"1"}},
			"spec":{"replicas":1,"list":[{"name":"a","value":"1"},{"name":"b"}]}}`, []string{".spec.replicas: want 0, got 1"}},
		{"missing field", `{"kind":"Deployment","metadata":{"name":"a"},
			"spec":{"replicas":0,"list":[{"name":"a","value":"1"},{"name":"b"}]}}`, []string{`.metadata.labels: want {"x":"1"}, got nothing`}},
		{"deep in a list", `{"kind":"Deployment","metadata":{"name":"a","labels":{"x":"1"}},
			"spec":{"replicas":0,"list":[{"name":"a","value":"2"},{"name":"b"}]}}`, []string{`.spec.list[0].value: want "1", got "2"`}},
		{"longer list", `{"kind":"Deployment","metadata":{"name":"a","labels":{"x":"1"}},
			"spec":{"replicas":0,"list":[{"name":"a","value":"1"},{"name":"b"},{"name":"c"}]}}`,
			[]string{`.spec.list: want [{"name":"a","value":"1"},{"name":"b"}], got [{"name":"a","value":"1"},{"name":"b"},{"name":"c"}]`}},
		{"number for text", `{"kind":"Deployment","metadata":{"name":"a","labels":{"x":1}},
			"spec":{"replicas":0,"list":[{"name":"a","value":"1"},{"name":"b"}]}}`, []string{`.metadata.labels.x: want "1", got 1`}},
		{"null for a map", `{"kind":"Deployment","metadata":null,
			"spec":{"replicas":0,"list":[{"name":"a","value":"1"},{"name":"b"}]}}`,
			[]string{`.metadata: want {"labels":{"x":"1"},"name":"a"}, got null`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Objects(decode(t, git), decode(t, c.live))
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestDecodersAgree: YAML gives int64 where JSON gives float64.
func TestDecodersAgree(t *testing.T) {
	if d := Objects(map[string]any{"port": int64(9898)}, map[string]any{"port": float64(9898)}); d != nil {
		t.Errorf("got %q, want no difference", d)
	}
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}
