package generate

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	swapi "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
)

// script is an archive of testdata: files «alias/path», and named cases.
type script struct {
	sources Sources
	cases   map[string]string
}

func read(t *testing.T, name string, aliases ...string) script {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	s := script{Sources{}, map[string]string{}}
	builders := map[string]*tree.Builder{}
	for _, f := range archive.Files {
		alias, p, ok := strings.Cut(f.Name, "/")
		if !ok || !slices.Contains(aliases, alias) {
			s.cases[f.Name] = string(f.Data)
			continue
		}
		if builders[alias] == nil {
			builders[alias] = &tree.Builder{}
		}
		if err := builders[alias].Add(p, tree.BlobOf(f.Data)); err != nil {
			t.Fatal(err)
		}
	}
	for alias, b := range builders {
		if s.sources[alias], err = b.Tree(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// operations reads «from to [strategy] [!exclude]…», one a line or a semicolon.
func operations(text string) []swapi.CopyOperation {
	var ops []swapi.CopyOperation
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		op := swapi.CopyOperation{From: words[0], To: words[1]}
		for _, w := range words[2:] {
			if pattern, ok := strings.CutPrefix(w, "!"); ok {
				op.Exclude = append(op.Exclude, pattern)
			} else {
				op.Strategy = w
			}
		}
		ops = append(ops, op)
	}
	return ops
}

func unpack(packed []byte) (tree.Tree, error) {
	t, _, err := untar.Read(context.Background(), bytes.NewReader(packed), untar.Options{})
	return t, err
}

func make1(sources Sources, ops string) (Output, error) {
	return Make(Artifact{Name: "a", Copy: operations(ops)}, sources, Options{Untar: unpack})
}

func files(t interface{ Fatal(...any) }, tr tree.Tree) map[string]string {
	out := map[string]string{}
	err := tr.Walk(func(p string, b *tree.Blob) error {
		body, err := b.Read()
		out[p] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
		t.Errorf("got error %v, want one with %q", err, strings.TrimSpace(want))
	}
}

func TestCopy(t *testing.T) {
	s := read(t, "copy.txtar", "s", "t")
	for line := range strings.Lines(s.cases["cases"]) {
		name, ops, ok := strings.Cut(line, " @")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		t.Run(strings.TrimSpace(name), func(t *testing.T) {
			ops, want, failing := strings.Cut("@"+ops, "✗")
			if failing {
				_, err := make1(s.sources, ops)
				wantError(t, err, want)
				return
			}
			ops, want, _ = strings.Cut(ops, "→")
			out, err := make1(s.sources, ops)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Sorted(maps.Keys(files(t, out.Tree)))
			if diff := cmp.Diff(strings.Fields(want), got, cmp.Transformer("none", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// Of two operations the later one's content counts.
func TestLaterWins(t *testing.T) {
	s := read(t, "copy.txtar", "s", "t")
	for ops, want := range map[string]string{
		"@s/** @artifact/ ; @t/** @artifact/": "name: other\n",
		"@t/** @artifact/ ; @s/** @artifact/": "name: config\n",
	} {
		out, err := make1(s.sources, ops)
		if err != nil {
			t.Fatal(err)
		}
		if got := files(t, out.Tree)["config.yaml"]; got != want {
			t.Errorf("%s: got %q, want %q", ops, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	s := read(t, "merge.txtar", "base", "over")
	for name, text := range s.cases {
		t.Run(name, func(t *testing.T) {
			ops, want, failing := strings.Cut(text, "✗")
			if failing {
				_, err := make1(s.sources, ops)
				wantError(t, err, want)
				return
			}
			ops, want, _ = strings.Cut(text, "→ ")
			p, want, _ := strings.Cut(want, "\n")
			out, err := make1(s.sources, ops)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, files(t, out.Tree)[p]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", p, diff)
			}
		})
	}
}

func TestPathPattern(t *testing.T) {
	s := read(t, "pathpattern.txtar", "m")
	for name, text := range s.cases {
		t.Run(name, func(t *testing.T) {
			at := strings.IndexAny(text, "→✗")
			var spec swapi.ArtifactGeneratorSpec
			if err := yaml.UnmarshalStrict([]byte(text[:at]), &spec); err != nil {
				t.Fatal(err)
			}
			got, err := Expand(spec, s.sources)
			if want, failing := strings.CutPrefix(text[at:], "✗"); failing {
				wantError(t, err, want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, a := range got {
				lines = append(lines, fmt.Sprintf("%s {%s} %s %s", a.Name, labels(a.Labels), a.Copy[0].From, a.Copy[0].To))
			}
			if diff := cmp.Diff(strings.Trim(text[at:], "→\n"), strings.Join(lines, "\n")); diff != "" {
				t.Errorf("artifacts (-want +got):\n%s", diff)
			}
		})
	}
}

func labels(m map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, key+"="+m[key])
	}
	return strings.Join(out, " ")
}

func pack(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, name := range names {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(name))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExtract(t *testing.T) {
	src, err := tree.FromFiles(map[string]string{
		"app-1.tgz": pack(t, "app/Chart.yaml", "app/values.yaml"), "r/v1/db.TAR.GZ": pack(t, "db/Chart.yaml"), "r/x.yaml": "x",
		"out.tgz": pack(t, "../../x"), "abs.tgz": pack(t, "/x"), "plain.tgz": "app", "app/Chart.yaml": "old",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := Sources{"s": src}
	for ops, want := range map[string]string{
		"@s/app-1.tgz @artifact/ Extract":                             "app/Chart.yaml app/values.yaml",
		"@s/app-1.tgz @artifact/charts Extract":                       "charts/app/Chart.yaml charts/app/values.yaml",
		"@s/app @artifact/ ; @s/app-1.tgz @artifact/ Extract":         "app/Chart.yaml app/values.yaml",
		"@s/r/**/*.tar.gz @artifact/ Extract":                         "✗ nothing in the source matches",
		"@s/r/** @artifact/x Extract":                                 "x/db/Chart.yaml",
		"@s/r/*.yaml @artifact/ Extract":                              "",
		"@s/app-1.tgz @artifact/ Extract !*.tgz":                      "",
		"@s/r @artifact/ Extract":                                     "✗ r is a directory",
		"@s/r/x.yaml @artifact/ Extract":                              "✗ only .tar.gz and .tgz",
		"@s/out.tgz @artifact/a/b/c Extract":                          "✗ extract out.tgz",
		"@s/abs.tgz @artifact/ Extract":                               "✗ extract abs.tgz",
		"@s/plain.tgz @artifact/ Extract":                             "✗ not compressed by gzip",
		"@s/r/x.yaml @artifact/app ; @s/app-1.tgz @artifact/ Extract": "✗ app is a file in one",
	} {
		out, err := make1(s, ops)
		if text, failing := strings.CutPrefix(want, "✗ "); failing {
			wantError(t, err, text)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", ops, err)
			continue
		}
		if got := strings.Join(slices.Sorted(maps.Keys(files(t, out.Tree))), " "); got != want {
			t.Errorf("%s: got %q, want %q", ops, got, want)
		}
	}
	if _, err := Make(Artifact{Copy: operations("@s/app-1.tgz @artifact/ Extract")}, s, Options{}); err == nil {
		t.Error("extracted without an Untar")
	}
}

// The default ignore rules hold for what is archived, and the name of the file
// is that of everything copied (values computed by source-watcher v2.2.1).
func TestArchived(t *testing.T) {
	src, err := tree.FromFiles(map[string]string{
		"a.yaml": "a: 1\n", "logo.png": "png", ".github/ci.yaml": "ci", "sub/.sops.yaml": "x", "charts/c.tgz": "tgz", ".sourceignore": "*.yaml",
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := make1(Sources{"s": src}, "@s/** @artifact/")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a.yaml": "a: 1\n", "charts/c.tgz": "tgz", ".sourceignore": "*.yaml"}
	if diff := cmp.Diff(want, files(t, out.Tree)); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
	if out.File != "193407129.tar.gz" {
		t.Errorf("got file %s", out.File)
	}
}

func TestChecksum(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"1": nil, "1454900802": {"x/a-b": "", "x/a/b": "2"},
	} {
		src, err := tree.FromFiles(files)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := checksum("a", src); err != nil || got != want {
			t.Errorf("checksum(%v) = %s, %v; want %s", files, got, err, want)
		}
	}
	odd, err := tree.FromFiles(map[string]string{"a\nb": ""})
	if err != nil {
		t.Fatal(err)
	}
	_, err = checksum("a", odd)
	wantError(t, err, "line break")
}

func TestLimits(t *testing.T) {
	src, err := tree.FromFiles(map[string]string{"a": "12345", "b": "12345"})
	if err != nil {
		t.Fatal(err)
	}
	for text, l := range map[string]tree.Limits{"more than 1 files": {Files: 1}, "more than 9 bytes": {Bytes: 9}} {
		_, err := Make(Artifact{Copy: operations("@s/ @artifact/")}, Sources{"s": src}, Options{Limits: l})
		wantError(t, err, text)
	}
	many := swapi.ArtifactGeneratorSpec{OutputArtifacts: make([]swapi.OutputArtifact, MaxArtifacts+1)}
	_, err = Expand(many, nil)
	wantError(t, err, "more than 1000 artifacts")
}

func TestCheck(t *testing.T) {
	src := []swapi.SourceReference{{Alias: "a"}, {Alias: "b"}}
	for want, spec := range map[string]swapi.ArtifactGeneratorSpec{
		"":                              {Sources: src, OutputArtifacts: []swapi.OutputArtifact{{Name: "x", Revision: "@a", OriginRevision: "@unknown"}}},
		"duplicate source alias 'a'":    {Sources: []swapi.SourceReference{{Alias: "a"}, {Alias: "a"}}},
		"duplicate artifact name 'x'":   {Sources: src, OutputArtifacts: []swapi.OutputArtifact{{Name: "x"}, {Name: "x"}}},
		"artifact name \"{x}\" is not":  {Sources: src, OutputArtifacts: []swapi.OutputArtifact{{Name: "{x}"}}},
		"revision source alias 'c' not": {Sources: src, OutputArtifacts: []swapi.OutputArtifact{{Name: "x", Revision: "@c"}}},
	} {
		if err := Check(spec); want != "" {
			wantError(t, err, want)
		} else if err != nil {
			t.Error(err)
		}
	}
}
