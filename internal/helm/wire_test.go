package helm

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
)

func TestPack(t *testing.T) {
	want := map[string]any{
		"nil": nil, "yes": true, "no": false, "int": -3, "int64": int64(1) << 60, "uint64": uint64(math.MaxUint64), "float": 1e6, "text": "ü\x00",
		"number": json.Number("1.0"), "list": []any{"a", []any{}, nil}, "map": map[string]any{"": map[string]any{}}, "values": common.Values{"a": 1.5},
	}
	text, err := pack(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpack(text)
	if err != nil || !reflect.DeepEqual(got, any(want)) {
		t.Errorf("got %#v, %v, want %#v", got, err, want)
	}
	for i := range text {
		if _, err := unpack(text[:i]); err == nil {
			t.Errorf("%d of %d bytes were read as a value", i, len(text))
		}
	}
	if _, err := pack(nil, map[string]any{"a": struct{}{}}); err == nil {
		t.Error("a struct was packed")
	}
}

func FuzzUnpack(f *testing.F) {
	for _, v := range []any{nil, "a", 1, []any{1.5, true}, map[string]any{"a": map[string]any{"b": nil}}} {
		text, err := pack(nil, v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := unpack(text)
		if err != nil {
			return
		}
		if _, err := pack(nil, v); err != nil {
			t.Errorf("cannot pack %#v: %v", v, err)
		}
	})
}
