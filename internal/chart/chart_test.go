package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/tree"
)

// file is an entry of a test's archive.
type file struct {
	name, text string
	kind       byte
	link       string
}

func pack(t testing.TB, files ...file) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: f.kind, Size: int64(len(f.text)), Mode: 0o4755, Linkname: f.link}
		if f.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func about(name string) file {
	return file{name: name + "/Chart.yaml", text: "apiVersion: v2\nname: " + name + "\nversion: 1.2.3\n"}
}

func TestLoad(t *testing.T) {
	sub := pack(t, about("sub"), file{name: "sub/values.yaml", text: "b: 1\n"})
	c, err := chart.Load(pack(t, about("web"),
		file{name: "web/values.yaml", text: "\xef\xbb\xbfa: 1\n"},
		file{name: "web/templates/a.yaml", text: "x"},
		file{name: "web/link", kind: tar.TypeSymlink, link: "/etc/passwd"},
		file{name: "web/charts/z.tgz", text: string(sub)},
		file{name: "web/charts/_old.tgz", text: "no archive"},
		file{name: "web/charts/inner/Chart.yaml", text: "apiVersion: v2\nname: inner\nversion: 0.1.0\n"},
		file{name: "web/charts/inner/charts/s.tgz", text: string(sub)},
	), chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range c.Dependencies() {
		names = append(names, d.Name())
		for _, dd := range d.Dependencies() {
			names = append(names, d.Name()+"/"+dd.Name())
		}
	}
	if want := []string{"inner", "inner/sub", "sub"}; !slices.Equal(names, want) {
		t.Errorf("dependencies: got %v, want %v", names, want)
	}
	if got := fmt.Sprint(c.Values); got != "map[a:1]" {
		t.Errorf("values: got %s", got)
	}
	for _, f := range c.Files {
		if f.Name == "link" {
			t.Error("a link became a file")
		}
	}
}

func TestHostileArchives(t *testing.T) {
	web := about("web")
	nested := pack(t, about("sub"))
	for range 20 {
		nested = pack(t, about("sub"), file{name: "sub/charts/sub.tgz", text: string(nested)})
	}
	bomb := strings.Repeat("\x00", 4<<20)
	many := []file{web}
	for i := range 101 {
		many = append(many, file{name: fmt.Sprintf("web/f%d", i)})
	}
	for name, c := range map[string]struct {
		data   []byte
		limits chart.Limits
		want   string
	}{
		"parent":     {pack(t, web, file{name: "web/../../etc/passwd"}), chart.Limits{}, "leads out of the chart"},
		"parent dir": {pack(t, web, file{name: "../web/x"}), chart.Limits{}, "leads out of the chart"},
		"windows":    {pack(t, web, file{name: `web\..\..\x`}), chart.Limits{}, "leads out of the chart"},
		"drive":      {pack(t, web, file{name: "web/c:/x"}), chart.Limits{}, "that of a drive"},
		"absolute":   {pack(t, web, file{name: "/etc/passwd"}), chart.Limits{}, "is absolute"},
		"absolute 2": {pack(t, web, file{name: "web//etc/passwd"}), chart.Limits{}, "is absolute"},
		"flat":       {pack(t, file{name: "Chart.yaml", text: web.text}), chart.Limits{}, "do not stand in a directory"},
		"beside":     {pack(t, web, file{name: "README"}), chart.Limits{}, "stands beside the chart's directory"},
		"utf-8":      {pack(t, web, file{name: "web/\xff"}), chart.Limits{}, "too long or no text"},
		"long":       {pack(t, web, file{name: "web/" + strings.Repeat("a/", 5000) + "a"}), chart.Limits{}, "too long or no text"},
		"twice":      {pack(t, web, file{name: "web/./Chart.yaml", text: web.text}), chart.Limits{}, "stands there twice"},
		"links only": {pack(t, file{name: "web/Chart.yaml", kind: tar.TypeLink, link: "x"}), chart.Limits{}, "no files in the archive"},
		"device":     {pack(t, web, file{name: "web/Chart.yaml", kind: tar.TypeChar}, file{name: "web/fifo", kind: tar.TypeFifo}), chart.Limits{}, ""},
		"file":       {pack(t, web, file{name: "web/x", text: "0123456789"}), chart.Limits{File: 9 + int64(len(web.text))}, ""},
		"file 2":     {pack(t, web, file{name: "web/x", text: strings.Repeat("0", 100)}), chart.Limits{File: 99}, "more than the limit of 99"},
		"packed":     {pack(t, web), chart.Limits{Packed: 10}, "raise --helm-chart-max-size"},
		"many":       {pack(t, many...), chart.Limits{Files: 100}, "more than 100 files"},
		"bomb":       {pack(t, web, file{name: "web/a", text: bomb}, file{name: "web/b", text: bomb}), chart.Limits{Bytes: 6 << 20}, "bytes unpacked"},
		"nested bomb": {pack(t, web, file{name: "web/charts/a.tgz", text: string(pack(t, about("a"), file{name: "a/a", text: bomb}))},
			file{name: "web/charts/b.tgz", text: string(pack(t, about("b"), file{name: "b/b", text: bomb}))}), chart.Limits{Bytes: 6 << 20}, "bytes unpacked"},
		"deep":      {nested, chart.Limits{}, "deep"},
		"no gzip":   {[]byte("x"), chart.Limits{}, "not a gzip archive"},
		"truncated": {pack(t, web)[:60], chart.Limits{}, "broken archive"},
		"no chart":  {pack(t, file{name: "web/values.yaml"}), chart.Limits{}, "Chart.yaml"},
		"name":      {pack(t, file{name: "web/Chart.yaml", text: "apiVersion: v2\nname: ../x\nversion: 1.0.0\n"}), chart.Limits{}, "invalid"},
		"version":   {pack(t, file{name: "web/Chart.yaml", text: "apiVersion: v2\nname: x\nversion: one\n"}), chart.Limits{}, "invalid"},
		"yaml bomb": {pack(t, web, file{name: "web/values.yaml", text: yamlBomb}), chart.Limits{}, "excessive aliasing"},
		"null":      {pack(t, file{name: "web/Chart.yaml", text: "null"}, file{name: "web/Chart.lock", text: "null"}), chart.Limits{}, "is required"},
	} {
		_, err := chart.Load(c.data, c.limits)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

var yamlBomb = func() string {
	text := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 9; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	return text
}()

func source(t testing.TB, files map[string]string) tree.Tree {
	t.Helper()
	var b tree.Builder
	for p, text := range files {
		if err := b.Add(p, tree.BlobOf([]byte(text))); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const webChart = "apiVersion: v2\nname: web\nversion: 0.1.0\n"

func TestTree(t *testing.T) {
	src := source(t, map[string]string{
		"charts/web/Chart.yaml":       webChart,
		"charts/web/values.yaml":      "a: 1\nb: {c: 1, d: 1}\n",
		"charts/web/templates/x.yaml": "x",
		"charts/web/.helmignore":      "secret*\n",
		"charts/web/secret.txt":       "no",
		"charts/web/secrets/deep":     "no",
		"values-prod.yaml":            "b: {c: 2}\n",
		"values-more.yaml":            "b: {d: null}\ne: [1]\n",
	})
	c, err := chart.LoadTree(src, "./charts/web", chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	v := chart.ValuesFiles{Files: []string{"charts/web/values.yaml", "./values-prod.yaml", "absent.yaml", "values-more.yaml"}, IgnoreMissing: true}
	used, err := v.FromTree(c, src, chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(used), "[charts/web/values.yaml ./values-prod.yaml values-more.yaml]"; got != want {
		t.Errorf("used: got %s, want %s", got, want)
	}
	if c.Metadata.Version, err = chart.WithMetadata(c.Metadata.Version, chart.RevisionMetadata("main@sha1:0123456789abcdef0123456789abcdef01234567")+".7"); err != nil {
		t.Fatal(err)
	}
	data, err := chart.Package(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := chart.Load(data, chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(again.Metadata.Version, " ", again.Values), "0.1.0+0123456789ab.7 map[a:1 b:map[c:2 d:<nil>] e:[1]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := len(again.Raw); got != 4 { // Chart.yaml, values.yaml, the template, .helmignore
		t.Errorf("got %d files", got)
	}
	for range 5 { // equal charts give equal bytes
		c2, err := chart.Load(data, chart.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if data2, err := chart.Package(c2); err != nil || !bytes.Equal(data, data2) {
			t.Fatalf("packaged again it differs (%v)", err)
		}
	}
	v.IgnoreMissing = false
	if _, err := v.FromTree(c, src, chart.Limits{}); err == nil || err.Error() != "no values file found at path 'absent.yaml'" {
		t.Errorf("got %v", err)
	}
	if _, err := chart.LoadTree(src, "../x", chart.Limits{}); err == nil || !strings.Contains(err.Error(), "leads out of the source") {
		t.Errorf("got %v", err)
	}
}

// A .helmignore may be long, or stand against many files, not both.
func TestEndlessIgnore(t *testing.T) {
	files := map[string]string{"Chart.yaml": webChart, ".helmignore": "docs\n"}
	for i := range 6000 {
		files[fmt.Sprintf("docs-%d/x", i)] = ""
	}
	if _, err := chart.LoadTree(source(t, files), ".", chart.Limits{}); err != nil {
		t.Error(err)
	}
	long := strings.Repeat("# for people\n", 9000) // counts as well, and costs nothing here
	files[".helmignore"] = long
	if _, err := chart.LoadTree(source(t, files), ".", chart.Limits{}); err == nil || !strings.Contains(err.Error(), "9000 lines of .helmignore are too many") {
		t.Errorf("got %v", err)
	}
	if _, err := chart.LoadTree(source(t, map[string]string{"Chart.yaml": webChart, ".helmignore": long}), ".", chart.Limits{}); err != nil {
		t.Error(err)
	}
}

func TestValuesOfAChart(t *testing.T) {
	load := func() []byte {
		return pack(t, about("web"), file{name: "web/values.yaml", text: "a: 1\n"}, file{name: "web/ci/prod.yaml", text: "a: 2\nb: 3\n"})
	}
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{"values.yaml"}, "map[a:1] []"},
		{[]string{"./values.yaml"}, "map[a:1] []"},
		{[]string{"values.yaml", "ci/prod.yaml"}, "map[a:2 b:3] [values.yaml ci/prod.yaml]"},
		{[]string{"ci/prod.yaml", "values.yaml"}, "map[a:1 b:3] [ci/prod.yaml values.yaml]"},
		{[]string{"ci/prod.yaml"}, "map[a:2 b:3] [ci/prod.yaml]"},
		{[]string{"../x"}, "no values file found at path '../x'"},
	} {
		got, err := chart.Load(load(), chart.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		used, err := chart.ValuesFiles{Files: c.files}.FromChart(got)
		text := fmt.Sprint(got.Values, used)
		if err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%v: got %s, want %s", c.files, text, c.want)
		}
	}
}

// Values files of a source, by paths that stay in it, each with its first document.
func TestValuesOfASource(t *testing.T) {
	src := source(t, map[string]string{
		"charts/web/Chart.yaml": webChart, "charts/web/values.yaml": "a: 1\n",
		"prod.yaml": "---\na: 2\n", "two.yaml": "a: 3\n---\na: 4\nb: 4\n", "list.yaml": "[a]\n", "empty.yaml": "# nothing\n",
	})
	for _, c := range []struct{ file, want string }{
		{"prod.yaml", "map[a:2] [prod.yaml]"},
		{"/prod.yaml", "map[a:2] [/prod.yaml]"},
		{"../../prod.yaml", "map[a:2] [../../prod.yaml]"},
		{"charts/../../prod.yaml", "map[a:2] [charts/../../prod.yaml]"},
		{"two.yaml", "map[a:3] [two.yaml]"},
		{"empty.yaml", "map[] [empty.yaml]"},
		{"absent.yaml", "map[] []"},
		{"list.yaml", "unmarshaling values from 'list.yaml' failed"},
		{"charts", "could not read values from file 'charts': it is a directory"},
		{"a\x00", "holds a NUL byte"},
	} {
		got, err := chart.LoadTree(src, "charts/web", chart.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		used, err := chart.ValuesFiles{Files: []string{c.file}, IgnoreMissing: true}.FromTree(got, src, chart.Limits{})
		text := fmt.Sprint(got.Values, used)
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, c.want) {
			t.Errorf("%q: got %s, want %s", c.file, text, c.want)
		}
	}
}

// Chart.lock goes before Chart.yaml and knows no aliases: of two entries with one name the
// last counts, as in Flux.
func TestDependenciesOfALock(t *testing.T) {
	src := source(t, map[string]string{
		"Chart.yaml": webChart + "dependencies:\n- {name: db, version: 1.x, repository: 'https://a.example', alias: one}\n- {name: db, version: 2.x, repository: 'https://a.example', alias: two}\n",
		"Chart.lock": "dependencies:\n- {name: db, version: 1.0.0, repository: 'https://a.example'}\n- {name: db, version: 2.0.0, repository: 'https://a.example'}\n",
	})
	c, err := chart.LoadTree(src, ".", chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	deps, err := chart.Missing(c, ".")
	if got, want := fmt.Sprint(deps, err), "[{db 2.0.0 https://a.example/  }] <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMissingDependencies(t *testing.T) {
	src := source(t, map[string]string{
		"apps/web/Chart.yaml": webChart + `dependencies:
- {name: redis, version: ^1, repository: "https://charts.example.com/a"}
- {name: common, version: 0.x, repository: "file://../common", alias: base}
- {name: there, version: 1, repository: "https://charts.example.com/a"}
- {name: oci, version: 1.x, repository: "oci://ghcr.io/a/"}
- {name: plain, version: "1"}
`,
		"apps/web/charts/there/Chart.yaml": "apiVersion: v2\nname: there\nversion: 1.0.0\n",
		"apps/common/Chart.yaml":           "apiVersion: v2\nname: common\nversion: 0.5.0\n",
	})
	c, err := chart.LoadTree(src, "apps/web", chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	deps, err := chart.Missing(c, "apps/web")
	if err != nil {
		t.Fatal(err)
	}
	want := "[{redis ^1 https://charts.example.com/a/  } {common 0.x  apps/common base} {oci 1.x oci://ghcr.io/a  } {plain 1  apps/web/charts/plain }]"
	if got := fmt.Sprint(deps); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	sub, err := chart.LoadTree(src, deps[1].Path, chart.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := deps[1].Add(c, sub); err != nil {
		t.Fatal(err)
	}
	if got := c.Dependencies()[0].Name(); got != "base" {
		t.Errorf("got %s", got)
	}
	deps[1].Range = "2.x"
	if err := deps[1].Add(c, sub); err == nil || !strings.Contains(err.Error(), "can't get a valid version for constraint '2.x'") {
		t.Errorf("got %v", err)
	}
	for repository, want := range map[string]string{
		"file://../../../x": "leads out of the source", "@stable": "aliased repository", "ftp://x/": "has the scheme",
	} {
		c.Metadata.Dependencies[0].Repository = repository
		if _, err := chart.Missing(c, "apps/web"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", repository, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ repository, ref, want string }{
		{"https://a.example/charts", "x-1.tgz", "https://a.example/charts/x-1.tgz"},
		{"https://a.example/charts/?token=1", "x/y.tgz", "https://a.example/charts/x/y.tgz?token=1"},
		{"https://a.example/charts/?token=1", "//b.example/x.tgz", "https://b.example/x.tgz"},
		{"https://a.example/charts/", "/root.tgz", "https://a.example/root.tgz"},
		{"https://a.example", "https://b.example/x.tgz", "https://b.example/x.tgz"},
		{"https://a.example/a%2Fb", "x.tgz", "https://a.example/a%2Fb/x.tgz"},
	} {
		got, err := chart.Resolve(c.repository, c.ref)
		if err != nil || got != c.want {
			t.Errorf("Resolve(%q, %q): got %q, %v, want %q", c.repository, c.ref, got, err, c.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(pack(f, about("web"), file{name: "web/values.yaml", text: "a: 1"}, file{name: "web/charts/z.tgz", text: string(pack(f, about("sub")))}))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := chart.Limits{Packed: 1 << 20, Bytes: 4 << 20, Files: 100}
		c, err := chart.Load(data, l)
		if err != nil {
			return
		}
		if _, err := chart.Package(c); err != nil && !strings.Contains(err.Error(), "JSON") && !strings.Contains(err.Error(), "name") && !strings.Contains(err.Error(), "validation") {
			t.Error(err)
		}
	})
}
