package edit

import (
	"strings"
	"testing"
)

func TestSet(t *testing.T) {
	for _, c := range []struct{ name, in, path, value, want string }{
		{"plain", "a: 1 # one\nb: x # two\n", ".b", "w", "a: 1 # one\nb: w # two\n"},
		{"no final newline", "a: x", ".a", "yy", "a: yy"},
		{"CRLF", "a: x\r\nb: y\r\n", ".a", "z", "a: z\r\nb: y\r\n"},
		{"BOM", "\ufeffa: x\nb: y\n", ".a", "z", "\ufeffa: z\nb: y\n"},
		{"tabs after the colon", "a:\t\tx\t# c\n", ".a", "w", "a:\t\tw\t# c\n"},
		{"characters before", "ä: {ö: x, b: y}\n", ".ä.b", "z", "ä: {ö: x, b: z}\n"},
		{"double quotes stay", `a: "x" # c` + "\n", ".a", `y"z\`, `a: "y\"z\\" # c` + "\n"},
		{"single quotes stay", "a: 'x'\n", ".a", "it's", "a: 'it''s'\n"},
		{"single quotes cannot hold a newline", "a: 'x'\n", ".a", "1\n2", "a: \"1\\n2\"\n"},
		{"a text that looks like a float", "version: v1\n", ".version", "1.10", "version: \"1.10\"\n"},
		{"a text that looks like a bool of 1.1", "a: v1\n", ".a", "yes", "a: \"yes\"\n"},
		{"a text that looks like hex", "a: v1\n", ".a", "0x1", "a: \"0x1\"\n"},
		{"a text that looks like a date", "a: v1\n", ".a", "2026-11-21", "a: \"2026-11-21\"\n"},
		{"a text that looks like a time", "a: v1\n", ".a", "06:00", "a: \"06:00\"\n"},
		{"a text that looks like a hash in e", "a: v1\n", ".a", "12e4", "a: \"12e4\"\n"},
		{"a text that is null", "a: v1\n", ".a", "null", "a: \"null\"\n"},
		{"an empty text", "a: v1\n", ".a", "", "a: \"\"\n"},
		{"a version stays plain", "a: v1\n", ".a", "0.1.97", "a: 0.1.97\n"},
		{"a glob stays plain", "a: glob:master-*\n", ".a", "glob:release-*", "a: glob:release-*\n"},
		{"a number stays one", "replicas: 3\n", ".replicas", "5", "replicas: 5\n"},
		{"an octal stays one", "mode: 0644\n", ".mode", "0755", "mode: 0755\n"},
		{"a float that would lose a digit", "v: 1.9\n", ".v", "1.10", "v: \"1.10\"\n"},
		{"a bool stays one", "suspend: false\n", ".suspend", "true", "suspend: true\n"},
		{"a number to a text", "v: 3\n", ".v", "3-alpine", "v: 3-alpine\n"},
		{"a comment sign", "v: x\n", ".v", "a #b", "v: \"a #b\"\n"},
		{"a colon", "v: x\n", ".v", "a: b", "v: \"a: b\"\n"},
		{"a dash", "v: x\n", ".v", "- b", "v: \"- b\"\n"},
		{"braces", "v: x\n", ".v", "{{ .X }}", "v: \"{{ .X }}\"\n"},
		{"a variable stays plain", "v: x\n", ".v", "${VAR:=1}", "v: ${VAR:=1}\n"},
		{"in flow", "a: {b: x, c: [1, two]} # c\n", ".a.c[1]", "three", "a: {b: x, c: [1, three]} # c\n"},
		{"in flow a comma", "a: [x]\n", ".a[0]", "x,y", "a: [\"x,y\"]\n"},
		{"a value that is not there", "a:\nb: 1\n", ".a", "x", "a: x\nb: 1\n"},
		{"a value that is not there, a comment", "a:   # c\nb: 1\n", ".a", "x", "a: x   # c\nb: 1\n"},
		{"an item that is not there", "a:\n  -\n  - b\n", ".a[0]", "x", "a:\n  - x\n  - b\n"},
		{"no colon in flow", "{a, b}\n", ".a", "x", "{a: x, b}\n"},
		{"json", "{\n\t\"a\": \"x\",\n\t\"b\": 1\n}", ".a", "é\t", "{\n\t\"a\": \"é\\t\",\n\t\"b\": 1\n}"},
		{"multi-line plain", "a: one\n  two\n\n  three\nb: x\n", ".a", "w", "a: w\nb: x\n"},
		{"multi-line double", "a: \"one\n  two\"\nb: x\n", ".a", "y", "a: \"y\"\nb: x\n"},
		{"literal", "a: | # c\n    one\n\n    two\nb: x\n", ".a", "1\n2\n", "a: | # c\n    1\n    2\nb: x\n"},
		{"literal without the last newline", "a: |\n  one\nb: x\n", ".a", "1", "a: |-\n  1\nb: x\n"},
		{"literal in CRLF", "a: |\r\n  one\r\nb: x\r\n", ".a", "1\n2\n", "a: |\r\n  1\r\n  2\r\nb: x\r\n"},
		{"literal in a list", "a:\n- |\n one\n- two\n", ".a[0]", "1\n", "a:\n- |\n 1\n- two\n"},
		{"literal that begins with a blank", "a: |\n  one\nb: x\n", ".a", " 1\n", "a: \" 1\\n\"\nb: x\n"},
		{"folded", "a: >-\n  one\n  two\nb: x\n", ".a", "1 2", "a: >-\n  1 2\nb: x\n"},
		{"folded to lines", "a: >\n  one\nb: x\n", ".a", "1\n2\n", "a: |\n  1\n  2\nb: x\n"},
		{"tagged", "a: !!str 1\n", ".a", "2", "a: !!str 2\n"},
		{"the anchor itself", "a: &v x\nb: *v\n", ".a", "w", "a: &v w\nb: *v\n"},
		{"quoted key", "\"a.b/c\": x\n", `."a.b/c"`, "w", "\"a.b/c\": w\n"},
		{"key with a wildcard", "m:\n  filter.fluxcd.io/chart-image: glob:master-*\n", `.m."filter.fluxcd.io/*"`, "x", "m:\n  filter.fluxcd.io/chart-image: x\n"},
		{"the item with a name", "c:\n- name: a\n  image: x\n- name: b\n  image: x\n", ".c[name=b].image", "w", "c:\n- name: a\n  image: x\n- name: b\n  image: w\n"},
		{"the item with a text", "r:\n- a\n- b\n", ".r[.=b]", "c", "r:\n- a\n- c\n"},
		{"from the end", "a: [1, 2]\n", ".a[-1]", "3", "a: [1, 3]\n"},
		{"second document", "a: 1\n---\na: 2\n", "1:.a", "3", "a: 1\n---\na: 3\n"},
		{"document by name", "kind: A\nmetadata: {name: x}\nv: 1\n---\nkind: A\nmetadata: {name: y}\nv: 2\n", "A/y:.v", "3", "kind: A\nmetadata: {name: x}\nv: 1\n---\nkind: A\nmetadata: {name: y}\nv: 3\n"},
		{"a template in quotes elsewhere", "a: '{{ x }}'\nb: x\n", ".b", "z", "a: '{{ x }}'\nb: z\n"},
		{"a letter that is a bool of 1.1", "a: v1\n", ".a", "y", "a: \"y\"\n"},
		{"duplicate elsewhere", "a: 1\na: 2\nb: x\n", ".b", "w", "a: 1\na: 2\nb: w\n"},
		{"unicode line ends in quotes", "a: \"x\u2028y\"\nb: z\n", ".b", "w", "a: \"x\u2028y\"\nb: w\n"},
	} {
		path, err := ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Set([]byte(c.in), path, c.value)
		if string(got) != c.want || err != nil {
			t.Errorf("%s: Set(%q, %s, %q) = %q, %v; want %q", c.name, c.in, c.path, c.value, got, err, c.want)
		}
	}
}

func TestCreate(t *testing.T) {
	for _, c := range []struct{ name, in, path, value, want string }{
		{"beside others", "a: x\nb: y # c\n# end\n", ".c", "z", "a: x\nb: y # c\nc: z\n# end\n"},
		{"in the middle", "s:\n  a: x\n\nt: 1\n", ".s.b", "z", "s:\n  a: x\n  b: z\n\nt: 1\n"},
		{"no final newline", "a: x", ".b", "w", "a: x\nb: w"},
		{"CRLF", "s:\r\n  a: x\r\nt: 1\r\n", ".s.b", "z", "s:\r\n  a: x\r\n  b: z\r\nt: 1\r\n"},
		{"quotes of its neighbours", "c:\n    a:\n        v: \"0.1\"\n", ".c.b.v", "0.2", "c:\n    a:\n        v: \"0.1\"\n    b:\n        v: \"0.2\"\n"},
		{"a label is a text", "metadata:\n  labels:\n    app: x\n", ".metadata.labels.on", "true", "metadata:\n  labels:\n    app: x\n    \"on\": \"true\"\n"},
		{"a number", "spec:\n  interval: 1m\n", ".spec.replicas", "3", "spec:\n  interval: 1m\n  replicas: 3\n"},
		{"a number that would lose a digit", "spec:\n  interval: 1m\n", ".spec.version", "1.10", "spec:\n  interval: 1m\n  version: \"1.10\"\n"},
		{"below an empty key", "a:\nb: 1\n", ".a.c.d", "x", "a:\n  c:\n    d: x\nb: 1\n"},
		{"below {}", "a: {}\nb: 1\n", ".a.c.d", "x", "a: {c: {d: x}}\nb: 1\n"},
		{"in flow", "a: {b: 1}\n", ".a.c", "x", "a: {b: 1, c: x}\n"},
		{"json", "{\n  \"a\": \"1\",\n  \"b\": {\"c\": 2}\n}\n", ".d", "x", "{\n  \"a\": \"1\",\n  \"b\": {\"c\": 2},\n  \"d\": \"x\"\n}\n"},
		{"to a list", "a:\n- x\n- y\n", ".a[2]", "z", "a:\n- x\n- y\n- z\n"},
		{"a mapping to a list", "a:\n  - name: x\n    v: 1\nb: 1\n", ".a[1].name", "w", "a:\n  - name: x\n    v: 1\n  - name: w\nb: 1\n"},
		{"to a list in flow", "a: [x, 'y']\n", ".a[2]", "z", "a: [x, 'y', 'z']\n"},
		{"after a text of many lines", "a:\n  b: |\n    x\n    y\nc: 1\n", ".a.d", "z", "a:\n  b: |\n    x\n    y\n  d: z\nc: 1\n"},
		{"an empty file", "", ".a.b", "x", "a:\n  b: x\n"},
		{"over a merge", "base: &b {v: 1}\nx:\n  <<: *b\n  w: 2\n", ".x.v", "3", "base: &b {v: 1}\nx:\n  <<: *b\n  w: 2\n  v: 3\n"},
		{"a key that must be quoted", "a: 1\n", `."b: c"`, "x", "a: 1\n\"b: c\": x\n"},
		{"is there already", "a: 1\n", ".a", "2", "a: 2\n"},
		{"second document", "a: 1\n---\nb: 1\n", "1:.c", "2", "a: 1\n---\nb: 1\nc: 2\n"},
		{"first document", "a: 1\n---\nb: 1\n", "0:.c", "2", "a: 1\nc: 2\n---\nb: 1\n"},
	} {
		got, done, err := Apply([]byte(c.in), Change{Path: MustPath(c.path), Value: c.value, Create: true})
		if string(got) != c.want || err != nil {
			t.Errorf("%s: create %s in %q = %q, %v; want %q", c.name, c.path, c.in, got, err, c.want)
			continue
		}
		if again, err := Get(got, done[0].Path); err != nil || len(again) != 1 || again[0].Text != c.value || again[0].Line != done[0].Line {
			t.Errorf("%s: %s reads %v %v", c.name, done[0].Path, again, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, in, path, want string }{
		{"missing", "a:\n  b: 1\n", ".a.c", "f:2:3: set .a.c: .a is there, but has no .c"},
		{"missing at the root", "a: 1\n", ".x.y", "f: set .x.y: there is no .x"},
		{"alias", "a: &v x\nb: *v\n", ".b", "f:2:4: set .b: the value comes from the anchor &v in line 1"},
		{"in an alias", "a: &v {x: 1}\nb: *v\n", ".b.x", "anchor &v in line 1"},
		{"merged", "a: &v {x: 1}\nb:\n  <<: *v\n", ".b.x", "anchor &v in line 1"},
		{"duplicate", "a: 1\na: 2\n", ".a", `f:2:1: the key "a" stands twice in one mapping, first in line 1`},
		{"mapping", "a: {b: 1}\n", ".a", "there is a mapping"},
		{"list", "a: [1]\n", ".a", "name an item of it, as .a[0]"},
		{"two documents", "a: 1\n---\na: 2\n", ".a", "f:3:4: set .a: it names 2 values, the first are 0:.a (line 1) and 1:.a"},
		{"wildcard", "a: {b: 1, c: 2}\n", ".a.*", "it names 2 values"},
		{"no such document", "kind: A\n", "B/x:.a", "there is no such document among the 1 of the file"},
		{"template", "a: 1\n{{- if .x }}\nb: 2\n{{- end }}\n", ".a", "f:2: here begins a template"},
		{"template as a value", "a: 1\nb: {{ .Values.b }}\n", ".a", "f:2:4: here begins a template"},
		{"no YAML", "a: [1\nb: 2\n", ".a", "it is no YAML"},
		{"not UTF-8", "a: \xff\n", ".a", "f: the file is not UTF-8"},
	} {
		_, err := Set([]byte(c.in), MustPath(c.path), "new")
		e, ok := err.(*Error)
		if !ok || !strings.Contains(e.In("f"), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{".a.b[0].c", ".a.b[0].c"}, {`.a["x.y"][-1]`, `.a."x.y"[-1]`}, {`.a."x\"y"`, `.a."x\"y"`}, {".*.b[*]", ".*.b[*]"}, {`."*"`, ".*"},
		{`."filter.fluxcd.io/*"`, `."filter.fluxcd.io/*"`}, {`."a\*"`, `."a\*"`}, {".a[]", ".a[*]"}, {"[0].a", "[0].a"}, {".[0]", "[0]"},
		{"2:.a", "2:.a"}, {"HelmRelease:.a", "HelmRelease:.a"}, {"HelmRelease/x:.a", "HelmRelease/x:.a"}, {"apps/v1/Deployment/ns/x:.a", "apps/v1/Deployment/ns/x:.a"},
		{".c[name=web].image", ".c[name=web].image"}, {".r[.=./a.yaml]", ".r[.=./a.yaml]"}, {".aks-dns_2.b", ".aks-dns_2.b"},
	} {
		p, err := ParsePath(c.in)
		if err != nil || p.String() != c.want {
			t.Errorf("ParsePath(%q) = %s, %v; want %s", c.in, p, err, c.want)
			continue
		}
		if again, err := ParsePath(p.String()); err != nil || again.String() != c.want {
			t.Errorf("ParsePath(%s) = %s, %v", p, again, err)
		}
	}
	for _, bad := range []string{"", "a.b", ".a..b", ".a[", ".a[x]", `.a."b`, "x:.a", ".", ".a.", `.a["b"`} {
		if p, err := ParsePath(bad); err == nil {
			t.Errorf("ParsePath(%q) = %s, want an error", bad, p)
		}
	}
	for _, c := range []struct {
		pattern, path string
		match, covers bool
	}{
		{".a.*.c", ".a.b.c", true, true}, {".a.*", ".a.b.c", false, true}, {".a.*.c", ".a.b", false, false}, {".a[*]", ".a[3]", true, true},
		{`.m."x/*y"`, `.m."x/a/by"`, true, true}, {`.m."x/*y"`, `.m."x/a"`, false, false}, {".a", ".b", false, false}, {`.m."*"`, ".m.q", true, true},
	} {
		p, at := MustPath(c.pattern), MustPath(c.path)
		if p.Match(at) != c.match || p.Covers(at) != c.covers {
			t.Errorf("%s and %s: Match %v, Covers %v; want %v, %v", p, at, p.Match(at), p.Covers(at), c.match, c.covers)
		}
	}
}

// One call makes all changes, or none.
func TestApply(t *testing.T) {
	in := "a: 1\nb: x\n"
	got, done, err := Apply([]byte(in), Change{Path: MustPath(".a"), Value: "2"}, Change{Path: MustPath(".b"), Value: "w"})
	if err != nil || string(got) != "a: 2\nb: w\n" || len(done) != 2 || done[1].Old != "x" || done[1].Line != 2 || done[1].Column != 4 {
		t.Errorf("got %q %v %v", got, done, err)
	}
	if got, _, err := Apply([]byte(in), Change{Path: MustPath(".a"), Value: "2"}, Change{Path: MustPath(".c"), Value: "y"}); err == nil || got != nil {
		t.Errorf("got %q, %v; want an error and no text", got, err)
	}
}
