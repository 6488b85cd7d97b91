package build

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/kustomize/kyaml/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// library prints a node in the six passes of resource.AsYAML, and reads it back.
func library(t interface{ Fatal(...any) }, n *yaml.RNode) (string, map[string]any) {
	data, err := n.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	text, err := sigsyaml.JSONToYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	back, err := sigsyaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := json.Unmarshal(back, &values); err != nil {
		t.Fatal(err)
	}
	return string(text), values
}

// awkward are scalars at the border between what is plain and what is not.
var awkward = []string{
	"", "a", "y", "Yes", "off", "null", "~", "true", "True", "<<", "=", ".inf", "0", "-0", "-1", "007", "0x1f", "0b1", "0o7", "1_000", "1e3", "1E5",
	"12:30", "2001-01-01", "1.5", "64Mi", "100m", "5s", "1G", "1i", "-5", "+3", "8080", "999999999999999", "9999999999999999", "http://a.example:80/x",
	"a: b", "a #b", "a  b", "a:", "- a", "-a", "@a", "`a", "%a", "a@b", "[a]", "{}", "a,b", "'a'", `"a"`, `a\b`, "a\nb", "a\n", " a", "a ", "日本", "*a", "&a", "!a", "|", ">", "?", "? a",
	"a/b-c_d.e+f", "/x", "_x", strings.Repeat("ab ", 40), strings.Repeat("word", 40), "inf", "nan", ".nan", "0.0", "6.02e23", "NO", "n", "1h30m", "1K", "1M", "12e", "1__1",
	"--port=9898", "--a", "---", "--- a", "...", "./x", "./", "./.5", ".5", "-x", "a=b,c", "a,", "=a", "--=", "--x: y",
}

func scalars() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom(awkward), rapid.StringMatching(`[a-zA-Z0-9._/:@+=, -]{0,12}`), rapid.StringMatching(`[0-9]{1,4}[a-zA-Z]{0,2}`))
}

// values draws what a manifest can hold.
func values(t *rapid.T, depth int) any {
	switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case kind < 2 && depth > 0:
		out := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "entries") {
			out[scalars().Draw(t, "key")] = values(t, depth-1)
		}
		return out
	case kind < 4 && depth > 0:
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			out = append(out, values(t, depth-1))
		}
		return out
	case kind == 4:
		return rapid.Int64Range(-1e16, 1e16).Draw(t, "int")
	case kind == 5:
		return rapid.Bool().Draw(t, "bool")
	case kind == 6:
		return nil
	default:
		return scalars().Draw(t, "text")
	}
}

// TestPlainPrintsAsTheLibrary holds the short way to the long one: wherever it
// says yes, the text is the same byte for byte and so are the values.
func TestPlainPrintsAsTheLibrary(t *testing.T) {
	easy, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		top := map[string]any{"kind": "A", "spec": values(t, 4)}
		data, err := json.Marshal(top)
		if err != nil {
			t.Fatal(err)
		}
		n, err := yaml.ConvertJSONToYamlNode(string(data))
		if err != nil {
			t.Skip(err)
		}
		all++
		if same(t, n) {
			easy++
		}
	})
	if easy*10 < all {
		t.Errorf("only %d of %d were plain; the test says little", easy, all)
	}
}

// TestPlainReadsWhatWasWritten is the same for scalars as people write them,
// without quotes and with.
func TestPlainReadsWhatWasWritten(t *testing.T) {
	easy := 0
	for _, s := range awkward {
		for _, text := range []string{"k: " + s + "\n", "k: '" + s + "'\n", "k: \"" + s + "\"\n", "k:\n- " + s + "\n", s + ": v\n", "k: !!str " + s + "\n", "k: &a " + s + "\nl: *a\n"} {
			n, err := yaml.Parse(text)
			if err != nil || n.YNode().Kind != yaml.MappingNode {
				continue
			}
			if _, err := n.MarshalJSON(); err != nil {
				continue
			}
			if same(t, n) {
				easy++
			}
		}
	}
	if easy < len(awkward) {
		t.Errorf("only %d were plain", easy)
	}
}

// TestKeyOrder holds the order of keys that share long beginnings.
func TestKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := map[string]any{}
		for range 6 {
			top[rapid.StringMatching(`a[a-cA-C./_0-9-]{0,5}`).Draw(t, "key")] = "v"
		}
		data, _ := json.Marshal(top)
		n, err := yaml.ConvertJSONToYamlNode(string(data))
		if err != nil {
			t.Skip(err)
		}
		same(t, n)
	})
}

// same tells whether a node is plain, and fails where it then differs.
func same(t interface {
	Fatal(...any)
	Errorf(string, ...any)
}, n *yaml.RNode) bool {
	got, ok := plain(n.YNode())
	if !ok {
		return false
	}
	text, want := library(t, n)
	if string(got.text) != text {
		t.Errorf("got:\n%s\nwant:\n%s", got.text, text)
	}
	data, err := json.Marshal(got.values)
	if err != nil {
		t.Fatal(err)
	}
	var have map[string]any
	if err := json.Unmarshal(data, &have); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("got values %v, want %v", have, want)
	}
	return true
}
