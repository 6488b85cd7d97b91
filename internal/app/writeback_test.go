package app

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/leat-dev/leat/internal/access"
	yamledit "github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/tree"
)

// handmade is the fleet of testdata/writeback.txtar as environment prod.
func handmade(t *testing.T) *handSide {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/writeback.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	all, err := tree.FromFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPreviews(PreviewConfig{
		CacheDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Options: engine.Options{Mask: plan.NewMask(secret.NewKey()), FailFast: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	s := &handSide{previews: p, head: Head{Branch: "main", Tree: all}, environment: flow.Environment{Name: "prod", Branch: "main", Directory: "prod"}}
	s.flow.Environments = []flow.Environment{s.environment, {Name: "dev", Branch: "main", Directory: "dev"}}
	if s.base, s.rendered, err = s.render(t.Context(), s.environment, all); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// write is an object of namespace shop with fields, PATH and JSON after each other.
func write(kind, name, unit string, fields ...string) access.Write {
	w := access.Write{Kind: kind, Namespace: "shop", Name: name, Unit: unit}
	if kind == "Deployment" {
		w.Group = "apps"
	}
	for i := 0; i+1 < len(fields); i += 2 {
		w.Fields = append(w.Fields, access.Field{Path: fields[i], Value: fields[i+1]})
	}
	return w
}

const (
	entryUnit = "Kustomization/flux-system/flux-system"
	inWeb     = "/spec/template/spec/containers/[name=web]/"
)

// What was written by hand becomes an edit of the line that makes it, or it is said why
// it does not.
func TestWriteBack(t *testing.T) {
	s := handmade(t)
	entry := func(kind, name string, fields ...string) access.Write { return write(kind, name, entryUnit, fields...) }
	for _, c := range []struct {
		name   string
		writes []access.Write
		says   []string // object, field, at, or why not
		diff   []string // lines that go and come
	}{
		{"a scalar", []access.Write{entry("Deployment", "web", "/spec/replicas", "3")},
			[]string{"web /spec/replicas 2→3 prod/web.yaml:7"}, []string{"-  replicas: 2   # as in spring", "+  replicas: 3   # as in spring"}},
		{"as it is in Git", []access.Write{entry("Deployment", "web", "/spec/replicas", "2")}, nil, nil},
		{"of a patch", []access.Write{entry("Deployment", "web", "/spec/minReadySeconds", "9")},
			[]string{"web /spec/minReadySeconds 5→9 prod/patch.yaml:4"}, []string{"-spec: {minReadySeconds: 5}", "+spec: {minReadySeconds: 9}"}},
		{"an image that Git renames", []access.Write{entry("Deployment", "web", inWeb+"image", `"registry.example/web:1.3"`)},
			[]string{`web ` + inWeb + `image "registry.example/web:1.2"→"registry.example/web:1.3" prod/kustomization.yaml:8`},
			[]string{`-    newTag: "1.2" # released on Monday`, `+    newTag: "1.3" # released on Monday`}},
		{"another image", []access.Write{entry("Deployment", "web", inWeb+"image", `"else.example/web:1.2"`)},
			[]string{"web " + inWeb + "image LEFT prod/kustomization.yaml:8 makes it: the value does not stand there as it is"}, nil},
		{"an image as it stands", []access.Write{entry("Deployment", "web", "/spec/template/spec/containers/[name=side]/image", `"side:2"`)},
			[]string{`web /spec/template/spec/containers/[name=side]/image "side:1"→"side:2" prod/web.yaml:20`}, []string{"-          image: side:1", "+          image: side:2"}},
		{"an image without a tag", []access.Write{entry("Deployment", "counted", "/spec/template/spec/containers/[name=bare]/image", `"bare.example/side:v2"`)},
			[]string{`counted /spec/template/spec/containers/[name=bare]/image "bare.example/side:v1"→"bare.example/side:v2" prod/kustomization.yaml:9`},
			[]string{"-  - {name: bare.example/side, newTag: v1}", "+  - {name: bare.example/side, newTag: v2}"}},
		{"replicas of kustomize", []access.Write{entry("Deployment", "counted", "/spec/replicas", "4")},
			[]string{"counted /spec/replicas 2→4 prod/kustomization.yaml:11"}, []string{"-  - {name: counted, count: 2}", "+  - {name: counted, count: 4}"}},
		{"an item of a list", []access.Write{entry("Deployment", "web", inWeb+"env/[name=LEVEL]/value", `"debug"`)},
			[]string{`web ` + inWeb + `env/[name=LEVEL]/value "info"→"debug" prod/web.yaml:17`},
			[]string{"-            - {name: LEVEL, value: info}", "+            - {name: LEVEL, value: debug}"}},
		{"a text that reads as a number", []access.Write{entry("ConfigMap", "settings", "/data/size", `"20"`)},
			[]string{`settings /data/size "10"→"20" prod/web.yaml:35`}, []string{`-  size: "10"`, `+  size: "20"`}},
		{"a text of lines", []access.Write{entry("ConfigMap", "settings", "/data/text", `"a=1\nb=3\n"`)},
			[]string{`settings /data/text "a=1\nb=2\n"→"a=1\nb=3\n" prod/web.yaml:36`}, []string{"-    b=2", "+    b=3"}},
		{"a variable", []access.Write{write("ConfigMap", "var", "Kustomization/flux-system/vars", "/data/level", `"high"`)},
			[]string{`var /data/level "low"→"high" prod/vars.yaml:11`}, []string{"-      level: low", "+      level: high"}},
		{"a part of a text of variables", []access.Write{write("ConfigMap", "var", "Kustomization/flux-system/vars", "/data/both", `"a-low-4"`)},
			[]string{`var /data/both "a-low-3"→"a-low-4" prod/vars.yaml:12`}, []string{`-      tag: "3"`, `+      tag: "4"`}},
		{"a value of a chart", []access.Write{write("Deployment", "chart-web", "HelmRelease/shop/chart", "/spec/replicas", "6")},
			[]string{"chart-web /spec/replicas 1→6 prod/release.yaml:8"}, []string{"-    replicaCount: 1", "+    replicaCount: 6"}},
		{"a chart's own", []access.Write{write("Deployment", "chart-web", "HelmRelease/shop/chart", "/spec/minReadySeconds", "8")},
			[]string{"chart-web /spec/minReadySeconds LEFT the template chart/templates/web.yaml of its chart makes it, by no value that the fleet sets"}, nil},
		{"a list", []access.Write{entry("Deployment", "web", inWeb+"args", `["--slow"]`)}, []string{"web " + inWeb + "args LEFT it is no single value: change it by hand"}, nil},
		{"what Git does not set", []access.Write{entry("Deployment", "web", "/spec/paused", "true", "/metadata/annotations/note", `"x"`)},
			[]string{"web /spec/paused LEFT Git does not set it: add it where it belongs", "web /metadata/annotations/note LEFT Git does not set it: add it where it belongs"}, nil},
		{"what a schema sets", []access.Write{entry("Deployment", "web", "/spec/revisionHistoryLimit", "3")},
			[]string{"web /spec/revisionHistoryLimit LEFT no line of the fleet is known to make it"}, nil},
		{"what others share", []access.Write{entry("ConfigMap", "shared", "/data/mode", `"fast"`)},
			[]string{"shared /data/mode LEFT dev would change too: they share base/shared.yaml:4; set it for this one alone, with a patch in its own directory"}, nil},
		{"an object that was made by hand", []access.Write{write("ConfigMap", "x", "")}, []string{"x  LEFT no unit applies it, so that it stands nowhere in Git"}, nil},
		{"an object that Git lost", []access.Write{entry("ConfigMap", "old", "/data/a", `"b"`)}, []string{"old  LEFT " + entryUnit + " does not make it any more"}, nil},
		{"a hidden value", []access.Write{{Kind: "ConfigMap", Namespace: "shop", Name: "settings", Unit: entryUnit, Fields: []access.Field{{Path: "/data/size", Hidden: "it is a secret"}}}},
			[]string{"settings /data/size LEFT it is a secret"}, nil},
		{"a suspended unit", []access.Write{{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization", Namespace: "flux-system", Name: "vars", Suspended: true, Unit: entryUnit}},
			[]string{"vars /spec/suspend LEFT it was suspended by hand: resume it when this is merged"}, nil},
		{"more than was kept", []access.Write{{Kind: "ConfigMap", Namespace: "shop", Name: "settings", Unit: entryUnit, MoreFields: 3}},
			[]string{"settings  LEFT 3 more fields were written than are kept: see leat drift"}, nil},
		{"one line for two", []access.Write{entry("Deployment", "web", inWeb+"image", `"registry.example/web:1.3"`), entry("Deployment", "counted", inWeb+"image", `"registry.example/web:1.3"`)},
			[]string{
				`web ` + inWeb + `image "registry.example/web:1.2"→"registry.example/web:1.3" prod/kustomization.yaml:8`,
				`counted ` + inWeb + `image "registry.example/web:1.2"→"registry.example/web:1.3" prod/kustomization.yaml:8`,
			}, []string{`-    newTag: "1.2" # released on Monday`, `+    newTag: "1.3" # released on Monday`}},
		{"what cannot be beside what can", []access.Write{entry("Deployment", "web", "/spec/replicas", "3", inWeb+"args", `["--slow"]`), entry("ConfigMap", "shared", "/data/mode", `"fast"`)},
			[]string{"web /spec/replicas 2→3 prod/web.yaml:7", "web " + inWeb + "args LEFT it is no single value: change it by hand", "shared /data/mode LEFT dev would change too: they share base/shared.yaml:4; set it for this one alone, with a patch in its own directory"},
			[]string{"-  replicas: 2   # as in spring", "+  replicas: 3   # as in spring"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := s.edited(t.Context(), c.writes)
			if err != nil {
				t.Fatal(err)
			}
			var says []string
			for _, it := range got.items {
				text := it.Object.Name + " " + it.Path + " "
				if it.Proposed() {
					text += it.Git + "→" + it.Live + " " + it.At()
				} else {
					text += "LEFT " + it.Left
				}
				says = append(says, text)
			}
			if diff := cmp.Diff(says, c.says); diff != "" {
				t.Errorf("says (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(changedLines(t, s.head.Tree, got), c.diff); diff != "" {
				t.Errorf("lines (-got +want):\n%s", diff)
			}
		})
	}
}

// changedLines are the lines of a diff, without those around them.
func changedLines(t *testing.T, of tree.Tree, edits handEdits) []string {
	t.Helper()
	var out []string
	for name, blob := range edits.files {
		was, err := of.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		is, err := blob.Read()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(yamledit.Unified(name, string(was), string(is))) {
			if strings.ContainsAny(line[:1], "+-") && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "+++") {
				out = append(out, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	return out
}
