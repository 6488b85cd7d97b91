package helm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/leat-dev/leat/internal/isolate"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "isolated" {
		works := map[string]isolate.Work{RenderName: RenderWork}
		fmt.Fprintln(os.Stderr, isolate.Serve(os.Args[2:], works, os.Exit))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func children(t testing.TB) *isolate.Pool {
	t.Helper()
	if !isolate.Possible {
		t.Skip("children are bounded in memory on Linux only; elsewhere the work is done in this process")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := isolate.NewPool(isolate.Config{Command: []string{exe, "isolated"}, Children: 2})
	t.Cleanup(p.Close)
	return p
}

func testRun(c *chart.Chart, in Isolator) *run {
	r := &run{ctx: context.Background(), job: Job{Chart: c}, cluster: &Cluster{isolator: in}}
	r.guard = newGuard(r)
	return r
}

// rendered renders a chart the way that Helm's actions do.
func rendered(r *run, c *chart.Chart, values map[string]any) (map[string]string, error) {
	if err := chartutil.ProcessDependencies(c, values); err != nil {
		return nil, err
	}
	options := common.ReleaseOptions{Name: "web", Namespace: "apps", Revision: 3, IsUpgrade: true}
	top, err := util.ToRenderValuesWithSchemaValidation(c, values, options, common.DefaultCapabilities, true)
	if err != nil {
		return nil, err
	}
	funcs := r.functions()
	funcs["lookup"] = func(string, string, string, string) (map[string]any, error) { return map[string]any{}, nil }
	files, err := engine.Engine{CustomTemplateFuncs: funcs}.Render(c, top)
	if r.guard.remote != nil {
		for name := range files {
			if strings.HasSuffix(name, deepest) {
				delete(files, name)
			}
		}
	}
	return files, r.guard.cause(err)
}

func chartOf(files map[string]string) *chart.Chart {
	c := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: "web", Version: "1.0.0"}, Values: map[string]any{}}
	for name, text := range files {
		c.Templates = append(c.Templates, &common.File{Name: name, Data: []byte(text)})
	}
	return c
}

// A child renders what this process would, for charts that people use too.
func TestChildRendersTheSame(t *testing.T) {
	pool := children(t)
	sub := chartOf(map[string]string{"templates/s.yaml": `{{ .Values.own }} {{ .Values.global.g }} {{ .Chart.IsRoot }} {{ .Release.Revision }}`, "templates/_s.tpl": `{{ define "s" }}S{{ end }}`})
	sub.Metadata.Name = "sub"
	own := chartOf(map[string]string{
		"templates/a.yaml": `{{ tpl .Values.text . }} {{ include "s" . }} {{ .Values.n }} {{ kindOf .Values.n }} {{ typeOf .Values }} {{ .Template.Name }} {{ .Template.BasePath }}
{{ .Release | toJson }} {{ .Capabilities.KubeVersion }} {{ .Capabilities.APIVersions.Has "v1" }} {{ .Capabilities.HelmVersion.Version }} {{ .Chart.Name }} {{ .nothing }}`,
		"templates/NOTES.txt":  `{{ (index .Subcharts "sub").Values.own }} {{ .Files.Get "f.txt" }}`,
		"templates/x/y/z.yaml": `{{ $_ := set .Values "late" "set" }}deep {{ "{{" }}`, "templates/late.yaml": `{{ .Values.late }}`, "templates/none.yaml": ``,
	})
	own.Files = []*common.File{{Name: "f.txt", Data: []byte("file")}}
	own.AddDependency(sub)
	own.Metadata.Dependencies = []*chart.Dependency{{Name: "sub", Version: "1.0.0", Alias: "other"}, {Name: "sub", Version: "1.0.0"}}
	own.Values = map[string]any{"text": "{{ .Values.n }}", "n": 1e6, "sub": map[string]any{"own": "mine"}, "other": map[string]any{"own": "o"}, "global": map[string]any{"g": int64(3)}}
	charts := map[string]*chart.Chart{"own": own}
	for name, c := range packaged(t) {
		charts[name] = c
	}
	for name, text := range map[string]string{
		"does not parse": "a\n{{ tpl", "fails": "a\n{{ tpl `a\n{{ fail \"no\" }}` . }}", "misses": "\n\n{{ tpl `x` . }}{{ .Values.a.b.c }}",
		"requires": "{{ tpl `x` . }}{{ required `give me y` .Values.y }}", "includes nothing": "{{ tpl `{{ include \"z\" . }}` . }}",
	} {
		charts[name] = chartOf(map[string]string{"templates/a.yaml": text})
	}
	for name, c := range charts {
		here, there := testRun(c, nil), testRun(c, pool)
		want, err := rendered(here, here.rendering(), map[string]any{"x": "y"})
		got, gotErr := rendered(there, there.rendering(), map[string]any{"x": "y"})
		if broken := name != "own" && !strings.HasSuffix(name, ".tgz"); broken != (err != nil) || fmt.Sprint(err) != fmt.Sprint(gotErr) {
			t.Errorf("%s: got error %v, want %v", name, gotErr, err)
		}
		if random(c) {
			continue
		}
		if !reflect.DeepEqual(got, want) {
			for file := range want {
				if got[file] != want[file] {
					t.Errorf("%s: %s: got %q, want %q", name, file, got[file], want[file])
				}
			}
			for file := range got {
				if _, ok := want[file]; !ok {
					t.Errorf("%s: %s was rendered", name, file)
				}
			}
		}
		if name == "own" && there.guard.remote == nil {
			t.Error("a chart with tpl was rendered in this process")
		}
	}
}

// random tells whether a chart renders differently each time.
func random(c *chart.Chart) bool {
	return !each(c, func(c *chart.Chart) bool {
		for _, f := range c.Templates {
			if strings.Contains(string(f.Data), "randAlpha") || strings.Contains(string(f.Data), "genSelfSigned") || strings.Contains(string(f.Data), "genCA") || strings.Contains(string(f.Data), "now") {
				return false
			}
		}
		return true
	})
}

// packaged are the charts in a directory of packages that $LEAT_CHARTS names.
func packaged(t testing.TB) map[string]*chart.Chart {
	t.Helper()
	out := map[string]*chart.Chart{}
	dir := os.Getenv("LEAT_CHARTS")
	if dir == "" {
		return out
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		c, err := loader.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = c
	}
	return out
}

// A chart that was rendered elsewhere is stored as it was.
func TestReplacedTemplatesComeBack(t *testing.T) {
	c := chartOf(map[string]string{"templates/a.yaml": "{{ tpl .Values.x . }}", "templates/_h.tpl": "h"})
	r := testRun(c, children(t))
	swapped := r.rendering()
	if reflect.DeepEqual(swapped.Templates, c.Templates) {
		t.Fatal("the chart would be rendered here")
	}
	r.guard.restore()
	if !reflect.DeepEqual(swapped.Templates, c.Templates) {
		t.Errorf("got %v, want %v", swapped.Templates, c.Templates)
	}
}

// bombs are charts that would take a process down, with values.
var bombs = map[string]struct {
	template string
	values   map[string]any
	want     string // in the error
}{
	"tpl doubles":     {"{{ tpl .Values.x . }}", map[string]any{"x": "{{ $x := \"0123456789\" }}" + strings.Repeat("{{ $x = cat $x $x }}", 40) + "{{ $x }}"}, "memory"},
	"tpl of tpl":      {"{{ tpl .Values.x . }}", map[string]any{"x": "{{ tpl (cat .Values.x .Values.x) . }}"}, "render chart web"},
	"a map of itself": {"{{ $d := dict }}{{ $_ := set $d `a` $d }}{{ $d }}", nil, "recursed"},
	"a large list":    {"{{ $l := list 1 }}" + strings.Repeat("{{ $l = concat $l $l }}", 40), nil, "memory"},
	"tpl forever":     {"{{ tpl .Values.x . }}", map[string]any{"x": "{{ range 100000000 }}{{ range 100000000 }}{{ end }}{{ end }}"}, "longer"},
	"much output":     {strings.Repeat("{{ $.Values.x }}", 40_000), map[string]any{"x": strings.Repeat("x", 1<<20)}, "more than"},
	"output here":     {strings.Repeat("{{ $.Values.x }}", 10_000), map[string]any{"x": strings.Repeat("x", 1<<20)}, "bytes to render"},
	"printf doubles":  {"{{ $x := `0123456789` }}" + strings.Repeat("{{ $x = printf `%s%s` $x $x }}", 40), nil, "more than 8388608 bytes"},
	"printf repeats":  {"{{ printf .Values.f .Values.x }}", map[string]any{"f": strings.Repeat("%[1]s", 10_000), "x": strings.Repeat("x", 1<<20)}, "more than 8388608 bytes"},
	"printf pads":     {"{{ printf `%99999999d` 1 }}", nil, "width"},
	"nindent":         {"{{ nindent 1000000000 `x` }}", nil, "spaces"},
	"replace":         {"{{ replace `x` .Values.x .Values.x }}", map[string]any{"x": strings.Repeat("x", 1<<20)}, "more than 8388608 bytes"},
}

// hurried gives jobs a second.
type hurried struct{ *isolate.Pool }

func (h hurried) Do(ctx context.Context, job isolate.Job) ([]byte, error) {
	job.Timeout = time.Second
	return h.Pool.Do(ctx, job)
}

func TestBombs(t *testing.T) {
	pool := children(t)
	for name, b := range bombs {
		t.Run(name, func(t *testing.T) {
			var in Isolator = pool
			if b.want == "longer" {
				in = hurried{pool}
			}
			r := testRun(chartOf(map[string]string{"templates/a.yaml": b.template}), in)
			_, err := rendered(r, r.rendering(), b.values)
			if err == nil || !strings.Contains(err.Error(), b.want) {
				t.Errorf("got %.300v, want an error with %q", err, b.want)
			}
			var died *isolate.Died
			if errors.As(err, &died) && !strings.Contains(err.Error(), "render chart web: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestGentle(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "{{ .Values.tpl }} {{ $tpl }} tpl {{ \"tpl\" }} {{/* tpl */}} {{ include `a` . | nindent 4 }}": true,
		"{{ tpl .Values.x . }}": false, "{{- if (tpl .Values.x .) }}": false, "{{ $x := dict }}": false, "{{ .Values.x|tpl }}": false, "{{ .x.tpl.dict }}": true, "{{ -1.5e3 }}": true,
	} {
		if got := gentle(chartOf(map[string]string{"templates/a": text})); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	parent := chartOf(nil)
	parent.AddDependency(chartOf(map[string]string{"templates/a": "{{ tpl . . }}"}))
	if gentle(parent) {
		t.Error("a subchart is not looked at")
	}
	if gentle(chartOf(map[string]string{"templates/a": strings.Repeat(" ", maxGentle+1)})) {
		t.Error("a large chart is rendered here")
	}
}

// BenchmarkRender compares a warm child with this process, for the charts that
// $LEAT_CHARTS names; run it with -benchtime 200x.
func BenchmarkRender(b *testing.B) {
	pool := children(b)
	for name, c := range packaged(b) {
		for where, in := range map[string]Isolator{"here": nil, "child": pool} {
			b.Run(name+"/"+where, func(b *testing.B) {
				for b.Loop() {
					r := testRun(c, in)
					if _, err := rendered(r, r.rendering(), nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
