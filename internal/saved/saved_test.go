package saved

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

type thing struct {
	Text   string
	Number int
	Size   uint64
	Share  float64
	On     bool
	ID     [4]byte
	Raw    []byte
	List   []string
	Nested []thing
	ByName map[string]thing
	ByKey  map[struct{ A, B string }]int
	Next   *thing
	JSON   map[string]any
	At     time.Time
	Took   time.Duration
}

func full() thing {
	long := []string{"a", "b", "c", "d", "e"}
	return thing{
		Text: "text", Number: -7, Size: math.MaxUint64, Share: 1.5, On: true, ID: [4]byte{1, 2, 3, 255}, Raw: []byte("raw\x00"), List: long,
		Nested: []thing{{Text: "text", List: long}, {List: []string{}}, {}}, ByName: map[string]thing{"x": {Number: 1}, "": {}},
		ByKey: map[struct{ A, B string }]int{{"a", "b"}: 1, {"b", "a"}: 2}, Next: &thing{Text: "next"},
		JSON: map[string]any{"a": nil, "b": true, "c": []any{int64(-1), 2.5, "x", map[string]any{}, []any{}, false}, "d": map[string]any(nil)},
		At:   time.Date(2025, 1, 1, 2, 3, 4, 5, time.UTC), Took: time.Minute,
	}
}

func TestDecodedIsWhatWasEncoded(t *testing.T) {
	for name, want := range map[string]thing{"zero": {}, "full": full()} {
		data, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		var got thing
		if err := Decode(data, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got  %+v\nwant %+v", name, got, want)
		}
	}
}

// What cannot be written down is told, not left out.
func TestEncodeRefuses(t *testing.T) {
	deep := map[string]any{}
	deep["again"] = deep
	for name, v := range map[string]any{
		"unexported": struct{ a int }{1}, "func": struct{ F func() }{func() {}}, "error": struct{ E error }{errShort},
		"JSON int": map[string]any{"a": 1}, "channel": make(chan int), "endless": deep,
	} {
		if _, err := Encode(v); err == nil {
			t.Errorf("%s was written down", name)
		}
	}
}

func TestSharedIsWrittenOnce(t *testing.T) {
	list := strings.Split(strings.Repeat("some text ", 50), " ")
	all := make([][]string, 100)
	for i := range all {
		all[i] = list
	}
	data, err := Encode(all)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	if err := Decode(data, &got); err != nil || !reflect.DeepEqual(got, all) {
		t.Fatalf("got %v, %v", got, err)
	}
	if len(data) > 1000 {
		t.Errorf("100 times the same took %d bytes", len(data))
	}
}

// Bytes that Encode did not write end in an error or in a value, and in nothing worse.
func FuzzDecode(f *testing.F) {
	for _, v := range []thing{{}, full()} {
		data, err := Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
		f.Add(bytes.ReplaceAll(data, []byte{1}, []byte{0xff}))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		var got thing
		_ = Decode(data, &got)
	})
}
