package chart_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/chart"
)

const helmIndex = `# made by helm
apiVersion: v1
entries:
  podinfo:
  - apiVersion: v1
    appVersion: 6.9.3
    created: "2026-01-01T00:00:00Z"
    description: |
      Podinfo: not a key
      - nor an item
    digest: a605dab0262b0b17ac88a70c9ec48e907e28509125b00e08dbfe9f0c5810b44e
    name: podinfo
    urls:
    - podinfo-6.9.3.tgz
    version: 6.9.3
  - apiVersion: v1
    name: podinfo
    version: 6.9.10
    deprecated: true
    urls: [https://cdn.example.com/podinfo-6.9.10.tgz]
  - {apiVersion: v1, name: podinfo, version: 7.0.0-rc.1, urls: [podinfo-7.0.0-rc.1.tgz]}

  "quoted":
    - name: quoted
      version: v1.2.3+b
      created: 2026-01-01T00:00:00Z
      urls: [a]
    - name: quoted
      version: v1.2.3+a
      created: 2026-02-01T00:00:00Z
      urls: [b]
    - name: quoted
      version: not a version
    - name: ../../etc
      version: 1.0.0
    - version: 1.0.0
    - null
  dated:
    - {name: dated, version: 2026.01.15, urls: [c]}
    - {name: dated, version: 2025.12.03, urls: [d]}
    - {name: dated, version: "2027.1", urls: [e]}
  empty: []
  none:
generated: "2026-01-01T00:00:00Z"
serverInfo: {contextPath: /x}
`

func read(t *testing.T, text string) *chart.Index {
	t.Helper()
	x, err := chart.ReadIndex([]byte(text), chart.IndexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestFind(t *testing.T) {
	x := read(t, helmIndex)
	for _, c := range []struct{ name, want, got string }{
		{"podinfo", "", "6.9.10"},
		{"podinfo", "*", "6.9.10"},
		{"podinfo", "6.9.3", "6.9.3"},
		{"podinfo", "v6.9.3", "6.9.3"},
		{"podinfo", "<6.9.5", "6.9.3"},
		{"podinfo", "6.x", "6.9.10"},
		{"podinfo", ">=7.0.0-0", "7.0.0-rc.1"},
		{"podinfo", "7.0.0-rc.1", "7.0.0-rc.1"},
		{"podinfo", ">=7", "error: no 'podinfo' chart with version matching '>=7' found: not in the repository; there are 7.0.0-rc.1, 6.9.10, 6.9.3"},
		{"podinfo", "]", "error: no 'podinfo' chart with version matching ']' found: improper constraint: \"]\"; there are 7.0.0-rc.1, 6.9.10, 6.9.3"},
		{"quoted", "1.2.3", "v1.2.3+a"}, // the one created last
		{"quoted", "v1.2.3+b", "v1.2.3+b"},
		{"dated", "*", "2026.01.15"}, // parts may begin with a zero; there must be three of them
		{"dated", "<2026", "2025.12.03"},
		{"dated", "2027.1", "2027.1"},
		{"empty", "", "error: there is no chart 'empty': not in the repository; it has dated, empty, none, podinfo, quoted"},
		{"absent", "1", "error: there is no chart 'absent': not in the repository; it has dated, empty, none, podinfo, quoted"},
	} {
		v, err := x.Find(c.name, c.want)
		got := v.Version
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.got {
			t.Errorf("Find(%q, %q): got %s, want %s", c.name, c.want, got, c.got)
		}
	}
}

func TestWhatAnIndexKeeps(t *testing.T) {
	v := read(t, helmIndex).Versions("podinfo")[2]
	if got, want := fmt.Sprint(v), "{podinfo 6.9.3 6.9.3 [podinfo-6.9.3.tgz] a605dab0262b0b17ac88a70c9ec48e907e28509125b00e08dbfe9f0c5810b44e 2026-01-01 00:00:00 +0000 UTC false}"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// The JSON that is written has everything, and reads as the same index.
func TestIndexAsJSON(t *testing.T) {
	x, out, err := chart.IndexJSON([]byte(helmIndex), chart.IndexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out) {
		t.Fatalf("no JSON: %s", out)
	}
	for _, want := range []string{`"description":"Podinfo: not a key\n- nor an item\n"`, `"serverInfo":{"contextPath":"/x"}`, `"apiVersion":"v1"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the JSON lacks %s:\n%s", want, out)
		}
	}
	again := read(t, string(out))
	if got, want := fmt.Sprint(again), fmt.Sprint(x); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// What is written in an unusual way reads as the same index.
func TestWaysToWriteAnIndex(t *testing.T) {
	for name, text := range map[string]string{
		"document":    "---\napiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, urls: [u]}\n",
		"deep":        "apiVersion: v1\nentries:\n      a:\n          - name: a\n            version: 1.0.0\n            urls:\n              - u\n",
		"braces":      "apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0,\n urls: [u]}]}\n",
		"multi-line":  "apiVersion: v1\nentries:\n  a:\n  - name: a\n    description: \"one\n\n  b:\n  two\"\n    version: 1.0.0\n    urls: [u]\n",
		"alias":       "apiVersion: v1\nentries:\n  a:\n  - &x {name: a, version: 1.0.0, urls: [u]}\nother: *x\n",
		"json":        ` {"apiVersion":"v1","entries":{"a":[{"name":"a","version":"1.0.0","urls":["u"]},null]}}`,
		"crlf":        "apiVersion: v1\r\nentries:\r\n  a:\r\n  - name: a\r\n    version: 1.0.0\r\n    urls:\r\n    - u\r\n",
		"bom":         "\xef\xbb\xbfapiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, urls: [u]}\n",
		"number":      "apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, urls: [u], appVersion: [1]}\n",
		"entriesLast": "apiVersion: v1\nentries: # all\n  # first\n  a: # it\n  # b\n  - name: a\n  # c\n    version: 1.0.0\n    urls: [u]",
	} {
		x, _, err := chart.IndexJSON([]byte(text), chart.IndexOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if v, err := x.Find("a", ""); err != nil || v.Version != "1.0.0" || !slices.Equal(v.URLs, []string{"u"}) {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
	}
}

func TestBrokenIndexes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "it is empty",
		"entries: {}":                      "no API version specified",
		"<html>Not found</html>":           "<html>Not found</html> stands where a map is expected", // a page
		"apiVersion: v1\nentries: [1]":     "[ stands where a map is expected",
		"apiVersion: v1\nentries:\n  a: 1": "1 stands where a list is expected",
		`{"apiVersion":"v1","entries":{"a":[{"name":"a"`: "did not find expected",
		"apiVersion: v1\nentries:\n  a: []\n  a: []":     "the chart \"a\": it stands there twice",
	} {
		_, err := chart.ReadIndex([]byte(text), chart.IndexOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	_, err := chart.ReadIndex(make([]byte, 100), chart.IndexOptions{Max: 99})
	if err == nil || !strings.Contains(err.Error(), "100 bytes are more than the limit of 99") {
		t.Errorf("got %v", err)
	}
}

// bigIndex is an index of about so many bytes.
func bigIndex(size int) []byte {
	var b bytes.Buffer
	b.Grow(size + 4096)
	b.WriteString("apiVersion: v1\nentries:\n")
	for i := 0; b.Len() < size; i++ {
		if i%500 == 0 {
			fmt.Fprintf(&b, "  chart-%d:\n", i/500)
		}
		fmt.Fprintf(&b, "  - apiVersion: v2\n    name: chart-%d\n    version: 1.%d.0\n    urls: [chart-%d-1.%d.0.tgz]\n    description: %s\n",
			i/500, i%500, i/500, i%500, strings.Repeat("many words ", 160))
	}
	return b.Bytes()
}

// A large index takes memory by what is kept of it.
func TestMemoryOfALargeIndex(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 100 MB")
	}
	data := bigIndex(100 << 20)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x, text, err := chart.IndexJSON(data, chart.IndexOptions{Max: 200 << 20})
	if err != nil || len(text) < 90<<20 {
		t.Fatal(len(text), err)
	}
	text = nil
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 300<<20 { // the JSON, and as much that is not collected yet
		t.Errorf("reading %d bytes made the heap grow by %d", len(data), grown)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 40<<20 {
		t.Errorf("%d bytes are kept of %d versions", kept, x.Len())
	}
	runtime.KeepAlive(data)
}

func FuzzReadIndex(f *testing.F) {
	f.Add([]byte(helmIndex))
	f.Add([]byte(`{"apiVersion":"v1","entries":{"a":[{"name":"a","version":"1"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, out, err := chart.IndexJSON(data, chart.IndexOptions{Max: 1 << 20})
		if err != nil {
			return
		}
		again, err := chart.ReadIndex(out, chart.IndexOptions{})
		if err != nil || fmt.Sprint(again) != fmt.Sprint(x) {
			t.Fatalf("%s\nreads as %v, %v\nwant %v", out, again, err, x)
		}
	})
}

func BenchmarkReadIndex(b *testing.B) {
	data := bigIndex(10 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := chart.ReadIndex(data, chart.IndexOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
