package helm

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"

	"github.com/leat-dev/leat/internal/world/memory"
)

const fleetCharts = "../../../shared/fleets/lsc-sde/charts"

// fleet are the charts of the lsc-sde fleet; none where it is not there.
func fleet(t testing.TB) map[string]*chart.Chart {
	t.Helper()
	files, _ := filepath.Glob(fleetCharts + "/*/*.tgz")
	if len(files) == 0 {
		t.Logf("no charts in %s", fleetCharts)
	}
	out := map[string]*chart.Chart{}
	for _, file := range files {
		data, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := loader.LoadArchive(data)
		data.Close()
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = c
	}
	return out
}

// keeping is a run that renders from what is kept.
func keeping(t testing.TB, c *chart.Chart, renders *Renders) *run {
	t.Helper()
	cluster, err := Offline(memory.New(memory.Options{}), "")
	if err != nil {
		t.Fatal(err)
	}
	cluster.Cache(renders)
	r, err := cluster.As(Identity{}).start(t.Context(), Job{Chart: c}, "default")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is kept is what a fresh rendering yields, to the byte, and what varies is
// not kept.
func TestKeptIsFresh(t *testing.T) {
	charts := fleet(t)
	charts["own"] = chartOf(map[string]string{
		"templates/a.yaml": `{{ tpl .Values.text . }} {{ .Release.Revision }} {{ .Files.Get "f" }} {{ include "h" . }}`, "templates/_h.tpl": `{{ define "h" }}{{ .Chart.Name }}{{ end }}`,
		"templates/NOTES.txt": "note {{ .Template.Name }}",
	})
	charts["own"].Files, charts["own"].Values = []*common.File{{Name: "f", Data: []byte("file")}}, map[string]any{"text": "{{ .Values.x }}"}
	values, kept := map[string]any{"x": "y"}, 0
	for name, c := range charts {
		plain := testRun(c, nil)
		want, wantErr := rendered(plain, plain.rendering(), values)
		var renders Renders
		for range 2 {
			r := keeping(t, c, &renders)
			got, err := rendered(r, r.rendering(), values)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("%s: got error %v, want %v", name, err, wantErr)
			}
			if !random(c) && !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		}
		kept += renders.hits
	}
	t.Logf("%d of %d charts were kept", kept, len(charts))
	if kept == 0 {
		t.Error("nothing was kept")
	}
}

func TestWhatVariesIsNotKept(t *testing.T) {
	for _, text := range []string{
		`{{ randAlphaNum 8 }}`, `{{ now | date "2006" }}`, `{{ genCA "x" 1 }}`, `{{ uuidv4 }}`, `{{ htpasswd "a" "b" }}`, `{{ date "2006" .Values.none }}`,
		`{{ lookup "v1" "Secret" "a" "b" }}`, `{{ tpl .Values.text . }}`, `{{ $x := shuffle "abc" }}`, `{{ encryptAES "k" "v" }}`,
	} {
		var renders Renders
		c := chartOf(map[string]string{"templates/a.yaml": text})
		for range 2 {
			r := keeping(t, c, &renders)
			if _, err := rendered(r, r.rendering(), map[string]any{"text": "{{ randAlpha 3 }}"}); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if renders.hits > 0 || len(renders.young) > 0 {
			t.Errorf("%s was kept", text)
		}
	}
	var renders Renders
	c := chartOf(map[string]string{"templates/a.yaml": `{{ if .Values.secret }}{{ randAlphaNum 8 }}{{ end }}{{ .Values.x }}`})
	for _, x := range []string{"1", "2", "1"} {
		r := keeping(t, c, &renders)
		got, err := rendered(r, r.rendering(), map[string]any{"x": x})
		if err != nil || got["web/templates/a.yaml"] != x {
			t.Errorf("got %v, %v, want %s", got, err, x)
		}
	}
	if renders.hits != 1 {
		t.Errorf("found %d times, want once: what is not called varies nothing", renders.hits)
	}
}

// Each function of varying is one of Helm's.
func TestVaryingFunctionsExist(t *testing.T) {
	g := newGuard(nil)
	funcs := g.watched(func() string { return "" })
	for name := range varying {
		if funcs[name] == nil {
			t.Errorf("there is no function %s", name)
		}
	}
	if len(funcs) != len(varying)+1 {
		t.Errorf("%d functions are watched, want %d and lookup", len(funcs), len(varying))
	}
}

func TestRendersAreBounded(t *testing.T) {
	var r Renders
	text := strings.Repeat("x", maxRenders/10)
	for i := range 40 {
		r.keep(renderKey{byte(i)}, map[string]string{"a": text})
		if r.size > maxRenders/2 || len(r.young)+len(r.old) > 9 {
			t.Fatalf("%d bytes, %d and %d entries are kept", r.size, len(r.young), len(r.old))
		}
	}
	if _, known := r.find(renderKey{39}); !known {
		t.Error("the newest is not kept")
	}
	r.keep(renderKey{77}, map[string]string{"a": strings.Repeat("x", maxRenders)})
	if _, known := r.find(renderKey{77}); known {
		t.Error("more than all is kept")
	}
}

func BenchmarkKept(b *testing.B) {
	var renders Renders
	for name, c := range fleet(b) {
		if !strings.HasPrefix(name, "lscsde-flux") && !strings.HasPrefix(name, "keda") {
			continue
		}
		for way, make := range map[string]func() *run{
			"here": func() *run { return testRun(c, nil) },
			"kept": func() *run { r := testRun(c, nil); r.cluster.renders = &renders; return r },
		} {
			b.Run(name+"/"+way, func(b *testing.B) {
				for b.Loop() {
					r := make()
					if _, err := rendered(r, r.rendering(), nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
