package edit

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// news are values that are hard to write.
var news = []string{
	"", " ", "x", "0.1.2", "1.10", "yes", "null", "~", "0x1", "0755", "2026-11-21", "1:30", "12e3", "true", "3", "-", "- a", "a: b", "a #b", "#a", "'", `"`, `\`,
	"it's", "a\nb", "a\nb\n", "\n", "a\n\n b\n\n", "\t", "a\tb", " a", "a ", "{{ .X }}", "${A}", "[a", "a]", "{", "}", "a,b", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "?", ":", "a:", "---", "...", "<<", "=",
	"ä", "日本", "\u2028", "\u0085", "\ufeff", "\x00", "\x1b[31m", "😀", "glob:release-*", "radixprod.azurecr.io/x:release-1", strings.Repeat("long ", 60),
}

// checkSet sets one value of a file and looks at everything that Set promises.
// It returns whether the value was set.
func checkSet(t *testing.T, file []byte, at Value, value string) bool {
	t.Helper()
	got, err := Set(file, at.Path, value)
	if err != nil {
		return false
	}
	before, err := Values(file)
	if err != nil {
		t.Fatal(err)
	}
	after, err := Values(got)
	if err != nil {
		t.Fatalf("after Set(%s, %q): %v", at.Path, value, err)
	}
	if len(before) != len(after) {
		t.Fatalf("Set(%s, %q): %d values before, %d after, in\n%s", at.Path, value, len(before), len(after), got)
	}
	for i, v := range before {
		want, tag := v.Text, v.Tag
		if v.Alias == "" && v.Path.String() == at.Path.String() || v.Alias != "" && v.Text != after[i].Text {
			want, tag = value, after[i].Tag // itself, or an alias of it
		}
		if after[i].Text != want || after[i].Path.String() != v.Path.String() || after[i].Tag != tag || after[i].Comment != v.Comment && v.Path.String() != at.Path.String() {
			t.Fatalf("Set(%s, %q): %s is %q (%s), want %q (%s), in\n%s", at.Path, value, v.Path, after[i].Text, after[i].Tag, want, tag, got)
		}
	}
	onlyThere(t, file, got, at)
	return true
}

// onlyThere holds that nothing before the line of a value and after its end has
// changed.
func onlyThere(t *testing.T, before, after []byte, at Value) {
	t.Helper()
	text, err := read(before)
	if err != nil {
		t.Fatal(err)
	}
	found := text.find(at.Path)
	if len(found) != 1 {
		t.Fatalf("%s names %d places", at.Path, len(found))
	}
	s, err := text.span(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(after, before[:s.from]) || !bytes.HasSuffix(after, before[s.to:]) {
		t.Fatalf("Set(%s) changed something outside of %q", at.Path, before[s.from:s.to])
	}
}

// Random values of the fleets, set to values that are hard to write.
func TestSetOnFleets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tried, refused, files := 0, 0, 0
	for _, file := range fleetFiles(t) {
		if testing.Short() && rng.IntN(20) > 0 {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		values, err := Values(data)
		if err != nil || len(values) == 0 || len(data) > 100<<10 {
			continue
		}
		files++
		for range 3 {
			v, value := values[rng.IntN(len(values))], news[rng.IntN(len(news))]
			if tried++; !checkSet(t, data, v, value) {
				if _, err := Set(data, v.Path, value); v.Alias == "" && !strings.Contains(err.Error(), "twice") {
					t.Errorf("%s: Set(%s, %q): %v", file, v.Path, value, err)
				}
				refused++
			}
		}
	}
	t.Logf("%d files, %d changes, %d refused", files, tried, refused)
}

// fleetFiles are YAML files of the fleets beside the checkout, for those who have
// them.
func fleetFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	root := "../../../shared/fleets"
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no %s here", root)
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(file); err == nil && !d.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			out = append(out, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzSet(f *testing.F) {
	for i, in := range []string{
		"a: 1 # one\nb: x # two\n", "a: x\r\nb: [1, 'two', {c: \"d\"}]\r\n", "\ufeffa: x\n", "a: &v x\nb: *v\nc: {<<: *v}\n", "a: |\n  x\n\n  y\nb: >+\n  z\n\n",
		"- - a\n  - b\n-\n- c:\n", "? a\n: b\n", "{\"a\": [1, 2],\n \"b\": null}", "a: !!str 1\nb: !x {}\n", "---\na: 1\n...\n---\nb: 2\n", "a: one\n  two\n\n  three\nb: x\n", "%YAML 1.1\n---\na: 'x\n\n  y'\n",
	} {
		f.Add([]byte(in), uint8(i), news[i])
	}
	f.Fuzz(func(t *testing.T, file []byte, which uint8, value string) {
		if len(file) > 4<<10 || len(value) > 1<<10 {
			return
		}
		values, err := Values(file)
		if err != nil || len(values) == 0 {
			return
		}
		checkSet(t, file, values[int(which)%len(values)], value)
	})
}

// A created value is there, and what was there is still there.
func FuzzCreate(f *testing.F) {
	f.Add([]byte("a: 1\nb:\n  c: x\n"), ".b.d.e", "y")
	f.Add([]byte("a: [1]\n"), ".a[1]", "y")
	f.Add([]byte("{}"), ".a.b", "true")
	f.Add([]byte("a:\n- |\n  x\n# c\n"), ".a[1].x", "1.10")
	f.Fuzz(func(t *testing.T, file []byte, path, value string) {
		p, err := ParsePath(path)
		if err != nil || len(file) > 4<<10 || len(value) > 1<<10 {
			return
		}
		before, err := Values(file)
		if err != nil {
			return
		}
		got, done, err := Apply(file, Change{Path: p, Value: value, Create: true})
		if err != nil || !done[0].Created {
			return
		}
		have := map[string]string{}
		after, err := Values(got)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range after {
			have[v.Path.String()] = v.Text
		}
		if have[done[0].Path.String()] != value {
			t.Fatalf("created %s = %q, it reads %q in\n%s", p, value, have[done[0].Path.String()], got)
		}
		for _, v := range before {
			if text, ok := have[v.Path.String()]; !ok && v.Tag != "!!null" || ok && text != v.Text && v.Tag != "!!null" {
				t.Fatalf("creating %s lost %s = %q in\n%s", p, v.Path, v.Text, got)
			}
		}
	})
}
