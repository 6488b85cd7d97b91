package build

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Attack case 12: what would cost kustomize too much is refused with the file,
// and the line where there is one.
func TestGuards(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
	deep := strings.Builder{}
	for i := range 300 {
		deep.WriteString(strings.Repeat(" ", i) + "k:\n")
	}
	cases := map[string]struct {
		text, want string
	}{
		"aliases":       {manifest + bomb, "a.yaml:11: YAML aliases expand to more than"},
		"deep blocks":   {manifest + "  v:\n" + deep.String(), "nested more than 200 levels"},
		"deep flow":     {manifest + "  v: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n", "nested more than 200 levels"},
		"deep sequence": {manifest + "  v:\n  " + strings.Repeat("- ", 500) + "x\n", "nested more than 200 levels"},
		"documents":     {strings.Repeat("---\na: b\n", 20_000), "more than 10000 documents"},
		"keys":          {manifest + "  v: [" + strings.Repeat("1,", 1_500_000) + "]\n", "lines and list entries of YAML are more than"},
		"size":          {manifest + "  v: " + strings.Repeat("x", maxYAMLBytes) + "\n", "bytes of YAML are more than"},
		"self":          {"a: &a\n  b: *a\n", "a.yaml"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			places := map[string]map[string]string{
				"scanned":   {"a.yaml": c.text},
				"resource":  {"a.yaml": c.text, "kustomization.yaml": "resources: [a.yaml]\n"},
				"patch":     {"a.yaml": c.text, "kustomization.yaml": "resources: [b.yaml]\npatches: [{path: a.yaml}]\n", "b.yaml": manifest},
				"generator": {"a.yaml": c.text, "kustomization.yaml": "generators: [a.yaml]\n"},
				"crd":       {"a.yaml": c.text, "kustomization.yaml": "crds: [a.yaml]\n"},
			}
			for place, files_ := range places {
				_, _, err := Run(context.Background(), files(t, files_), Recipe{Path: "."}, Options{})
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "a.yaml") {
					t.Errorf("%s: got %.300v, want an error with a.yaml and %q", place, err, c.want)
				}
			}
		})
	}
	t.Run("inline", func(t *testing.T) {
		tr := files(t, map[string]string{"a.yaml": manifest})
		_, _, err := Run(context.Background(), tr, patchRecipe(manifest+bomb), Options{})
		if err == nil || !strings.Contains(err.Error(), "aliases expand") {
			t.Errorf("got %v, want the bomb refused", err)
		}
	})
	t.Run("together", func(t *testing.T) {
		part := func(name string) string {
			return strings.Replace(manifest, "name: a", "name: "+name, 1) + "  v: [" + strings.Repeat("1,", 400_000) + "]\n"
		}
		tr := files(t, map[string]string{"a.yaml": part("a"), "b.yaml": part("b"), "c.yaml": part("c"), "kustomization.yaml": "resources: [a.yaml, b.yaml, c.yaml]\n"})
		_, _, err := Run(context.Background(), tr, Recipe{}, Options{})
		if err == nil || !strings.Contains(err.Error(), "c.yaml: more than 1000000 lines") {
			t.Errorf("got %v, want three large files refused together", err)
		}
	})
	t.Run("content", func(t *testing.T) {
		tr := files(t, map[string]string{"a.yaml": bomb, "kustomization.yaml": "configMapGenerator: [{name: a, files: [a.yaml]}]\n"})
		if _, _, err := Run(context.Background(), tr, Recipe{}, Options{}); err != nil {
			t.Errorf("got %v, want a file that nobody parses left alone", err)
		}
	})
}

// What real files hold passes.
func TestGuardPasses(t *testing.T) {
	for name, text := range map[string]string{
		"anchors":  "a: &x {b: c}\nd: *x\ne: &y [1, 2]\nf: [*y, *y]\ng: {<<: *x}\n",
		"scalar":   "a: |\n" + strings.Repeat(strings.Repeat(" ", 300)+"{[(x\n", 100),
		"broken":   "a: [\n",
		"mentions": "a: b && c & d\n",
	} {
		if err := guard(name, []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Attack case 14: growth is bounded before it happens.
func TestSubstitutionIsBounded(t *testing.T) {
	big := strings.Repeat("a", 1<<20)
	for name, c := range map[string]struct{ text, want string }{
		"many uses":    {strings.Repeat("${big}", 100), "bytes after substitution are more than"},
		"replacements": {"${big//a/${big}}", "bytes after substitution are more than"},
		"trim":         {"${big##*a*a*a*b}", "too long to be trimmed"},
		"default":      {strings.Repeat("${none:=${big}}", 100), "bytes after substitution are more than"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := files(t, map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: \"" + c.text + "\"}\n"})
			_, _, err := Run(context.Background(), tr, Recipe{Substitute: map[string]string{"big": big}}, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 {
				t.Errorf("got %.500v, want an error with %q", err, c.want)
			}
		})
	}
	tr := files(t, map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: \"${big}\"}\n"})
	if _, _, err := Run(context.Background(), tr, Recipe{Substitute: map[string]string{"big": big}}, Options{}); err != nil {
		t.Errorf("one use of a large value: %v", err)
	}
}

// Bases that double at every level are refused long before they end.
func TestDiamonds(t *testing.T) {
	all := map[string]string{"level30/kustomization.yaml": "resources: [a.yaml]\n", "level30/a.yaml": cm("a")}
	for i := range 30 {
		for _, side := range []string{"a", "b"} {
			all[fmt.Sprintf("level%d/%s/kustomization.yaml", i, side)] = fmt.Sprintf("resources: [../../level%d]\nnamePrefix: %s%d-\n", i+1, side, i)
		}
		all[fmt.Sprintf("level%d/kustomization.yaml", i)] = "resources: [a, b]\n"
	}
	_, _, err := Run(context.Background(), files(t, all), Recipe{Path: "level0"}, Options{})
	if err == nil || !strings.Contains(err.Error(), "included more than 1000 times") {
		t.Errorf("got %v", err)
	}
}
